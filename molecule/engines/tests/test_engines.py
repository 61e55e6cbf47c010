"""Engines that are stopped, hang or cannot start, and what is said and done about them.

A node whose engine is silent is still that node: nothing is replaced, demoted or given up, and
whatever is typed after the message is safe.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster import Node, Run, cluster, note, until
from tests.life import all_well, leader, listed, node_of, other_worker, redis

pytestmark = [pytest.mark.machines, pytest.mark.fault("A1")]

SCENARIO = "engines"
BROKEN = '{ "log-driver": "json-file", }'

STRIKE = {
    "stopped": "systemctl stop docker docker.socket",
    "hung": "kill -STOP $(cat /run/docker.pid)",
    "failed": "cp -p /etc/docker/daemon.json /etc/docker/daemon.json.good && "
    f"echo '{BROKEN}' > /etc/docker/daemon.json && ! systemctl restart docker",
}
MEND = {
    "stopped": "systemctl start docker",
    "hung": "systemctl restart docker",  # as status and doctor say
    "failed": "cp -p /etc/docker/daemon.json.good /etc/docker/daemon.json && "
    "systemctl reset-failed docker.service docker.socket && systemctl start docker",
}
SAID = {
    "stopped": "its Docker Engine is stopped",
    "hung": "its Docker Engine runs and does not answer",
    "failed": "invalid character '}'",
}


def timed(*words: str) -> tuple[Run, float]:
    begun = time.monotonic()
    run = cluster().playbook(*words)
    return run, round(time.monotonic() - begun, 1)


def without(victim: Node) -> Node:
    """A manager that is not the victim."""
    return next(node for node in cluster().managers if node.name != victim.name)


def states(through: Node) -> dict[str, tuple[str, str]]:
    """Role and node id by host name, which no playbook here may change."""
    lines = through.run("docker node ls --format '{{.Hostname}} {{.ID}} {{.ManagerStatus}}'")
    found: dict[str, tuple[str, str]] = {}
    for line in lines.splitlines():
        name, node_id, *manager = line.split()
        found[name] = (node_id, "manager" if manager else "worker")
    return found


VICTIMS: dict[str, Callable[[], Node]] = {
    "a worker": other_worker,
    "a manager": lambda: next(node for node in cluster().managers if node.name != leader().name),
    "the leader": leader,
    "the node with Redis": lambda: node_of("monsterstack_redis"),
}


@pytest.fixture(scope="module")
def healthy() -> dict[str, float]:
    """How long each playbook takes while nothing is wrong."""
    redis("set kept-by-the-test yes")
    found: dict[str, float] = {}
    for name, words in PLAYBOOKS.items():
        run, found[name] = timed(*words)
        assert run.code == 0, run.output
    note(SCENARIO, "healthy", **found)
    return found


PLAYBOOKS: dict[str, list[str]] = {
    "status": ["playbooks/status.yml"],
    "doctor": ["playbooks/doctor.yml"],
    "site": ["site.yml"],
    "rolling_update": ["rolling_update.yml", "-e", "tag=1.1"],
}


@pytest.fixture
def struck(request: pytest.FixtureRequest) -> Iterator[tuple[Node, str]]:
    who, how = request.param
    victim = VICTIMS[who]()
    victim.run(STRIKE[how])
    other = without(victim)
    # The swarm has noticed, so that a new leader is there: a command of that time fails for itself.
    until(lambda: listed(other)[victim.name] == "Down", 120, f"{victim.name} is down")
    yield victim, how
    if victim.run("systemctl is-active docker || true").strip() != "active" or how == "hung":
        victim.run(MEND[how])
    until(lambda: all_well(other), 240, "all is well again")


@pytest.mark.parametrize(
    "struck",
    [(who, how) for who in VICTIMS for how in STRIKE],
    ids=[f"{who}-{how}" for who in VICTIMS for how in STRIKE],
    indirect=True,
)
def test_a_silent_engine(struck: tuple[Node, str], healthy: dict[str, float]) -> None:
    victim, how = struck
    before = states(without(victim))
    labels = without(victim).run(
        f"docker node inspect {victim.name} --format '{{{{.Spec.Labels}}}}'"
    )
    holds_data = "monsterstack." in labels
    figures: dict[str, Any] = {}

    run, figures["status"] = timed("playbooks/status.yml")
    assert run.code == 0, run.output
    assert f"{victim.name} is down" in run.text

    run, figures["doctor"] = timed("playbooks/doctor.yml")
    assert run.code == 2, run.output
    assert f"ERROR {victim.name}: its Docker Engine" in run.text
    assert SAID[how] in run.text
    assert "it joins then" not in run.text

    run, figures["site"] = timed("site.yml")
    note(SCENARIO, f"{victim.name} {how}", **figures)
    assert "data=lost" not in run.text
    assert f"the earlier {victim.name}" not in run.text
    if how == "stopped":
        assert run.code == 0, run.output
        assert listed(without(victim))[victim.name] == "Ready"
    else:
        assert run.code == 2, run.output
        assert f"{victim.name} is left out" in run.text
        assert SAID[how] in run.text
        others = [row["failed"] for name, row in run.recap.items() if name != victim.name]
        # What has all of its tasks on that node is not there, and the verdict may say so.
        assert not any(others) or holds_data, run.output
    assert states(without(victim)) == before
    if how == "hung":
        tag = other_tag()
        run, figures["rolling_update"] = timed("rolling_update.yml", "-e", f"tag={tag}")
        note(SCENARIO, f"{victim.name} {how}", **figures)
        assert f"release {tag}: converged" in run.text, run.output
        assert "0 failed" in run.text, run.output
        assert states(without(victim)) == before
        # What is pinned to that node is not there, and was not before: named, nothing is undone.
        assert run.code == 0 or f"{victim.name}" in run.text, run.output
    assert_in_time(figures, healthy)


def other_tag() -> str:
    """Of the two releases whose images are there the one that does not run."""
    image = cluster_service("frontend")["TaskTemplate"]["ContainerSpec"]["Image"]
    return "1.0" if ":1.1@" in image else "1.1"


def cluster_service(name: str) -> dict[str, Any]:
    """A service's Spec from a manager that answers."""
    for node in cluster().managers:
        try:
            found = node.docker(f"service inspect monsterstack_{name}")
        except (AssertionError, subprocess.TimeoutExpired):
            continue
        return found[0]["Spec"]  # type: ignore[no-any-return]
    raise AssertionError("no manager answers")


