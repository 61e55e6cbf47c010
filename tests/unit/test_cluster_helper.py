"""What the scenarios compare before and after every playbook: it finds what was not meant."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.cluster import MEANT, PROJECT, Run, Specs, assert_as_meant, differences, read_specs
from tests.unit.plugins.test_swarm_spec import EMPTIED, LOCKED, NEW


def node(name: str, node_id: str, state: str = "ready", **labels: str) -> dict[str, Any]:
    return {
        "ID": node_id,
        "Description": {"Hostname": name},
        "Status": {"State": state},
        "Spec": {"Role": "worker", "Availability": "active", "Labels": labels},
    }


def service(name: str, **template: Any) -> dict[str, Any]:
    return {"ID": name, "Spec": {"Name": name, "TaskTemplate": {"ForceUpdate": 0, **template}}}


NODES = [node("m1", "1", zone="a"), node("w1", "2", **{"monsterstack.redis": "true"})]
SERVICES = [service("registry"), service("monsterstack_redis", Networks=[{"Target": "n"}])]


def printed(swarm: Any = NEW, nodes: Any = None, services: Any = None) -> Specs:
    """As the three commands print it."""
    nodes = NODES if nodes is None else nodes
    services = SERVICES if services is None else services
    return read_specs("\n".join(json.dumps(one, indent=1) for one in (swarm, nodes, services)))


BEFORE = printed()


def relabelled(**labels: str) -> Specs:
    nodes = copy.deepcopy(NODES)
    nodes[1]["Spec"]["Labels"].update(labels)
    return printed(nodes=nodes)


def rolled(name: str) -> Specs:
    services = copy.deepcopy(SERVICES)
    for one in services:
        one["Spec"]["TaskTemplate"]["ForceUpdate"] += one["ID"] == name
    return printed(services=services)


RECAP = "PLAY RECAP\nm1 : ok=3 changed={} unreachable=0 failed=0\n"
CHANGED, QUIET = Run(0, RECAP.format(1)), Run(0, RECAP.format(0))
FAILED = Run(2, RECAP.format(0))

# Each row: the words, the run, the Specs afterwards, and a piece of each key that is complained of.
CASES: dict[str, tuple[str, Run, Specs, list[str]]] = {
    "nothing": ("site.yml", QUIET, BEFORE, []),
    "autolock is site.yml's": ("site.yml", CHANGED, printed(LOCKED), []),
    "and nobody else's": ("scale.yml", CHANGED, printed(LOCKED), ["AutoLockManagers"]),
    "the other settings are nobody's": (
        "site.yml", CHANGED, printed(EMPTIED),
        ["Orchestration/TaskHistoryRetentionLimit", "Raft/SnapshotInterval", "CAConfig"],
    ),
    "a backup changes nothing": ("playbooks/backup.yml", CHANGED, printed(EMPTIED), ["Raft"]),
    "a label of somebody else": ("site.yml", CHANGED, relabelled(mine="x"), ["Labels/mine"]),
    "a zone": ("site.yml", CHANGED, relabelled(zone="b"), []),
    "a zone, but nothing was reported": ("site.yml", QUIET, relabelled(zone="b"), ["zone"]),
    "a zone in a dry run": ("site.yml --check", CHANGED, relabelled(zone="b"), ["zone"]),
    "maintenance rolls": ("maintenance.yml", CHANGED, rolled("monsterstack_redis"), []),
    "a failed one rolls too": ("maintenance.yml", FAILED, rolled("registry"), []),
    "a release does not touch the registry": (
        "rolling_update.yml", CHANGED, rolled("registry"), ["service registry/"],
    ),
    "a node is gone": ("playbooks/node_remove.yml", CHANGED, printed(nodes=NODES[:1]), []),
    "a node is gone in a backup": ("backup.yml", CHANGED, printed(nodes=NODES[:1]), ["node w1"]),
    "a service is gone": (
        "node_remove.yml", CHANGED, printed(services=SERVICES[:1]), ["monsterstack_redis"],
    ),
    "nobody answers afterwards": ("teardown.yml", CHANGED, {}, []),
    "a node left drained by a failure": (
        "maintenance.yml", FAILED,
        relabelled(**{"monsterstack.swarm.maintenance": "active"}), [],
    ),
    "and by a good run": (
        "maintenance.yml", CHANGED,
        relabelled(**{"monsterstack.swarm.maintenance": "active"}), ["maintenance"],
    ),
}  # fmt: skip


@pytest.mark.fault("A2")
@pytest.mark.parametrize(("words", "run", "after", "complaints"), CASES.values(), ids=CASES)
def test_what_is_not_meant(words: str, run: Run, after: Specs, complaints: list[str]) -> None:
    if not complaints:
        assert_as_meant(words.split(), run, BEFORE, after)
        return
    with pytest.raises(AssertionError, match="changed what it does not mean to") as failure:
        assert_as_meant(words.split(), run, BEFORE, after)
    assert not [piece for piece in complaints if piece not in str(failure.value)]


def test_what_a_test_means_itself_is_allowed() -> None:
    assert_as_meant(["site.yml"], CHANGED, printed(EMPTIED), printed(LOCKED), ["swarm/.*"])


def test_two_nodes_of_one_name() -> None:
    twins = printed(nodes=[node("w1", "old", "down"), node("w1", "new", zone="a")])
    assert {"node w1/Labels/zone", "node w1 old/Role"} <= set(twins)
    assert set(differences(twins, printed(nodes=[node("w1", "new", zone="a")]))) == {"node w1 old"}


def test_the_table_names_playbooks() -> None:
    there = {path.name for path in (PROJECT / "playbooks").glob("*.yml")}
    assert not set(MEANT) - there
