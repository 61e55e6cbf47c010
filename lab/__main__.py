"""The command line of the lab; bin/lab starts it."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import build, host, machines, plan, recipes
from lab.plan import Lab, LabError, Node


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 after one or more sentences, or that of a remote command."""
    options = _parser().parse_args(words)
    try:
        return _act(options)
    except LabError as error:
        print(f"bin/lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bin/lab: interrupted; 'up' goes on from here, 'down' removes it.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/lab", description="Virtual machines for Ansible.")
    parser.add_argument(
        "-i", "--inventory", type=Path, default=Path("inventory/lab"), help="default: %(default)s"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, *nodes: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        if nodes:
            added.add_argument("nodes", nargs=nodes[0], metavar="NODE")
        return added

    start = verb("up", "start what is missing and wait until all machines answer")
    start.add_argument("--kernel", choices=("auto", "fast", "ready"), default="auto")
    verb("down", "remove all of the lab, its disks included; keep the cache")
    verb("status", "what runs").add_argument("--json", action="store_true")
    shell = verb("ssh", "a shell on a machine, or one command")
    shell.add_argument("node", metavar="NODE")
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    verb("console", "what a machine printed since it was switched on").add_argument(
        "node", metavar="NODE"
    )
    verb("off", "pull the plug; the disk stays", "+")
    verb("on", "switch on again and wait until it answers", "+")
    verb("wipe", "pull the plug and empty the disk: 'on' then starts a new system", "+")
    verb("cut", "separate these machines, together, from all others", "+")
    verb("join", "connect these machines with the others again", "+")
    forward = verb("forward", "127.0.0.1:LOCALPORT leads to a machine's port, until 'down'")
    forward.add_argument("local", type=_port, metavar="LOCALPORT")
    forward.add_argument("node", metavar="NODE")
    forward.add_argument("port", type=_port, metavar="PORT")
    verb("kernel", "build the fast kernel into the cache")
    verb("image", "build the system and container images into the cache")
    verb("packages", "list the Debian packages that the lab needs").add_argument(
        "--build", action="store_true", help="those for building the fast kernel, too"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port: use 1 to 65535")
    return int(text)


def _act(options: argparse.Namespace) -> int:
    if options.verb == "packages":
        print("\n".join(recipes.host_packages("auto", amx=host.has_amx(), build=options.build)))
        return 0
    if options.verb == "kernel":
        host.check_platform()
        host.check_packages(recipes.host_packages("fast", amx=host.has_amx(), build=True))
        build.kernel("fast")
        return 0

    lab = plan.read_inventory(_inventory(options.inventory), str(options.inventory))
    if options.verb == "status":
        _print_status(lab, machines.status(lab), options.json)
        return 0
    if options.verb == "console":
        path = machines.console(lab, lab.node(options.node))
        if not path.exists():
            raise LabError(f"{options.node} was never switched on: run 'bin/lab up'.")
        sys.stdout.write(path.read_bytes().decode(errors="replace"))
        return 0
    if options.verb == "ssh":
        machines.require_up(lab)
        command = machines.ssh_command(lab, lab.node(options.node))
        return subprocess.run([*command, *options.command], check=False).returncode

    host.check_platform()
    with host.locked(plan.RUN_ROOT / f"{lab.name}.lock", f"the lab '{lab.name}'"):
        _change(lab, options)
    return 0


def _change(lab: Lab, options: argparse.Namespace) -> None:
    """The verbs that change something; one at a time per lab."""
    nodes: list[Node] = [lab.node(name) for name in getattr(options, "nodes", [])]
    match options.verb:
        case "up":
            machines.up(lab, options.kernel)
            host.say(f"the lab '{lab.name}' is up: {', '.join(node.name for node in lab.nodes)}")
        case "down":
            machines.down(lab)
            host.say(f"the lab '{lab.name}' is gone")
        case "on":
            machines.on(lab, nodes)
        case "off":
            machines.off(lab, nodes)
        case "wipe":
            machines.wipe(lab, nodes)
        case "cut":
            machines.set_islands(lab, plan.cut(machines.islands(lab), options.nodes))
        case "join":
            machines.set_islands(lab, plan.join(machines.islands(lab), options.nodes))
        case "forward":
            machines.forward(lab, options.local, lab.node(options.node), options.port)
        case "image":
            host.check_packages(recipes.host_packages("fast", amx=host.has_amx()))
            for node in lab.nodes:
                build.system_image(node.image, node.disk)
            build.mirror()
        case _:
            raise AssertionError(options.verb)


def _inventory(source: Path) -> dict[str, object]:
    """What `ansible-inventory --list` prints, remembered as long as the files stay the same."""
    if not source.exists():
        raise LabError(f"There is no inventory {source}: give one with -i.")
    folder = source if source.is_dir() else source.parent
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = [(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    remembered = host.cache("inventory", recipes.digest(str(source.resolve()), content) + ".json")
    if not remembered.exists():
        text = host.run(["ansible-inventory", "-i", str(source), "--list"])
        remembered.parent.mkdir(parents=True, exist_ok=True)
        partial = remembered.with_suffix(f".{os.getpid()}")
        partial.write_text(text)
        partial.rename(remembered)
    inventory: dict[str, object] = json.loads(remembered.read_text())
    return inventory


def _print_status(lab: Lab, entries: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"lab": lab.name, "subnet": str(lab.subnet), "nodes": entries}, indent=2))
        return
    for entry in entries:
        notes = "ssh answers" if entry["ssh"] else f"see {entry['console']}"
        if entry["cut"]:
            notes += ", cut off"
        print(f"{entry['name']:<10} {entry['address']:<15} {entry['state']:<4} {notes}")


if __name__ == "__main__":
    sys.exit(main())
