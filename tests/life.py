"""What the tests of a cluster's life on machines share: the probe beside whatever happens, and what
a manager says of nodes and services."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.cluster import PROJECT, Node, Run, cluster, environment, until

STACK = "monsterstack"


class Probe:
    """`probe.yml` beside whatever happens in its block; afterwards `report` is what it saw."""

    def __init__(self, folder: Path, seconds: int) -> None:
        self.folder, self.seconds = folder / "probe", seconds
        self.report: dict[str, Any] = {}
        self.struck = 0.0

    def __enter__(self) -> Probe:
        words = ["-e", f"duration={self.seconds}", "-e", f"probe_dir={self.folder}"]
        self.process = subprocess.Popen(
            ["ansible-playbook", "-i", str(cluster().inventory), "playbooks/probe.yml", *words],
            cwd=PROJECT,
            env=environment(),
            stdout=subprocess.DEVNULL,
        )
        samples = self.folder / "samples.jsonl"
        until(lambda: samples.exists() and samples.read_text().count("\n") > 20, 60)
        return self

    def strike(self) -> None:
        """Now something happens: failures are counted from here."""
        self.struck = time.time()

    def __exit__(self, *_: object) -> None:
        self.process.wait(timeout=self.seconds + 120)
        self.report = json.loads((self.folder / "report.json").read_text())

    def missed(self, *victims: str) -> list[dict[str, Any]]:
        """The failures through the nodes that were not struck themselves."""
        addresses = {cluster().node(name).address for name in victims}
        return [one for one in self.report["failures"] if one["node"] not in addresses]

    def figures(self, *victims: str) -> dict[str, Any]:
        """What was lost through the nodes that were not struck themselves, and until when."""
        lost = self.missed(*victims)
        offset = self.struck - self.report["started"]
        return {
            "requests": self.report["requests"],
            "failed": len(lost),
            "failed_through_the_victim": self.report["failed"] - len(lost),
            "last_failure_after": round(max((one["at"] - offset for one in lost), default=0), 1),
            "longest_gap": self.report["longest_gap"],
        }


def listed(through: Node | None = None) -> dict[str, str]:
    """Host name and state of each node, as a manager lists them; the later of two of one name."""
    manager = through or cluster().managers[0]
    lines = manager.run("docker node ls --format '{{.Hostname}} {{.Status}}'").splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def is_whole(through: Node | None = None) -> bool:
    """Whether every service has all of its tasks."""
    manager = through or cluster().managers[0]
    lines = manager.run("docker service ls --format '{{.Replicas}}'").splitlines()
    return bool(lines) and all(
        line.split("/")[0] == line.split("/")[1].split()[0] for line in lines
    )


def all_well(through: Node | None = None) -> bool:
    """All nodes ready, all services whole."""
    return set(listed(through).values()) == {"Ready"} and is_whole(through)


def leader() -> Node:
    """The manager that leads."""
    lines = cluster().managers[0].run("docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'")
    return cluster().node(next(x.split()[0] for x in lines.splitlines() if "Leader" in x))


def node_of(service: str) -> Node:
    """The node of a service's only task."""
    return cluster().node(cluster().tasks(service)[0]["Node"])


def other_worker() -> Node:
    """The worker without Redis."""
    return next(node for node in cluster().workers if node != node_of(f"{STACK}_redis"))


def redis(command: str) -> str:
    """What redis-cli answers, in the container of the task."""
    node, container = cluster().containers(f"{STACK}_redis")[0]
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)"'
    return node.run(f"docker exec {container} sh -c '{login} redis-cli -e {command}'").strip()


def managers_seen_by(node: Node, *without: str) -> str:
    """`docker node ls`, as far as a manager can say, without some of the nodes."""
    command = "docker node ls --format '{{.Hostname}} {{.ManagerStatus}}' 2>&1 || :"
    lines = node.run(command).splitlines()
    return "\n".join(line for line in lines if line.split()[0] not in without)


def boot_id(node: Node) -> str:
    return node.run("cat /proc/sys/kernel/random/boot_id").strip()


def play(folder: Path, playbook: str, *more: str) -> tuple[Run, dict[str, dict[str, Any]], float]:
    """Runs a playbook with its probe; the reports by the last part of their folder, and seconds."""
    words = [word for one in (f"probe_dir={folder}/probe", *more) for word in ("-e", one)]
    run = cluster().playbook(playbook, *words, timeout=1800)
    reports = {
        file.parent.name.removeprefix("probe-"): json.loads(file.read_text())
        for file in folder.glob("probe*/report.json")
    }
    return run, reports, run.seconds


def lost(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Requests and losses of all probes of a run."""
    return {
        "requests": sum(report["requests"] for report in reports.values()),
        "failed": sum(report["failed"] for report in reports.values()),
        "longest_gap": max(report["longest_gap"] for report in reports.values()),
    }
