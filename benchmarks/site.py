"""Times the lab and site.yml on machines of its own: python benchmarks/site.py [--nodes 3 12]

Prints a Markdown table with a column for each number of nodes, and where the time of a run with
nothing to do goes. Needs what `bin/test` needs (a warm cache, root); takes about five minutes for
three machines. Times are wall seconds on the machine it runs on, with nothing else running.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.cluster import PROJECT, Run, environment

NET = "198.18.9"
NO_OPS = 3
LONGEST = 8


def write_inventory(folder: Path, count: int) -> None:
    """1 manager (3 from ten machines on) and workers in the zones a, b, c; 500 MB when many."""
    managers = 3 if count >= 10 else 1
    variables = {} if count < 10 else {"lab_memory": 500}
    hosts = {
        name: {"ansible_host": f"{NET}.{address}", "zone": "abc"[number % 3], **variables}
        for number, (name, address) in enumerate(
            [(f"m{n}", 10 + n) for n in range(1, managers + 1)]
            + [(f"w{n}", 20 + n) for n in range(1, count - managers + 1)]
        )
    }
    groups = {
        group: {"hosts": {name: of for name, of in hosts.items() if name[0] == group[0]}}
        for group in ("managers", "workers")
    }
    settings = folder / "group_vars" / "all"
    settings.mkdir(parents=True)
    (folder / "hosts.json").write_text(json.dumps(groups))
    lab = {"lab_name": "bench", "lab_subnet": f"{NET}.0/24", "lab_mirror": f"{NET}.1:5000"}
    (settings / "lab.json").write_text(json.dumps(lab))
    for name in ("ssh.yml", "swarm.yml"):
        (settings / name).symlink_to(PROJECT / "inventory/lab/group_vars/all" / name)


def timed(command: list[str], **env: str) -> tuple[float, Run]:
    """Wall seconds and the run; ends the benchmark when the command fails."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**environment(), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}")
    return time.monotonic() - started, Run(done.returncode, done.stdout)


def longest_tasks(output: str) -> list[tuple[str, float]]:
    """(task, seconds) of the list that the callback profile_tasks ends with, longest first."""
    found = re.findall(r"^(.+?) -{3,} +([\d.]+)s$", output, re.MULTILINE)
    return [(name.strip(), float(seconds)) for name, seconds in found][:LONGEST]


def measure(count: int, boot_only: bool) -> tuple[dict[str, str], list[tuple[str, float]]]:
    """What is measured with so many machines, by name; and the longest tasks of a no-op run."""
    rows: dict[str, str] = {}
    longest: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        inventory = Path(scratch) / "inventory"
        write_inventory(inventory, count)
        lab = [str(PROJECT / "bin/lab"), "-i", str(inventory)]
        site = ["ansible-playbook", "-i", str(inventory), "site.yml"]
        try:
            seconds, _run = timed([*lab, "up"])
            rows["`bin/lab up`"] = f"{seconds:.0f} s"
            if not boot_only:
                seconds, run = timed(site)
                rows["`site.yml`, first run"] = f"{seconds:.0f} s"
                times = []
                for _ in range(NO_OPS):
                    seconds, run = timed(site)
                    times.append(seconds)
                    assert run.changed == 0, run.output
                rows["`site.yml`, nothing to do (median)"] = f"{statistics.median(times):.0f} s"
                tasks = {host: counters["ok"] for host, counters in run.recap.items()}
                rows["tasks in it, first manager"] = str(tasks["m1"])
                if "m2" in tasks:
                    rows["tasks in it, another manager"] = str(tasks["m2"])
                rows["tasks in it, a worker"] = str(tasks["w1"])
                profile = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks"}
                longest = longest_tasks(timed(site, **profile)[1].output)
            for node in ("m1", "w1"):
                _seconds, free = timed([*lab, "ssh", node, "--", "free", "-m"])
                rows[f"memory in use on {node}"] = f"{free.output.split('Mem:')[1].split()[1]} MB"
        finally:
            subprocess.run([*lab, "down"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return rows, longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=[3], help="3 to 12 each (default: 3)"
    )
    parser.add_argument("--boot-only", action="store_true", help="leave site.yml out")
    options = parser.parse_args()
    columns = {count: measure(count, options.boot_only) for count in options.nodes}
    load = os.getloadavg()[2]
    print(f"{os.cpu_count()} cores, load average of 15 minutes at the end {load:.1f}\n")
    print(f"| | {' | '.join(f'{count} nodes' for count in columns)} |")
    print("|---|" + "---|" * len(columns))
    for name in dict.fromkeys(name for rows, _longest in columns.values() for name in rows):
        print(f"| {name} | {' | '.join(rows.get(name, '') for rows, _ in columns.values())} |")
    for count, (_rows, longest) in columns.items():
        if longest:
            print(f"\nWhere the time goes with nothing to do, {count} nodes:")
            for task, seconds in longest:
                print(f"* {seconds:.1f} s {task}")


if __name__ == "__main__":
    main()
