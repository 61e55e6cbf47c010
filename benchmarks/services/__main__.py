"""How fast the imagebackend is, beside the same server without work and beside other designs.

`python3 -m benchmarks.services [--requests N] [--rounds N] [--no-peers]` prints a table and ends
with 1 when an aim is missed. CPU is what the server process used, all its threads, user and
system, so the load generator and other programs do not count. Every id is asked for once only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from .harness import ROOT, Load, Process, Service, free_ports, load, wait_until

CACHE = Path(
    os.environ.get("MONSTERSTACK_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monsterstack"
)
HERE = Path(__file__).parent
PYDENTICON = "0.3.1"
# A test of ours, with its aims as shares of the yardstick's requests per CPU second.
AIMS = {"imagebackend PNG 80": 0.45, "imagebackend PNG 200": 0.30}


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


def peers() -> list[tuple[str, list[str], dict[str, str], str, float]]:
    """The other designs: name, command, environment, path, weight. Installs them on first use."""
    folder = CACHE / "bench"
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        sys.exit("node and npm are missing: install Debian's nodejs and npm, or use --no-peers.")
    packages = folder / f"pydenticon-{PYDENTICON}-{sys.version_info[1]}"
    if not packages.exists():
        argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*argv, str(packages), f"pydenticon=={PYDENTICON}"], check=True)
    modules = folder / "npm"
    modules.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "peers" / "package.json").read_text()
    stamp = modules / "installed.json"
    if not stamp.exists() or stamp.read_text() != wanted:
        (modules / "package.json").write_text(wanted)
        subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=modules, check=True)
        stamp.write_text(wanted)
    script = [node, str(HERE / "peers" / "server.mjs")]
    environment = {"PEERS": str(modules), "NODE_ENV": "production"}
    found = [
        (
            "pydenticon PNG 80 (same server)",
            [sys.executable, "-m", "benchmarks.services.pydenticon_server"],
            {"PYTHONPATH": str(packages)},
            "/{}?size=80",
            0.3,
        )
    ]
    for name, peer, weight in (
        ("jdenticon PNG 80 (node)", "jdenticon-png", 0.3),
        ("DiceBear pixel-art SVG 80 (node)", "dicebear-svg", 1.0),
        ("DiceBear pixel-art PNG 80 (node)", "dicebear-png", 0.2),
    ):
        found.append((name, script, {**environment, "PEER": peer}, "/{}?size=80", weight))
    return found


def start(stack: ExitStack, argv: list[str], env: dict[str, str]) -> tuple[Process, int]:
    """Start a server that reads PORT; the process and its port."""
    port, metrics = free_ports(2)
    own = {"BIND": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(metrics)}
    process = Process(argv, {**own, **env})
    stack.callback(process.stop)

    def up() -> bool:
        if process.ended is not None:
            sys.exit(f"{argv} ended with {process.ended}:\n{process.output()}")
        return load(process, port, ["/healthz"], 1).statuses == {200: 1}

    wait_until(up, f"{argv} answers")
    return process, port


def main() -> int:
    """Run everything; 0 when all aims are met."""
    options = argparse.ArgumentParser(prog="python3 -m benchmarks.services", description=__doc__)
    options.add_argument("--requests", type=int, default=4000, help="per contender and round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--no-peers", action="store_true", help="only our own service")
    chosen = options.parse_args()
    with ExitStack() as stack:
        process, port = start(stack, [sys.executable, "-m", "benchmarks.services.constant"], {})
        contenders = [Contender("yardstick: Flask, constant 1 kB", process, port, "/?{}")]
        service = Service("imagebackend")
        stack.callback(service.stop)
        for kind, size in (("png", 80), ("png", 200), ("svg", 80), ("webp", 80)):
            name = f"imagebackend {kind.upper()} {size}"
            path = f"/monster/{{}}.{kind}?size={size}"
            contenders.append(Contender(name, service, service.port, path))
        for name, argv, env, path, weight in [] if chosen.no_peers else peers():
            process, port = start(stack, argv, env)
            contenders.append(Contender(name, process, port, path, weight))
        serial = iter(range(10**9))
        for contender in contenders:  # warm up: imports, caches, just-in-time compilers
            paths = (contender.path.format(f"warm{next(serial)}") for _ in range(300))
            load(contender.process, contender.port, paths)
        for _ in range(chosen.rounds):  # all in turn, so that a slow moment hits all alike
            for contender in contenders:
                count = max(200, int(chosen.requests * contender.weight))
                paths = (contender.path.format(f"id{next(serial)}") for _ in range(count))
                run = load(contender.process, contender.port, paths, clients=4)
                if run.statuses != {200: count}:
                    sys.exit(f"{contender.name}: answers {run.statuses}")
                contender.rounds.append(run)
    return report(contenders, chosen.rounds)


def report(contenders: list[Contender], rounds: int) -> int:
    """Print the table; 0 when all aims are met."""
    yardstick = contenders[0].per_cpu_second()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, best of {rounds} rounds\n")
    print("| server | requests per CPU second | of the yardstick | bytes | p50 ms | p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for contender in contenders:
        best = max(contender.rounds, key=lambda run: run.requests / run.cpu)
        print(
            f"| {contender.name} | {contender.per_cpu_second():,.0f} "
            f"| {contender.per_cpu_second() / yardstick:.0%} | {best.bytes / best.requests:,.0f} "
            f"| {best.percentile(0.5) * 1000:.1f} | {best.percentile(0.99) * 1000:.1f} |"
        )
    missed = []
    for contender in contenders:
        aim = AIMS.get(contender.name)
        if aim is not None and contender.per_cpu_second() < aim * yardstick:
            missed.append(f"{contender.name} is below {aim:.0%} of the yardstick")
    png = next(c for c in contenders if c.name == "imagebackend PNG 80")
    if sum(run.bytes for run in png.rounds) > 1000 * sum(run.requests for run in png.rounds):
        missed.append("imagebackend PNG 80 takes more than 1,000 bytes on average")
    print("\n" + ("; ".join(missed) if missed else "All aims are met."))
    return 1 if missed else 0


if __name__ == "__main__":
    print(f"(from {ROOT})", file=sys.stderr)
    sys.exit(main())
