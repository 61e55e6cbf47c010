"""Nodes that fail, are worked on, come and go, while somebody keeps asking for the page.

The tests build on each other: each begins and ends with all nodes there and all services whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import PROJECT, Cluster, Node, Run, cluster, environment

pytestmark = pytest.mark.machines

STACK = "monsterstack"
TABLE = Path(os.environ.get("ARTIFACTS", PROJECT / "artifacts")) / "ha.json"
LAB = [str(PROJECT / "bin/lab"), "-i"]
REQUEST_TIMEOUT = 5.0  # seconds, the probe's


def lab(*words: str) -> None:
    """A verb of the lab, for instance `off w1`."""
    subprocess.run([*LAB, str(cluster().inventory), *words], check=True)


class Table:
    """What the scenario reports, row by row; rows of other runs of single tests stay."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = json.loads(TABLE.read_text()) if TABLE.exists() else {}

    def add(self, name: str, **figures: Any) -> None:
        self.rows[name] = figures
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


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

    def figures(self, *victims: str) -> dict[str, Any]:
        """What was lost through the nodes that were not struck themselves, and until when."""
        addresses = {cluster().node(name).address for name in victims}
        lost = [one for one in self.report["failures"] if one["node"] not in addresses]
        offset = self.struck - self.report["started"]
        return {
            "requests": self.report["requests"],
            "failed": len(lost),
            "failed_through_the_victim": self.report["failed"] - len(lost),
            "last_failure_after": round(max((one["at"] - offset for one in lost), default=0), 1),
            "longest_gap": self.report["longest_gap"],
        }


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Waits for something; returns how long that took. Fails the test when it does not come."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.5)
    return round(time.monotonic() - begun, 1)


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


def boot_id(node: Node) -> str:
    return node.run("cat /proc/sys/kernel/random/boot_id").strip()


def play(folder: Path, playbook: str, *more: str) -> tuple[Run, dict[str, dict[str, Any]], float]:
    """Runs a playbook with its probe; the reports by the last part of their folder, and seconds."""
    begun = time.monotonic()
    words = [word for one in (f"probe_dir={folder}/probe", *more) for word in ("-e", one)]
    run = cluster().playbook(playbook, *words, timeout=1800)
    reports = {
        file.parent.name.removeprefix("probe-"): json.loads(file.read_text())
        for file in folder.glob("probe*/report.json")
    }
    return run, reports, round(time.monotonic() - begun, 1)


