"""The plan of a cluster: one row per situation of the hosts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host, make_plan


def node(
    name: str, role: str = "worker", status: str = "ready", leader: bool = False, node_id: str = ""
) -> dict[str, Any]:
    return {
        "id": node_id or f"id-{name}",
        "hostname": name,
        "role": role,
        "status": status,
        "leader": leader,
        "reachability": "reachable" if role == "manager" else None,
    }


M1, M2, M3 = node("m1", "manager", leader=True), node("m2", "manager"), node("m3", "manager")
W1, W2 = node("w1"), node("w2")


def host(
    name: str,
    cluster: str | None = None,
    nodes: list[dict[str, Any]] | None = None,
    *,
    group: str = "",
    state: str = "",
    role: str = "",
    running: bool = True,
    error: str | None = None,
    reached: bool = True,
) -> Host:
    manager = name.startswith("m")
    group = group or ("managers" if manager else "workers")
    if not reached:
        return Host(name, group, f"10.0.0.{name[1:]}", None)
    swarm = {
        "state": state or ("active" if cluster else "inactive"),
        "cluster_id": cluster,
        "node_id": f"id-{name}" if cluster else None,
        "node_addr": f"10.0.0.{name[1:]}",
        "role": (role or ("manager" if manager else "worker")) if cluster else None,
        "nodes": nodes or [],
        "error": error,
    }
    info = {"hostname": name, "engine": {"running": running}, "swarm": swarm}
    return Host(name, group, f"10.0.0.{name[1:]}", info)


ALL = [M1, W1, W2]
THREE = [M1, M2, M3]

GOOD: dict[str, tuple[list[Host], dict[str, Any]]] = {
    "bare machines, no engine anywhere": (
        [host("m1", running=False), host("m2", running=False), host("w1", running=False)],
        {"init": "m1", "join_managers": ["m2"], "join_workers": ["w1"], "silent": []},
    ),
    "a bare machine joins what is there": (
        [host("m1", "c1", ALL), host("w1", "c1"), host("w2", running=False)],
        {"exists": True, "join_workers": ["w2"], "already": ["m1", "w1"], "silent": []},
    ),
    "an engine of the swarm that is stopped": (
        [host("m1", "c1", ALL), host("w1", "c1"), host("w2", "c1", running=False)],
        {"join_workers": [], "already": ["m1", "w1"], "silent": ["w2"]},
    ),
    "nothing yet": (
        [host("m1"), host("w1"), host("w2")],
        {
            "exists": False,
            "init": "m1",
            "primary": "m1",
            "primary_address": "10.0.0.1:2377",
            "join_workers": ["w1", "w2"],
            "already": [],
        },
    ),
    "three managers, nothing yet": (
        [host("m1"), host("m2"), host("m3")],
        {"init": "m1", "join_managers": ["m2", "m3"], "join_workers": []},
    ),
    "one machine": ([host("m1")], {"init": "m1", "join_managers": [], "join_workers": []}),
    "all done": (
        [host("m1", "A", ALL), host("w1", "A"), host("w2", "A")],
        {
            "exists": True,
            "cluster_id": "A",
            "init": None,
            "primary": "m1",
            "already": ["m1", "w1", "w2"],
            "join_workers": [],
            "notices": [],
            "node_ids": {"m1": "id-m1", "w1": "id-w1", "w2": "id-w2"},
        },
    ),
    "half done": (
        [host("m1", "A", [M1, W1]), host("m2"), host("w1", "A"), host("w2")],
        {"join_managers": ["m2"], "join_workers": ["w2"], "already": ["m1", "w1"]},
    ),
    "the leader is not the first": (
        [host("m2", "A", THREE), host("m1", "A", THREE), host("m3", "A", THREE)],
        {"primary": "m1", "primary_address": "10.0.0.1:2377"},
    ),
    "the leader cannot be reached, another manager answers": (
        [host("m1", reached=False), host("m2", "A", THREE), host("m3", "A", THREE)],
        {"primary": "m2", "silent": ["m1"], "already": ["m2", "m3"]},
    ),
    "a worker's engine is off": (
        [host("m1", "A", ALL), host("w1", "A", running=False), host("w2", "A")],
        {"silent": ["w1"], "join_workers": [], "already": ["m1", "w2"]},
    ),
    "a worker is connecting": (
        [host("m1", "A", ALL), host("w1", "A", state="pending"), host("w2", "A")],
        {"already": ["m1", "w1", "w2"], "join_workers": []},
    ),
}


@pytest.mark.parametrize(("hosts", "expected"), GOOD.values(), ids=GOOD)
def test_plan(hosts: list[Host], expected: dict[str, Any]) -> None:
    plan = make_plan(hosts)
    assert plan.errors == []
    assert {key: getattr(plan, key) for key in expected} == expected


# Each row: hosts, and pieces that the one error must have.
BAD: dict[str, tuple[list[Host], list[str]]] = {
    "a worker is in another swarm": (
        [host("m1", "A", [M1]), host("w1", "B")],
        ["w1 is in another swarm (B)", "(A)", "'docker swarm leave --force' on w1"],
    ),
    "a worker of the inventory is a manager": (
        [host("m1", "A", [M1, node("w1", "manager")]), host("w1", "A", role="manager")],
        ["w1 stands in the group workers but is a manager", "docker node demote id-w1"],
    ),
    "a manager of the inventory is a worker": (
        [host("m1", "A", [M1, node("m2")]), host("m2", "A", role="worker")],
        ["m2 stands in the group managers but is a worker", "docker node promote id-m2"],
    ),
    "two clusters among the managers": (
        [host("m1", "A", [M1]), host("m2", "B", [M2])],
        ["m1 in A; m2 in B", "docker swarm leave --force"],
    ),
    "a locked manager": (
        [host("m1", "A", state="locked"), host("w1", "A")],
        ["m1 is a locked manager", "docker swarm unlock"],
    ),
    "no quorum": (
        [
            host("m1", "A", error="The swarm does not have a leader"),
            host("m2", reached=False),
            host("m3", reached=False),
        ],
        ["no quorum: m1", "does not have a leader", "--force-new-cluster"],
    ),
    "a swarm on workers only": (
        [host("m1"), host("w1", "B"), host("w2", "B")],
        ["the swarm B exists only on workers of the inventory (w1, w2)"],
    ),
    "a silent manager could hold the swarm": (
        [host("m1"), host("m2", reached=False), host("m3")],
        ["of m2 there is no answer"],
    ),
    "removed from the cluster but it does not know": (
        [host("m1", "A", [M1]), host("w1", "A")],
        ["does not list its node id-w1", "docker swarm leave --force"],
    ),
    "a node in error": (
        [host("m1", "A", ALL), host("w1", "A", state="error", error="certificate has expired")],
        ["w1 cannot take part", "certificate has expired"],
    ),
}


@pytest.mark.parametrize(("hosts", "pieces"), BAD.values(), ids=BAD)
def test_refusal(hosts: list[Host], pieces: list[str]) -> None:
    plan = make_plan(hosts)
    assert len(plan.errors) == 1
    for piece in pieces:
        assert piece in plan.errors[0]


def test_all_problems_at_once() -> None:
    plan = make_plan([host("m1", "A", [M1]), host("w1", "B"), host("w2", "C")])
    assert [error.split()[0] for error in plan.errors] == ["w1", "w2"]


NOTICES: dict[str, tuple[list[Host], str]] = {
    "down twin of a worker": (
        [
            host("m1", "A", [M1, W1, node("w1", status="down", node_id="old")]),
            host("w1", "A"),
        ],
        "an earlier w1 (node old, down). Remove it with 'docker node rm old'.",
    ),
    "down twin of a manager is demoted first": (
        [host("m1", "A", [M1, node("m2", "manager", "down", node_id="old")]), host("m2")],
        "Remove it with 'docker node demote old' and 'docker node rm old'.",
    ),
    "a node that the inventory does not know": (
        [host("m1", "A", [M1, node("x9")])],
        "the swarm has a worker x9 (node id-x9, ready) that is not in the inventory.",
    ),
    "an unreachable host": (
        [host("m1", "A", [M1, W1]), host("w1", reached=False)],
        "w1 cannot be reached and is left out.",
    ),
    "a manager that the others do not reach": (
        [
            host("m1", "A", [M1, {**M2, "reachability": "unreachable"}]),
            host("m2", "A", error="no leader"),
        ],
        "the other managers do not reach m2.",
    ),
}


@pytest.mark.parametrize(("hosts", "notice"), NOTICES.values(), ids=NOTICES)
def test_notice(hosts: list[Host], notice: str) -> None:
    plan = make_plan(hosts)
    assert plan.errors == []
    assert any(notice in said for said in plan.notices), plan.notices
