"""Times the lab and site.yml on machines of its own: python benchmarks/site.py [--nodes 3]

Prints a Markdown table. Needs what `bin/test` needs (a warm cache, root); takes about five minutes
for three machines. Times are wall seconds on the machine it runs on, with nothing else running.
"""

from __future__ import annotations

import argparse
import json
import os
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


def timed(command: list[str]) -> tuple[float, Run]:
    """Wall seconds and the run; ends the benchmark when the command fails."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}")
    return time.monotonic() - started, Run(done.returncode, done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=3, help="3 to 12 (default: %(default)s)")
    parser.add_argument("--boot-only", action="store_true", help="leave site.yml out")
    options = parser.parse_args()
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        inventory = Path(scratch) / "inventory"
        write_inventory(inventory, options.nodes)
        lab = [str(PROJECT / "bin/lab"), "-i", str(inventory)]
        site = ["ansible-playbook", "-i", str(inventory), "site.yml"]
        try:
            seconds, _run = timed([*lab, "up"])
            rows.append((f"`bin/lab up`, {options.nodes} machines", f"{seconds:.0f} s"))
            if not options.boot_only:
                seconds, run = timed(site)
                rows.append(("`site.yml`, first run", f"{seconds:.0f} s"))
                times = []
                for _ in range(NO_OPS):
                    seconds, run = timed(site)
                    times.append(seconds)
                    assert run.changed == 0, run.output
                tasks = {host: counters["ok"] for host, counters in run.recap.items()}
                rows.append(
                    ("`site.yml`, nothing to do (median)", f"{statistics.median(times):.0f} s")
                )
                rows.append(("tasks in it, first manager", str(tasks["m1"])))
                rows.append(("tasks in it, a worker", str(tasks["w1"])))
            for node in ("m1", "w1"):
                _seconds, free = timed([*lab, "ssh", node, "--", "free", "-m"])
                used = free.output.split("Mem:")[1].split()[1]
                rows.append((f"memory in use on {node}", f"{used} MB"))
        finally:
            subprocess.run([*lab, "down"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    load = os.getloadavg()[2]
    print(f"{os.cpu_count()} cores, load average of 15 minutes at the end {load:.1f}\n")
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
