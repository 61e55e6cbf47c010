"""How fast the imagebackend is, beside the same server without work, other designs and servers.

`python3 -m benchmarks.services [--requests N] [--rounds N] [--no-peers]` prints a table and ends
with 1 when an aim is missed. CPU is what the server used, all its threads and processes, user and
system, so the load generator and other programs do not count. Every id is asked for once only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from .harness import ROOT, Connection, Load, Process, Service, free_ports, load, wait_until

CACHE = Path(
    os.environ.get("MONSTERSTACK_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monsterstack"
)
HERE = Path(__file__).parent
# A test of ours, with its aims as shares of the yardstick's requests per CPU second.
AIMS = {"imagebackend PNG 80": 0.45, "imagebackend PNG 200": 0.30}
SMALL = "imagebackend PNG 80"  # with 1,000 bytes on average at most


@dataclass
class Contender:
    """A server and what it is asked: `path` with {} for the id."""

    name: str
    process: Process
    port: int
    path: str
    weight: float = 1.0  # share of the requests, for slow ones
    rounds: list[Load] = field(default_factory=list)

    def per_cpu_second(self) -> float:
        """Requests per CPU second, in the best round: other programs only ever disturb."""
        return max(run.requests / run.cpu for run in self.rounds)


def install(command: list[str], wanted: Path, folder: Path) -> None:
    """Run a command that installs into a folder, unless it has done so for these same wishes."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        shutil.copy(wanted, folder)
        subprocess.run(command, cwd=folder, check=True)
        stamp.write_text(wanted.read_text())