def assert_in_time(figures: dict[str, float], healthy: dict[str, float]) -> None:
    assert figures["status"] <= 20
    assert figures["doctor"] <= 60
    for name in ("site", "rolling_update"):
        assert figures.get(name, 0) <= healthy[name] + 120, name


FILL = (
    "dd if=/dev/zero of=/var/lib/docker/full bs=1M 2>/dev/null || true; "
    "test $(df --output=avail /var/lib/docker | tail -n 1) -lt 1024"
)


@pytest.mark.parametrize("who", VICTIMS)
def test_a_full_disk(who: str, healthy: dict[str, float]) -> None:
    """Docker goes on as long as nothing is written; the doctor names it, nothing is given up."""
    victim = VICTIMS[who]()
    before, figures = states(without(victim)), {}
    victim.run(FILL)
    try:
        status, figures["status"] = timed("playbooks/status.yml")
        doctor, figures["doctor"] = timed("playbooks/doctor.yml")
        site, figures["site"] = timed("site.yml")
        after = states(without(victim))
    finally:
        victim.run("rm -f /var/lib/docker/full")
    note(SCENARIO, f"{victim.name} full", **figures, site_rc=site.code)
    assert status.code == 0, status.output
    assert doctor.code == 2, doctor.output
    assert f"ERROR {victim.name}: /var/lib/docker has 0 MiB left" in doctor.text
    assert f"{victim.name}: has 0 MiB left where Docker keeps its data" in site.text
    assert after == before
    assert_in_time(figures, healthy)
    until(lambda: all_well(without(victim)), 240, "all is well again")


def test_nothing_was_lost() -> None:
    assert "yes" in redis("get kept-by-the-test")
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