def lost(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Requests and losses of all probes of a run."""
    return {
        "requests": sum(report["requests"] for report in reports.values()),
        "failed": sum(report["failed"] for report in reports.values()),
        "longest_gap": max(report["longest_gap"] for report in reports.values()),
    }


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Cluster]:
    """The cluster with hosts in other groups: a copy of the inventory."""

    def make(managers: list[str], workers: list[str]) -> Cluster:
        folder = tmp_path_factory.mktemp("moved") / cluster().inventory.name
        shutil.copytree(cluster().inventory, folder)
        groups = {
            group: {
                "hosts": {
                    name: {
                        "ansible_host": cluster().node(name).address,
                        "zone": cluster().node(name).zone,
                    }
                    for name in names
                }
            }
            for group, names in (("managers", managers), ("workers", workers))
        }
        (folder / "hosts.yml").write_text(json.dumps(groups), encoding="utf-8")
        return Cluster(folder, cluster().managers, cluster().workers)

    return make


def credentials() -> tuple[str, str]:
    """A copy of an inventory has the secrets of the original."""
    return "-e", f"credentials_dir={cluster().credentials}"


def test_all_is_well() -> None:
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
    assert all_well()


# What nobody asked for


def test_a_worker_dies(tmp_path: Path, table: Table) -> None:
    victim = other_worker()
    with Probe(tmp_path, 60) as probe:
        probe.strike()
        lab("off", victim.name)
        missed = until(lambda: listed()[victim.name] == "Down", 60)
        whole = until(is_whole, 60)
    lab("on", victim.name)
    until(all_well, 120)
    figures = probe.figures(victim.name)
    table.add(
        "worker killed", noticed_after=missed, whole_after=round(missed + whole, 1), **figures
    )
    # Only those are lost that were sent to its tasks before they were missed.
    assert figures["last_failure_after"] < 30, probe.report["failures"]


def test_the_leader_dies(tmp_path: Path, table: Table) -> None:
    victim = leader()
    witness = next(node for node in cluster().managers if node != victim)
    with Probe(tmp_path, 60) as probe:
        probe.strike()
        lab("off", victim.name)
        missed = until(lambda: "Leader" in managers_seen_by(witness, victim.name), 60)
        down = until(lambda: listed(witness)[victim.name] == "Down", 60)
    lab("on", victim.name)
    until(all_well, 120)
    figures = probe.figures(victim.name)
    table.add(
        "leader killed", new_leader_after=missed, down_after=round(missed + down, 1), **figures
    )
    assert figures["failed"] == 0, probe.report["failures"]


def managers_seen_by(node: Node, *without: str) -> str:
    """`docker node ls`, as far as a manager can say, without some of the nodes."""
    command = "docker node ls --format '{{.Hostname}} {{.ManagerStatus}}' 2>&1 || :"
    lines = node.run(command).splitlines()
    return "\n".join(line for line in lines if line.split()[0] not in without)


def test_a_worker_is_cut_off(tmp_path: Path, table: Table) -> None:
    victim = other_worker()
    with Probe(tmp_path, 120) as probe:
        probe.strike()
        lab("cut", victim.name)
        missed = until(lambda: listed()[victim.name] == "Down", 60)
        whole = until(is_whole, 60)
        time.sleep(max(0.0, 60 - (time.time() - probe.struck)))
        lab("join", victim.name)
        back = until(lambda: listed()[victim.name] == "Ready", 60)
    until(all_well, 120)
    figures = probe.figures(victim.name)
    table.add(
        "worker cut off for 60 s",
        noticed_after=missed,
        whole_after=round(missed + whole, 1),
        ready_after_rejoining=back,
        **figures,
    )
    assert figures["last_failure_after"] < 30, probe.report["failures"]


def test_a_manager_in_the_minority(tmp_path: Path, table: Table) -> None:
    victim = leader()
    witness = next(node for node in cluster().managers if node != victim)
    with Probe(tmp_path, 90) as probe:
        probe.strike()
        lab("cut", victim.name)
        missed = until(lambda: "Leader" in managers_seen_by(witness, victim.name), 60)
        # What is alone may not change anything.
        until(lambda: "leader" in managers_seen_by(victim).lower(), 60)
        refused = victim.run(
            "timeout 20 docker node update --label-add x=y m1 2>&1 || echo refused"
        )
        whole = until(lambda: is_whole(witness), 60)
        lab("join", victim.name)
        back = until(lambda: all_well(witness), 90)
    assert "refused" in refused
    figures = probe.figures(victim.name)
    table.add(
        "manager in the minority",
        new_leader_after=missed,
        whole_after=round(missed + whole, 1),
        well_after_rejoining=back,
        **figures,
    )
    assert figures["failed"] == 0, probe.report["failures"]


def test_an_engine_stops(tmp_path: Path, table: Table) -> None:
    victim = other_worker()
    with Probe(tmp_path, 60) as probe:
        probe.strike()
        victim.run("systemctl stop docker.socket docker.service")
        missed = until(lambda: listed()[victim.name] == "Down", 60)
        whole = until(is_whole, 60)
        victim.run("systemctl start docker.socket docker.service")
        back = until(lambda: listed()[victim.name] == "Ready", 60)
    until(all_well, 120)
    figures = probe.figures(victim.name)
    table.add(
        "engine stopped and started",
        noticed_after=missed,
        whole_after=round(missed + whole, 1),
        ready_after_start=back,
        **figures,
    )
    assert figures["last_failure_after"] < 30, probe.report["failures"]


def test_the_first_manager_is_off(table: Table) -> None:
    first = cluster().managers[0]
    lab("off", first.name)
    begun = time.monotonic()
    run = cluster().playbook("site.yml")
    seconds = round(time.monotonic() - begun, 1)
    lab("on", first.name)
    until(all_well, 120)
    table.add("site.yml without the first manager", seconds=seconds)
    # What could not be applied to a machine is no success; all else was.
    assert run.code == 4, run.output
    assert f"{first.name} cannot be reached and is left out" in run.output
    assert {host for host, row in run.recap.items() if row["unreachable"]} == {first.name}
    assert not [host for host, row in run.recap.items() if row["failed"]]
    assert f"stack {STACK}, release" in run.output


# Maintenance


def test_refusals() -> None:
    def said(*words: str) -> str:
        run = cluster().playbook(*words)
        assert run.code != 0, run.output
        return run.output

    assert "Say what is to be done" in said("playbooks/maintenance.yml")
    assert "there is no file" in said("playbooks/maintenance.yml", "-e", "do=nowhere.yml")
    assert "has no w9" in said("playbooks/maintenance.yml", "-e", "do=reboot", "-e", "node=w9")
    assert "-e node=w1" in said("playbooks/maintenance.yml", "-e", "do=reboot", "--limit", "w1")
    holder = node_of(f"{STACK}_redis").name
    words = ["playbooks/node_remove.yml", "-e", f"node={holder}"]
    assert "holds monsterstack.redis" in said(*words)
    assert "is not dead" in said(*words, "-e", "dead=true", "-e", "data=lost")
    assert "nothing to replace" in said("playbooks/node_replace.yml", "-e", f"node={holder}")
    assert all_well()


def test_reboot_every_node(tmp_path: Path, table: Table) -> None:
    boots = {node.name: boot_id(node) for node in cluster().nodes}
    redis("SET ha:kept yes")
    visits = redis("DBSIZE")
    run, reports, seconds = play(tmp_path, "playbooks/maintenance.yml", "do=reboot")
    assert run.code == 0, run.output
    figures = lost(reports)
    table.add("every node rebooted", seconds=seconds, **figures)
    assert set(reports) == {*boots, "rebalance"}
    assert figures["failed"] == 0, {name: report["failures"] for name, report in reports.items()}
    assert all(boot_id(node) != boots[node.name] for node in cluster().nodes)
    assert redis("GET ha:kept") == "yes"
    assert int(redis("DBSIZE")) >= int(visits)
    assert all_well()
    places = {task["Node"] for task in cluster().tasks(f"{STACK}_frontend")}
    assert places == {node.name for node in cluster().workers}


def test_the_node_of_redis_is_rebooted(tmp_path: Path, table: Table) -> None:
    redis("SET ha:kept again")
    node = node_of(f"{STACK}_redis")
    run, reports, seconds = play(
        tmp_path, "playbooks/maintenance.yml", "do=reboot", f"node={node.name}"
    )
    assert run.code == 0, run.output
    table.add("Redis' node rebooted", seconds=seconds, data_lost=0, **lost(reports))
    assert lost(reports)["failed"] == 0, reports
    assert redis("GET ha:kept") == "again"


def test_engine_settings_reach_one_node_at_a_time(tmp_path: Path, table: Table) -> None:
    settings = json.dumps({"docker_engine_config": {"max-concurrent-downloads": 5}})
    begun = {node.name: started(node) for node in cluster().nodes}
    run, reports, seconds = play(tmp_path, "site.yml", settings)
    assert run.code == 0, run.output
    figures = lost(reports)
    table.add("engine settings through site.yml", seconds=seconds, **figures)
    assert set(reports) == set(begun)
    assert figures["failed"] == 0, reports
    assert all(started(node) > begun[node.name] for node in cluster().nodes)
    again = cluster().playbook("site.yml", "-e", settings)
    assert (again.code, again.changed) == (0, 0), again.output
    # And back, by the other way.
    undone = json.dumps({"docker_engine_config": {"max-concurrent-downloads": None}})
    run, reports, seconds = play(tmp_path, "playbooks/maintenance.yml", "do=engine", undone)
    assert run.code == 0, run.output
    assert lost(reports)["failed"] == 0, reports
    assert (
        "no node needs it"
        in cluster().playbook("playbooks/maintenance.yml", "-e", "do=engine", "-e", undone).output
    )


def started(node: Node) -> float:
    """When the node's engine was started, in seconds since 1970."""
    return float(node.run("stat -c %Y /var/run/docker.pid"))


def test_failed_work_puts_the_node_back_and_stops(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.yml"
    tasks.write_text(
        "- ansible.builtin.command: touch /run/was-here\n"
        "- ansible.builtin.command: /bin/false\n"
        "  when: inventory_hostname == 'w1'\n"
    )
    for node in cluster().nodes:
        node.run("rm -f /run/was-here")
    run, reports, _seconds = play(
        tmp_path, "playbooks/maintenance.yml", f"do={tasks}", "node=w1,w2"
    )
    assert run.code != 0
    assert "It takes work as before (active)" in run.output
    assert lost(reports)["failed"] == 0, reports
    was = {node.name: node.run("ls /run") for node in cluster().nodes}
    assert [name for name, files in was.items() if "was-here" in files] == ["w1"]
    until(all_well, 60)
    states = cluster().managers[0].run("docker node ls --format '{{.Availability}}'")
    assert set(states.split()) == {"Active"}


def test_a_node_that_does_not_come_back_is_said_to_be_left_without_work(tmp_path: Path) -> None:
    victim = other_worker()
    off = json.dumps([*LAB, str(cluster().inventory), "off", victim.name])
    tasks = tmp_path / "tasks.yml"
    tasks.write_text(
        f"- ansible.builtin.command: {{argv: {off}}}\n"
        "  delegate_to: localhost\n"
        "  become: false\n"
        "  vars: {ansible_connection: local}\n"
        "- ansible.builtin.wait_for_connection: {timeout: 10}\n"
    )
    run, reports, _seconds = play(
        tmp_path, "playbooks/maintenance.yml", f"do={tasks}", f"node={victim.name}"
    )
    lab("on", victim.name)
    assert run.code != 0
    assert "The host does not answer, so it gets no work" in run.text
    assert f"maintenance.yml -e do=nothing -e node={victim.name}" in run.text
    assert lost(reports)["failed"] == 0, reports
    until(lambda: listed()[victim.name] == "Ready", 60)
    run, _reports, _seconds = play(
        tmp_path / "again", "playbooks/maintenance.yml", "do=nothing", f"node={victim.name}"
    )
    assert run.code == 0, run.output
    until(all_well, 60)
    states = cluster().managers[0].run("docker node ls --format '{{.Availability}}'")
    assert set(states.split()) == {"Active"}


# Nodes that come and go


def test_a_node_is_removed_and_added(tmp_path: Path, table: Table) -> None:
    gone = other_worker()
    run, reports, seconds = play(tmp_path, "playbooks/node_remove.yml", f"node={gone.name}")
    assert run.code == 0, run.output
    table.add("node removed", seconds=seconds, **lost(reports))
    assert lost(reports)["failed"] == 0, reports
    assert gone.name not in listed()
    assert gone.run("docker info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
    until(is_whole, 60)

    run, reports, seconds = play(tmp_path / "none", "site.yml")
    assert run.code == 0, run.output
    assert set(listed()) == {node.name for node in cluster().nodes}
    assert sum(row["changed"] for host, row in run.recap.items() if host != gone.name) <= 1, (
        run.output
    )
    table.add("node added", seconds=seconds)

    run, reports, seconds = play(tmp_path / "spread", "playbooks/rebalance.yml")
    assert run.code == 0, run.output
    table.add("tasks spread again", seconds=seconds, **lost(reports))
    assert lost(reports)["failed"] == 0, reports
    for service in ("frontend", "imagebackend"):
        places = {task["Node"] for task in cluster().tasks(f"{STACK}_{service}")}
        assert places == {node.name for node in cluster().workers}


@pytest.mark.parametrize("kind", ["worker", "manager"])
def test_a_reinstalled_machine_takes_its_place(kind: str, table: Table) -> None:
    registry = node_of("registry")
    managers = [node for node in cluster().managers if node not in (registry, leader())]
    victim = other_worker() if kind == "worker" else managers[-1]
    witness = next(node for node in cluster().managers if node != victim)
    witness.run(f"docker node update --label-add mine=kept {victim.name}")
    lab("wipe", victim.name)
    lab("on", victim.name)
    begun = time.monotonic()
    run = cluster().playbook("playbooks/node_replace.yml", "-e", f"node={victim.name}")
    assert run.code == 0, run.output
    table.add(f"reinstalled {kind} replaced", seconds=round(time.monotonic() - begun, 1))
    names = witness.run("docker node ls --format '{{.Hostname}}'").split()
    assert sorted(names) == sorted(node.name for node in cluster().nodes)
    inspected = witness.docker(f"node inspect {victim.name}")[0]
    assert inspected["Spec"]["Labels"] == {"zone": victim.zone, "mine": "kept"}
    assert inspected["Spec"]["Role"] == kind
    until(lambda: all_well(witness), 60)
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output


def test_a_dead_node_is_removed(table: Table) -> None:
    victim = other_worker()
    lab("off", victim.name)
    until(lambda: listed()[victim.name] == "Down", 60)
    words = ["playbooks/node_remove.yml", "-e", f"node={victim.name}"]
    refused = cluster().playbook(*words)
    assert refused.code != 0
    assert "-e dead=true" in refused.output
    begun = time.monotonic()
    run = cluster().playbook(*words, "-e", "dead=true")
    assert run.code == 0, run.output
    table.add("dead node removed", seconds=round(time.monotonic() - begun, 1))
    assert victim.name not in listed()
    # Back from the dead it still thinks that it is in the swarm: said, with the remedy.
    lab("on", victim.name)
    run = cluster().playbook("site.yml")
    assert run.code != 0
    assert f"Run 'docker swarm leave --force' on {victim.name}" in run.output
    victim.run("docker swarm leave --force")
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    until(all_well, 60)


def test_hosts_change_their_groups(moved: Callable[..., Cluster], table: Table) -> None:
    up = other_worker().name
    down = next(n.name for n in cluster().managers if n not in (node_of("registry"), leader()))
    managers = [n.name for n in cluster().managers if n.name != down]
    workers = [n.name for n in cluster().workers if n.name != up]
    begun = time.monotonic()
    run = moved([*managers, up], [*workers, down]).playbook("site.yml", *credentials())
    assert run.code == 0, run.output
    table.add("roles changed", seconds=round(time.monotonic() - begun, 1))
    roles = roles_seen()
    assert {name for name, role in roles.items() if role == "manager"} == {*managers, up}
    assert {task["Node"] for task in cluster().tasks(f"{STACK}_frontend")} <= {*workers, down}
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    assert {n for n, role in roles_seen().items() if role == "manager"} == {*managers, down}
    until(all_well, 60)


def roles_seen() -> dict[str, str]:
    """Host name and role of each node."""
    form = "{{.Description.Hostname}} {{.Spec.Role}}"
    lines = cluster().managers[0].run(f"docker node inspect $(docker node ls -q) --format '{form}'")
    return dict(line.split() for line in lines.splitlines())


def test_a_demotion_below_quorum_is_refused(moved: Callable[..., Cluster]) -> None:
    first, silent, other = (node.name for node in cluster().managers)
    lab("off", silent)
    workers = [node.name for node in cluster().workers]
    run = moved([first], [silent, other, *workers]).playbook("site.yml", *credentials())
    kept = roles_seen()
    lab("on", silent)
    until(all_well, 120)
    assert run.code != 0
    assert f"{other} must stay a manager" in run.output
    assert kept[other] == "manager"