def peers(stack: ExitStack) -> tuple[list[Contender], list[Contender]]:
    """Other servers with the yardstick's application, and other designs. Installs them first."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        sys.exit("node and npm are missing: install Debian's nodejs and npm, or use --no-peers.")
    python, modules = CACHE / f"bench/python3.{sys.version_info[1]}", CACHE / "bench/npm"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--upgrade",
        "--target",
        ".",
    ]
    install([*pip, "-r", "requirements.txt"], HERE / "peers" / "requirements.txt", python)
    npm_install = [npm, "install", "--no-audit", "--no-fund"]
    install(npm_install, HERE / "peers" / "package.json", modules)

    gunicorn = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}"]
    application = "benchmarks.services.constant:create_app()"
    servers = [
        start(stack, f"gunicorn {kind}", [*gunicorn, *options, application], "/?{}", path=python)
        for kind, options in (
            ("sync", ["--worker-class", "sync"]),
            ("gthread, 4 threads", ["--worker-class", "gthread", "--threads", "4"]),
            ("gevent", ["--worker-class", "gevent"]),
        )
    ]
    pydenticon = [sys.executable, "-m", "benchmarks.services.pydenticon_server"]
    name = "pydenticon PNG 80 (same server)"
    designs = [start(stack, name, pydenticon, "/{}?size=80", 0.3, path=python)]
    for name, peer, weight in (
        ("jdenticon PNG 80 (node)", "jdenticon-png", 0.3),
        ("DiceBear pixel-art SVG 80 (node)", "dicebear-svg", 1.0),
        ("DiceBear pixel-art PNG 80 (node)", "dicebear-png", 0.2),
    ):
        script = [node, str(HERE / "peers" / "server.mjs")]
        env = {"PEERS": str(modules), "NODE_ENV": "production", "PEER": peer}
        designs.append(start(stack, name, script, "/{}?size=80", weight, env))
    return servers, designs


def start(
    stack: ExitStack,
    name: str,
    argv: list[str],
    ask: str,
    weight: float = 1.0,
    env: dict[str, str] | None = None,
    path: Path | None = None,
) -> Contender:
    """Start a server that reads PORT or takes {port} as an argument; `path` is for its imports."""
    port, metrics = free_ports(2)
    own = {"BIND": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(metrics)}
    if path:
        own["PYTHONPATH"] = str(path)
    argv = [word.format(port=port) for word in argv]
    process = Process(argv, {**own, **(env or {})})
    stack.callback(process.stop)

    def up() -> bool:
        if process.ended is not None:
            sys.exit(f"{argv} ended with {process.ended}:\n{process.output()}")
        return load(process, port, ["/healthz"], 1).statuses == {200: 1}

    wait_until(up, f"{argv} answers")
    return Contender(name, process, port, ask, weight)


def patience(contender: Contender) -> str:
    """How long a visitor waits while 16 others have connected and say nothing, as browsers do
    that connect in advance."""
    silent = [socket.create_connection(("127.0.0.1", contender.port)) for _ in range(16)]
    time.sleep(0.2)  # the server shall have taken them
    began = time.perf_counter()
    try:
        visitor = Connection(contender.port)
        visitor.get(contender.path.format("patience"))
        visitor.close()
        return f"{(time.perf_counter() - began) * 1000:,.0f}"
    except TimeoutError:
        return "over 10,000"
    finally:
        for connection in silent:
            connection.close()


def main() -> int:
    """Run everything; 0 when all aims are met."""
    options = argparse.ArgumentParser(prog="python3 -m benchmarks.services", description=__doc__)
    options.add_argument("--requests", type=int, default=4000, help="per contender and round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--no-peers", action="store_true", help="only our own service")
    chosen = options.parse_args()
    with ExitStack() as stack:
        constant = [sys.executable, "-m", "benchmarks.services.constant"]
        yardstick = start(stack, "yardstick: Flask on granian, constant 1 kB", constant, "/?{}")
        service = Service("imagebackend")
        stack.callback(service.stop)
        ours = [
            Contender(
                f"imagebackend {kind.upper()} {size}",
                service,
                service.port,
                f"/monster/{{}}.{kind}?size={size}",
            )
            for kind, size in (("png", 80), ("png", 200), ("svg", 80), ("webp", 80))
        ]
        servers, designs = ([], []) if chosen.no_peers else peers(stack)
        everybody = [yardstick, *ours, *designs, *servers]
        serial = iter(range(10**9))
        for contender in everybody:  # warm up: imports, caches, just-in-time compilers
            paths = (contender.path.format(f"warm{next(serial)}") for _ in range(300))
            load(contender.process, contender.port, paths)
        for _ in range(chosen.rounds):  # all in turn, so that a slow moment hits all alike
            for contender in everybody:
                count = max(200, int(chosen.requests * contender.weight))
                paths = (contender.path.format(f"id{next(serial)}") for _ in range(count))
                run = load(contender.process, contender.port, paths, clients=4)
                if run.statuses != {200: count}:
                    sys.exit(f"{contender.name}: answers {run.statuses}")
                contender.rounds.append(run)
        print(f"Python {platform.python_version()}, {os.cpu_count()} cores, ", end="")
        print(f"best of {chosen.rounds} rounds\n")
        missed = report(yardstick, [*ours, *designs])
        if servers:
            compare([yardstick, *servers])
    print("\n" + ("; ".join(missed) if missed else "All aims are met."))
    return 1 if missed else 0


def report(yardstick: Contender, contenders: list[Contender]) -> list[str]:
    """Print the table of pictures; the aims that are missed."""
    full = yardstick.per_cpu_second()
    print("| server | requests per CPU second | of the yardstick | bytes | p50 ms | p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    missed = []
    for contender in [yardstick, *contenders]:
        best = max(contender.rounds, key=lambda run: run.requests / run.cpu)
        share = contender.per_cpu_second() / full
        print(
            f"| {contender.name} | {contender.per_cpu_second():,.0f} | {share:.0%} "
            f"| {best.bytes / best.requests:,.0f} "
            f"| {best.percentile(0.5) * 1000:.1f} | {best.percentile(0.99) * 1000:.1f} |"
        )
        aim = AIMS.get(contender.name)
        if aim is not None and share < aim:
            missed.append(f"{contender.name} is below {aim:.0%} of the yardstick")
        if contender.name == SMALL and best.bytes > 1000 * best.requests:
            missed.append(f"{contender.name} takes more than 1,000 bytes on average")
    return missed


def compare(servers: list[Contender]) -> None:
    """Print the table of servers, all with the same application."""
    print("\n| server | requests per CPU second | ms to an answer beside 16 silent connections |")
    print("| --- | ---: | ---: |")
    for server in servers:
        print(f"| {server.name} | {server.per_cpu_second():,.0f} | {patience(server)} |")


if __name__ == "__main__":
    print(f"(from {ROOT})", file=sys.stderr)
    sys.exit(main())
