"""After the loss of the majority: one row per situation of the managers."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host
from ansible_collections.monsterstack.swarm.plugins.module_utils.recovery import plan_recovery
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import machine

LEADERLESS = "rpc error: code = Unknown desc = The swarm does not have a leader."


def node(name: str, role: str = "manager", *, leader: bool = False, raft: bool = True) -> Any:
    return {
        "id": f"id-{name}",
        "hostname": name,
        "role": role,
        "status": "ready" if raft else "down",
        "leader": leader,
        "reachability": "reachable" if role == "manager" and raft else None,
    }


def host(
    name: str,
    nodes: list[dict[str, Any]] | None = None,
    *,
    cluster: str | None = "A",
    state: str = "active",
    autolock: bool = False,
    engine: str = "running",
    reached: bool = True,
    error: str = LEADERLESS,
) -> Host:
    group = "managers" if name.startswith("m") else "workers"
    said = None if nodes or group == "workers" else error
    facts = machine(name, cluster, nodes, state=state, locked=autolock, engine=engine, error=said)
    return Host(name, group, "192.0.2.1", facts if reached else None)


DEAD1, DEAD3 = host("m1", reached=False), host("m3", reached=False)
WORKERS = [host("w1"), host("w2")]
FORCED = [node("m2", leader=True), node("m1", raft=False), node("m3", raft=False)]
TWINS = [*FORCED[:1], node("m1"), {**node("m1", raft=False), "id": "old-m1"}]
OLD = [node("m1", leader=True), node("m3"), node("m2")]

# Each row: the hosts; whether m2 has to be forced; who joins anew.
GOOD: dict[str, tuple[list[Host], bool, list[str]]] = {
    "two of three are dead": ([DEAD1, host("m2"), DEAD3, *WORKERS], True, []),
    "one came back meanwhile": ([host("m1"), host("m2"), DEAD3, *WORKERS], True, ["m1"]),
    "one came back and is locked": (
        [host("m1", state="locked"), host("m2"), DEAD3],
        True,
        ["m1"],
    ),
    "one came back empty": ([host("m1", cluster=None), host("m2"), DEAD3], True, []),
    "one is in another swarm": ([host("m1", cluster="B"), host("m2"), DEAD3], True, []),
    "forced, then interrupted": ([host("m1"), host("m2", FORCED), DEAD3], False, ["m1"]),
    "forced, and the others formed the old quorum beside it": (
        [host("m1", OLD), host("m2", FORCED), host("m3", OLD)],
        False,
        ["m1", "m3"],
    ),
    "all joined again, their old entries are left": (
        [host("m1", TWINS), host("m2", TWINS), DEAD3],
        False,
        [],
    ),
    "forced, the other left and has not joined": (
        [host("m1", cluster=None), host("m2", FORCED), DEAD3],
        False,
        [],
    ),
}


@pytest.mark.parametrize(("hosts", "force", "rejoin"), GOOD.values(), ids=GOOD)
def test_plan(hosts: list[Host], force: bool, rejoin: list[str]) -> None:
    plan = plan_recovery(hosts, "m2")
    assert plan.errors == []
    assert (plan.cluster_id, plan.force, plan.rejoin) == ("A", force, rejoin)
    assert plan.answering == [host.name for host in hosts if host.usable]
    silent = [host.name for host in hosts if not host.usable]
    assert bool(plan.notices) == bool(silent)
    assert all(name in plan.notices[0] for name in silent)


# Each row: the hosts, the survivor named, and pieces of the one refusal.
BAD: dict[str, tuple[list[Host], str, list[str]]] = {
    "none named": ([host("m1"), host("m2")], "", ["-e survivor=m1", "m1, m2"]),
    "unknown": ([host("m1"), host("m2")], "m9", ["survivor=m9", "m1, m2"]),
    "a worker": ([host("m1"), host("w1")], "w1", ["survivor=w1", "none of the group managers"]),
    "dead": ([DEAD1, host("m2"), DEAD3], "m1", ["m1 cannot be reached", "m2 can"]),
    "its engine is off": (
        [host("m2", engine="stopped"), DEAD3],
        "m2",
        ["its Docker Engine is stopped", "site.yml"],
    ),
    "with autolock": (
        [DEAD1, host("m2", autolock=True), DEAD3],
        "m2",
        ["are locked", "moby/moby#36852", "site.yml", "restore.yml"],
    ),
    "locked": (
        [DEAD1, host("m2", state="locked", autolock=True), DEAD3],
        "m2",
        ["are locked", "one more of the lost managers"],
    ),
    "in no swarm": ([host("m2", cluster=None), host("m1")], "m2", ["no manager of a swarm", "m1"]),
    "a quorum that it sees": (
        [host("m1", OLD), host("m2", OLD), host("m3", OLD)],
        "m2",
        ["has a quorum", "m2 answers with a leader", "site.yml"],
    ),
    "a quorum that it leads with another": (
        [DEAD1, host("m2", [node("m2", leader=True), node("m3"), node("m1", raft=False)])],
        "m2",
        ["has a quorum"],
    ),
    "a quorum without it": (
        [host("m1", OLD), host("m2"), host("m3", OLD)],
        "m2",
        ["has a quorum: m1 answers", "m2 that is cut off"],
    ),
    "a worker knows of no quorum, a lone manager does": (
        [host("m2", [node("m2", leader=True)])],
        "m2",
        ["nothing to recover"],
    ),
}


@pytest.mark.parametrize(("hosts", "survivor", "pieces"), BAD.values(), ids=BAD)
def test_refusal(hosts: list[Host], survivor: str, pieces: list[str]) -> None:
    plan = plan_recovery(hosts, survivor)
    assert len(plan.errors) == 1
    assert not plan.rejoin
    for piece in pieces:
        assert piece in plan.errors[0]


@pytest.mark.fault("A1")
@pytest.mark.parametrize(
    ("engine", "refused"), [("stopped", True), ("hung", True), ("failed", False)]
)
def test_a_manager_that_is_only_stopped_is_not_lost(engine: str, refused: bool) -> None:
    plan = plan_recovery([host("m1", engine=engine), host("m2"), DEAD3], "m2")
    assert plan.force is not refused
    assert ("m1 is not lost" in " ".join(plan.errors)) is refused
    assert "m1" not in plan.answering


@pytest.mark.fault("A1")
@pytest.mark.parametrize("error", ["context deadline exceeded", ""])
def test_a_question_that_failed_is_no_lost_quorum(error: str) -> None:
    plan = plan_recovery([DEAD1, host("m2", error=error), DEAD3], "m2")
    (refusal,) = plan.errors
    assert "m2 does not say that its swarm has no leader" in refusal
    assert error in refusal
