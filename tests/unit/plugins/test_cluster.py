"""The plan of a cluster: one row per situation of the hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import (
    Host,
    Wishes,
    make_plan,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import machine


def node(
    name: str,
    role: str = "worker",
    status: str = "ready",
    leader: bool = False,
    node_id: str = "",
    reached: bool = True,
    **labels: str,
) -> dict[str, Any]:
    return {
        "id": node_id or f"id-{name}",
        "hostname": name,
        "role": role,
        "status": status,
        "leader": leader,
        "reachability": ("reachable" if reached else "unreachable") if role == "manager" else None,
        "addr": f"10.0.0.{name[1:]}",
        "labels": labels,
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
    error: str | None = None,
    reached: bool = True,
    **more: Any,
) -> Host:
    """A host as the code makes it of what machines said; `more` is for `machine`."""
    group = group or ("managers" if name.startswith("m") else "workers")
    address = f"10.0.0.{name[1:]}"
    if not reached:
        return Host(name, group, address, None)
    facts = machine(name, cluster, nodes, role=role, error=error, state=state or "active", **more)
    return Host(name, group, address, facts)


def bare(name: str) -> Host:
    """A machine without an engine."""
    return host(name, engine="absent")


ALL = [M1, W1, W2]
THREE = [M1, M2, M3]

GOOD: dict[str, tuple[list[Host], dict[str, Any]]] = {
    "bare machines, no engine anywhere": (
        [bare("m1"), bare("m2"), bare("m3"), bare("w1")],
        {"init": "m1", "join_managers": ["m2", "m3"], "join_workers": ["w1"], "silent": []},
    ),
    "a bare machine joins what is there": (
        [host("m1", "c1", ALL), host("w1", "c1"), bare("w2")],
        {"exists": True, "join_workers": ["w2"], "already": ["m1", "w1"], "silent": []},
    ),
    "an engine of the swarm that is stopped": (
        [host("m1", "c1", ALL), host("w1", "c1"), host("w2", "c1", engine="stopped")],
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
        {"primary": "m2", "primary_address": "10.0.0.2:2377", "leader": "m1"},
    ),
    "the leader cannot be reached, another manager answers": (
        [host("m1", reached=False), host("m2", "A", THREE), host("m3", "A", THREE)],
        {"primary": "m2", "silent": ["m1"], "already": ["m2", "m3"]},
    ),
    "a worker's engine is off": (
        [host("m1", "A", ALL), host("w1", "A", engine="stopped"), host("w2", "A")],
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


LATE = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
# Each row: hosts, and pieces that the one error must have.
BAD: dict[str, tuple[list[Host], list[str]]] = {
    "a worker is in another swarm": (
        [host("m1", "A", [M1]), host("w1", "B")],
        ["w1 is in another swarm (B)", "(A)", "Take it out of the inventory", "node_remove.yml"],
    ),
    "two clusters among the managers": (
        [host("m1", "A", [M1]), host("m2", "B", [M2])],
        ["m1 in A; m2 in B", "an inventory of its own", "node_remove.yml"],
    ),
    "a locked manager": (
        [host("m1", "A", state="locked"), host("w1", "A")],
        ["m1 is a locked manager", "site.yml, which unlocks it"],
    ),
    "no quorum": (
        [
            host("m1", "A", error="The swarm does not have a leader"),
            host("m2", reached=False),
            host("m3", reached=False),
        ],
        ["no quorum: m1", "does not have a leader", "recover_quorum.yml -e survivor=m1"],
    ),
    "a question that has failed": (
        [host("m1", "A", error=LATE), host("m2", "A", error=LATE)],
        ["whether the swarm A has a quorum is not known: m1, m2", LATE, "Run this again"],
    ),
    "one manager is cut off, and the others' answers were late": (
        [host("m1", "A", error="The swarm does not have a leader"), host("m2", "A", error=LATE)],
        ["is not known: m1, m2", "Run this again"],
    ),
    "a swarm on workers only": (
        [host("m1"), host("w1", "B"), host("w2", "B")],
        [
            "the swarm B exists only on workers of the inventory (w1, w2)",
            "Add its managers (198.18.61.11:2377, ",
            "restore.yml",
        ],
    ),
    "an even number of managers for a new swarm": (
        [host("m1"), host("m2"), host("w1")],
        ["2 managers keep no better quorum than 1"],
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
        ["w1 cannot take part", "certificate has expired", "leave --force' on w1 and then site"],
    ),
    "a second quorum": (
        [host("m1", "A", [M1]), host("m2", "A", [{**M2, "leader": True}])],
        ["m2 answers with a leader of the swarm A, and m1 does too", "recover_quorum.yml"],
    ),
}


@pytest.mark.parametrize(("hosts", "pieces"), BAD.values(), ids=BAD)
def test_refusal(hosts: list[Host], pieces: list[str]) -> None:
    plan = make_plan(hosts)
    assert len(plan.errors) == 1
    for piece in pieces:
        assert piece in plan.errors[0]


UNASKED = [
    "a question that has failed",
    "one manager is cut off, and the others' answers were late",
]


@pytest.mark.fault("A1")
@pytest.mark.parametrize("name", UNASKED)
def test_nobody_gives_up_a_quorum_that_was_not_asked(name: str) -> None:
    """Another cluster of one beside it would be a second swarm under the same id."""
    assert "recover_quorum" not in " ".join(make_plan(BAD[name][0]).errors)


# What is in the Raft log of the last manager is nowhere else, so that one is never told to leave.
KEPT: dict[str, list[Host]] = {
    "two clusters among the managers": BAD["two clusters among the managers"][0],
    "a manager of another swarm": [host("m1", "A", [M1]), host("w1", "B", [W1], role="manager")],
    "a swarm on workers only": BAD["a swarm on workers only"][0],
    "a second quorum": BAD["a second quorum"][0],
    "a manager in error, and nobody answers": [
        host("m1", "A", state="error", error="x"),
        host("m2", reached=False),
    ],
}


@pytest.mark.fault("point2")
@pytest.mark.parametrize("hosts", KEPT.values(), ids=KEPT)
def test_who_may_have_the_last_copy_is_not_told_to_leave(hosts: list[Host]) -> None:
    plan = make_plan(hosts)
    assert plan.errors
    assert "swarm leave" not in " ".join(plan.errors + plan.notices)


LEAVES = ["removed from the cluster but it does not know", "a node in error"]


@pytest.mark.fault("point2")
@pytest.mark.parametrize("name", LEAVES)
def test_leaving_is_advised_where_a_quorum_answers_without_it(name: str) -> None:
    hosts, _pieces = BAD[name]
    plan = make_plan(hosts)
    assert "leave --force' on w1" in plan.errors[0]
    # Obeyed: it has left, its data is on its disk, and the quorum is the same.
    left = host("w1", volumes=["shop_data"])
    nodes = [{**node, "labels": {"redis": "true"}} if node["hostname"] == "w1" else node
             for node in hosts[0].swarm["nodes"]]  # fmt: skip
    wishes = Wishes(pins=["redis"], volumes={"redis": ["shop_data"]})
    after = make_plan([host("m1", "A", nodes), left], wishes)
    assert (after.errors, after.join_workers) == ([], ["w1"])


def test_all_problems_at_once() -> None:
    plan = make_plan([host("m1", "A", [M1]), host("w1", "B"), host("w2", "C")])
    assert [error.split()[0] for error in plan.errors] == ["w1", "w2"]


NOTICES: dict[str, tuple[list[Host], str]] = {
    "a machine that was installed anew": (
        [
            host("m1", "A", [M1, W1, node("w1", status="down", node_id="old")]),
            host("w1", "A"),
        ],
        "w1 was installed anew: site.yml removes its earlier node (old)",
    ),
    "an interrupted maintenance": (
        [
            host(
                "m1", "A", [M1, {**W1, "availability": "drain", "labels": {MAINTENANCE: "active"}}]
            ),
            host("w1", "A"),
        ],
        "w1 is in maintenance (drain). If locks.yml shows nobody at work, that run did not end: "
        "run maintenance.yml -e node=w1 again",
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


@pytest.mark.fault("B1")
def test_who_is_in_no_swarm_is_left_out_by_runs_that_let_nobody_join() -> None:
    """Seen: a node that was removed from another computer was asked for the page: all was lost."""
    hosts = [host("m1", "c1", ALL), host("w1", "c1"), bare("w2"), host("w3", state="inactive")]
    assert make_plan(hosts).outside == []
    plan = make_plan(hosts, Wishes(joins=False))
    assert (plan.outside, plan.errors) == (["w2", "w3"], [])
    (said,) = [text for text in plan.notices if text.startswith("w3 ")]
    assert "is in no swarm and is left out. Run site.yml" in said
    assert "take it out of the inventory" in said


# Nodes that change their role, are installed anew or go: hosts, wishes, and what is planned.

M4, W3 = node("m4", "manager"), node("w3")
LOST_M3 = node("m3", "manager", "down", reached=False)
OLD_W1 = node("w1", status="down", node_id="old", redis="true")
OLD_M3 = node("m3", "manager", "down", node_id="old", reached=False)


def all_of(nodes: list[dict[str, Any]], **other: Host) -> list[Host]:
    """A host for each node, in the role it has, all looked at; `other` ones in their places."""
    return [
        other.get(one["hostname"])
        or host(one["hostname"], "A", nodes if one["role"] == "manager" else None)
        for one in nodes
    ]


def replace_facts(one: Host, **facts: Any) -> Host:
    """The same host, where it says something else of itself."""
    return replace(one, info={**(one.info or {}), **facts})


def removal(name: str, role: str, alive: bool, addr: str, hostname: str = "") -> dict[str, Any]:
    """An entry of `Plan.remove`; the node is called as the inventory calls it, unless said."""
    called = hostname or name
    return {
        "name": name,
        "id": f"id-{called}",
        "role": role,
        "alive": alive,
        "called": f"{called} at {addr}",
    }


FIVE = [*THREE, W1, W2]
# The inventory calls its machine w7, and it is off.
WEB_1 = {**node("w7", status="down", redis="true"), "hostname": "web-1", "id": "id-web-1"}
MOVES: dict[str, tuple[list[Host], Wishes, dict[str, Any]]] = {
    "a worker becomes a manager": (
        [*all_of([*THREE, W1])[:3], host("w1", "A", group="managers", role="worker"), host("m4")],
        Wishes(),
        {"promote": ["w1"], "join_managers": ["m4"], "demote": []},
    ),
    "a manager becomes a worker": (
        all_of(FIVE, m2=host("m2", "A", FIVE, group="workers", role="manager")),
        Wishes(),
        {"demote": ["m2"], "primary": "m1"},
    ),
    "the leader becomes a worker": (
        all_of(FIVE, m1=host("m1", "A", FIVE, group="workers", role="manager")),
        Wishes(),
        {"demote": ["m1"], "primary": "m2"},
    ),
    "a dead manager is installed anew": (
        [host("m1", "A", [M1, M2, OLD_M3]), host("m2", "A", [M1, M2, OLD_M3]), host("m3")],
        Wishes(),
        {
            "replace": [{"name": "m3", "id": "old", "role": "manager"}],
            "join_managers": ["m3"],
        },
    ),
    "a worker that left by itself and is not missed yet": (
        [host("m1", "A", [M1, W1]), host("w1")],
        Wishes(),
        {"replace": [{"name": "w1", "id": "id-w1", "role": "worker"}], "join_workers": ["w1"]},
    ),
    "its data is not needed": (
        [host("m1", "A", [M1, OLD_W1]), host("w1")],
        Wishes(pins=["redis"], replace=["w1"], lose_data=True),
        {"replace": [{"name": "w1", "id": "old", "role": "worker"}]},
    ),
    "a worker is removed": (
        all_of(FIVE),
        Wishes(remove=["w2"]),
        {
            "remove": [removal("w2", "worker", True, "10.0.0.2")],
            "already": ["m1", "m2", "m3", "w1"],
        },
    ),
    "the leader is removed": (
        all_of(FIVE),
        Wishes(remove=["m1"]),
        {
            "primary": "m2",
            "remove": [removal("m1", "manager", True, "10.0.0.1")],
        },
    ),
    "a dead manager is removed": (
        all_of([M1, M2, LOST_M3], m3=host("m3", reached=False)),
        Wishes(remove=["m3"], dead=True),
        {"remove": [removal("m3", "manager", False, "10.0.0.3")]},
    ),
    "a dead node that the inventory has forgotten": (
        all_of([M1, node("x9", status="down")])[:1],
        Wishes(remove=["x9"], dead=True),
        {"remove": [removal("x9", "worker", False, "10.0.0.9")]},
    ),
    "a manager that --force-new-cluster left behind": (
        all_of([M1, {**LOST_M3, "reachability": None}])[:1],
        Wishes(remove=["m3"], dead=True),
        {"remove": [removal("m3", "manager", False, "10.0.0.3")]},
    ),
    "a dead node by its address, while another machine calls itself so": (
        [
            host("m1", "A", [M1, WEB_1, node("w7", node_id="id-w5", status="down")]),
            host("w7", reached=False),
            replace_facts(host("w5", "A", engine="stopped"), hostname="w7"),
        ],
        Wishes(remove=["w7"], dead=True),
        {"remove": [removal("w7", "worker", False, "10.0.0.7", "web-1")]},
    ),
    "a dead node that no host of the inventory can be": (
        [host("m1", "A", [M1, {**WEB_1, "addr": "198.51.100.1"}]), host("w7", reached=False)],
        Wishes(remove=["web-1"], dead=True),
        {"remove": [removal("web-1", "worker", False, "198.51.100.1")]},
    ),
    "it is removed already": (
        [host("m1", "A", [M1]), host("w1")],
        Wishes(remove=["w1"]),
        {"remove": [], "join_workers": [], "notices": ["w1 is not in the swarm any more."]},
    ),
}


@pytest.mark.parametrize(("hosts", "wishes", "expected"), MOVES.values(), ids=MOVES)
def test_moves(hosts: list[Host], wishes: Wishes, expected: dict[str, Any]) -> None:
    plan = make_plan(hosts, wishes)
    assert plan.errors == []
    assert {key: getattr(plan, key) for key in expected} == expected


REFUSED: dict[str, tuple[list[Host], Wishes, list[str]]] = {
    "no manager would be left to work through": (
        [host("m1", "A", ALL, group="workers", role="manager"), host("w1", "A", group="managers")],
        Wishes(),
        ["no manager of the swarm (m1) stands in the group managers"],
    ),
    "demoted while another one is silent": (
        all_of(
            [M1, M2, LOST_M3],
            m2=host("m2", "A", [M1, M2, LOST_M3], group="workers", role="manager"),
            m3=host("m3", reached=False),
        ),
        Wishes(),
        ["m2 must stay a manager: without it 1 of 2 would answer", "Bring m3 back first"],
    ),
    "a node that is down is to be a manager": (
        [
            *all_of([*THREE, node("w1", status="down")])[:3],
            host("w1", "A", group="managers", role="worker"),
        ],
        Wishes(),
        ["w1 is not made a manager: the swarm lists it as down"],
    ),
    "the earlier one held data": (
        [host("m1", "A", [M1, OLD_W1]), host("w1")],
        Wishes(pins=["redis"]),
        ["the earlier w1 (node old) holds redis", "node_replace.yml -e node=w1 -e data=lost"],
    ),
    "two of three managers installed anew": (
        [
            host("m1", "A", [M1, node("m2", "manager", "down", reached=False), LOST_M3]),
            host("m2"),
            host("m3"),
        ],
        Wishes(),
        ["m2 must stay a manager"],
    ),
    "nothing to replace": (
        all_of([M1, W1]),
        Wishes(replace=["w1"]),
        ["no earlier w1 that is down"],
    ),
    "removed though it holds data": (
        [host("m1", "A", [M1, node("w1", redis="true")]), host("w1", "A")],
        Wishes(remove=["w1"], pins=["redis"]),
        ["w1 (node id-w1) holds redis", "docs/nodes.md"],
    ),
    "removed though it is silent": (
        [host("m1", "A", ALL), host("w1", "A"), host("w2", reached=False)],
        Wishes(remove=["w2"]),
        ["w2 does not answer", "-e dead=true"],
    ),
    "called dead, and only its engine is stopped": (
        all_of([M1, node("w1", status="down")], w1=host("w1", "A", engine="stopped")),
        Wishes(remove=["w1"], dead=True),
        ["w1 is not dead: the machine itself answers"],
    ),
    "called dead and alive": (
        all_of(ALL),
        Wishes(remove=["w2"], dead=True),
        ["w2 is not dead: the swarm lists it as ready"],
    ),
    "a name that nobody has": (
        all_of(ALL),
        Wishes(remove=["w9"]),
        ["neither the inventory nor the swarm (m1, w1, w2) has a w9"],
    ),
    "a living node that the inventory has forgotten": (
        all_of(ALL)[:2],
        Wishes(remove=["w2"]),
        ["w2 is not in the inventory", "-e dead=true"],
    ),
    "the only manager is removed": (
        all_of(ALL),
        Wishes(remove=["m1"]),
        ["m1 is the only manager that answers", "m1 is the only manager, and a swarm"],
    ),
    "removed below quorum": (
        all_of([M1, M2, LOST_M3], m3=host("m3", reached=False)),
        Wishes(remove=["m2"]),
        ["m2 must stay a manager"],
    ),
    "there is no swarm": (
        [host("m1"), host("w1")],
        Wishes(remove=["w1"]),
        ["there is no swarm yet"],
    ),
}


@pytest.mark.parametrize(("hosts", "wishes", "pieces"), REFUSED.values(), ids=REFUSED)
def test_refused_moves(hosts: list[Host], wishes: Wishes, pieces: list[str]) -> None:
    said = "\n".join(make_plan(hosts, wishes).errors)
    assert all(piece in said for piece in pieces), said


WEB = {**node("w7", status="down", redis="true"), "hostname": "web-1"}
STORED = {"redis": ["shop_data"]}
# Each row: w7 of the inventory, its node in the swarm, what is typed for it.
CALLED: dict[str, tuple[Host, dict[str, Any], str]] = {
    "by its host name": (
        replace_facts(host("w7", "A", volumes=["shop_data"]), hostname="web-1"),
        WEB,
        "web-1",
    ),
    "by its id": (replace_facts(host("w7", "A"), hostname="web-1"), WEB, "id-w7"),
    "by its address": (replace_facts(host("w7", "A"), hostname="web-1"), WEB, "10.0.0.7"),
    "its engine is stopped": (
        replace_facts(host("w7", "A", engine="stopped"), hostname="web-1"),
        WEB,
        "web-1",
    ),
    "it was installed anew": (replace_facts(host("w7"), hostname="web-1"), WEB_1, "web-1"),
    "it was called otherwise later": (host("w7", "A"), WEB, "web-1"),
    "it does not answer": (host("w7", reached=False), WEB_1, "web-1"),
}


@pytest.mark.fault("A1", "A11")
@pytest.mark.parametrize(("machine", "listed", "name"), CALLED.values(), ids=CALLED)
@pytest.mark.parametrize("dead", [True, False], ids=["dead", "alive"])
def test_a_machine_is_asked_by_whatever_name_it_is_called(
    machine: Host, listed: dict[str, Any], name: str, dead: bool
) -> None:
    """Plays look at the machine of the inventory's name: another name would pass it over."""
    wishes = Wishes(remove=[name], dead=dead, lose_data=True, volumes=STORED)
    plan = make_plan([host("m1", "A", [M1, listed]), machine], wishes)
    (refused,) = plan.errors
    assert f"the inventory calls {name} w7. Say -e node=w7" in refused
    assert plan.remove == []


@pytest.mark.fault("A1", "A11")
def test_data_are_looked_for_on_the_machine_that_is_another_node_by_now() -> None:
    """It joined again under another name, so that its earlier node is dead, and its disk is not."""
    nodes = [M1, {**WEB_1, "addr": "10.0.0.2"}, W2]
    for volumes, piece in ((["shop_data"], "shop_data is there"), ([], "")):
        wishes = Wishes(remove=["web-1"], dead=True, lose_data=True, volumes=STORED, pins=["redis"])
        plan = make_plan([host("m1", "A", nodes), host("w2", "A", volumes=volumes)], wishes)
        assert piece in "".join(plan.errors)
        assert bool(plan.errors) == bool(piece)


# Each row: where the inventory has the silent w1 and w2, which the swarm has at 10.0.0.1 and .2.
CROSSED: dict[str, tuple[str, str, str]] = {
    "names are crossed": ("10.0.0.2", "10.0.0.1", "at 10.0.0.2, where the swarm has w2"),
    "its address is another one's": ("198.51.100.1", "10.0.0.1", "which the inventory calls w2"),
}


@pytest.mark.fault("A1", "A11", "point2")
@pytest.mark.parametrize(("first", "second", "piece"), CROSSED.values(), ids=CROSSED)
def test_a_machine_that_nobody_gave_up_is_not_removed_by_its_name(
    first: str, second: str, piece: str
) -> None:
    """Seen: the machine with the data went, which the inventory calls w2."""
    down = [{**W1, "status": "down"}, {**W2, "status": "down"}]
    silent = [
        replace(host("w1", reached=False), address=first),
        replace(host("w2", reached=False), address=second),
    ]
    wishes = Wishes(remove=["w1"], dead=True, lose_data=True)
    manager = replace(host("m1", "A", [M1, *down]), address="10.0.0.11")
    plan = make_plan([manager, *silent], wishes)
    (refused,) = plan.errors
    assert "nobody knows which node it is: the swarm's node w1 is at 10.0.0.1" in refused
    assert piece in refused
    assert plan.remove == []
    # Reached by another address than its node's own, and nobody else is there: as before.
    outside = [replace(one, address=f"198.51.100.{at}") for at, one in enumerate(silent)]
    plan = make_plan([manager, *outside], wishes)
    assert [one["id"] for one in plan.remove] == ["id-w1"]


@pytest.mark.fault("A1")
def test_a_silent_machine_that_nobody_finds_is_not_called_removed() -> None:
    nodes = [M1, {**WEB_1, "addr": "198.51.100.1"}]
    plan = make_plan(
        [host("m1", "A", nodes), host("w7", reached=False)], Wishes(remove=["w7"], dead=True)
    )
    (refused,) = plan.errors
    assert "no node of that name or at its address (10.0.0.7)" in refused
    assert "-e node=web-1 -e dead=true" in refused


# Each row: hosts of which m2 is locked; a piece of the error or of the notice of a dry run.
LOCKED: dict[str, tuple[list[Host], str, str]] = {
    "another manager answers": (
        [host("m1", "A", THREE), host("m2", "A", state="locked")],
        "",
        "m2 is locked and would be unlocked.",
    ),
    "nobody does": ([host("m2", "A", state="locked")], "cannot see what is behind the lock", ""),
}


@pytest.mark.parametrize(("hosts", "error", "notice"), LOCKED.values(), ids=LOCKED)
def test_locked_in_a_dry_run(hosts: list[Host], error: str, notice: str) -> None:
    plan = make_plan(hosts, Wishes(unlocks=True))
    assert len(plan.errors) == bool(error)
    assert error in "".join(plan.errors)
    assert notice in "".join(plan.notices)


# A node whose engine is silent is the node that its certificate names: never taken for a machine
# that was installed anew, whatever the swarm says of it.

SILENT = ("stopped", "hung", "failed", "crash-looping")


def redis_on(name: str, status: str = "down") -> list[dict[str, Any]]:
    """m1 leads, and one of the others holds Redis and is what the swarm calls `status`."""
    nodes = [M1, *(node(one, "manager" if one[0] == "m" else "worker") for one in ("m2", "m3"))]
    nodes += [node("w1"), node("w2")]
    return [
        {**one, "status": status, "labels": {"redis": "true"}} if one["hostname"] == name else one
        for one in nodes
    ]


@pytest.mark.fault("A1")
@pytest.mark.parametrize("engine", SILENT)
@pytest.mark.parametrize("status", ["down", "ready", "unknown"])
@pytest.mark.parametrize("name", ["m2", "w1"])
def test_a_silent_engine_is_no_machine_installed_anew(name: str, status: str, engine: str) -> None:
    nodes = redis_on(name, status)
    hosts = all_of(nodes, **{name: host(name, "A", engine=engine)})
    plan = make_plan(hosts, Wishes(pins=["redis"], volumes={"redis": ["shop_data"]}))
    assert (plan.errors, plan.silent) == ([], [name])
    assert not plan.replace + plan.demote + plan.join_managers + plan.join_workers
    said = next(text for text in plan.notices if text.startswith(name))
    assert {"stopped": "is stopped", "hung": "does not answer"}.get(engine, "cannot start") in said
    assert "data=lost" not in " ".join(plan.notices)


@pytest.mark.fault("A1")
def test_a_node_that_answers_is_itself_whatever_the_swarm_calls_it() -> None:
    plan = make_plan(all_of(redis_on("w1")), Wishes(pins=["redis"]))
    assert (plan.errors, plan.replace) == ([], [])


@pytest.mark.fault("A1")
def test_a_silent_engine_that_cannot_start_is_named_with_its_journal() -> None:
    plan = make_plan(all_of(ALL, w1=host("w1", "A", engine="failed")))
    assert "unable to configure the Docker daemon with file" in plan.notices[0]
    assert "invalid character '}'" in plan.notices[0]


@pytest.mark.fault("A1")
@pytest.mark.parametrize("reached", [True, False])
def test_workers_are_not_told_to_leave_while_their_manager_is_silent(reached: bool) -> None:
    manager = host("m1", "A", engine="stopped") if reached else host("m1", reached=False)
    plan = make_plan([manager, host("w1", "A"), host("w2", "A")])
    assert len(plan.errors) == 1
    assert "leave" not in plan.errors[0]
    assert "m1" in plan.errors[0]


@pytest.mark.fault("A1")
def test_managers_that_are_only_stopped_are_not_given_up() -> None:
    stopped = [host(name, "A", engine="stopped") for name in ("m2", "m3")]
    plan = make_plan([host("m1", "A", error="no leader"), *stopped])
    assert "site.yml, which starts it" in plan.errors[0]
    assert "recover_quorum" not in plan.errors[0]


# Each row: what lies on the disk of a machine that says itself that it is in no swarm, and pieces
# of the refusal; none: it may take the place of the node that held Redis.
DISKS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, ["there is no volume shop_data any more", "-e node=w1 -e data=lost"]),
    "the volume": ({"volumes": ["shop_data"]}, []),
    "another volume": ({"volumes": ["other"]}, ["no volume shop_data any more"]),
    "a disk that is not mounted": (
        {"unmounted": ["/var/lib/docker"]},
        ["/var/lib/docker is in /etc/fstab of w1 and not mounted", "Mount it"],
    ),
}


@pytest.mark.fault("A1")
@pytest.mark.parametrize(("disk", "pieces"), DISKS.values(), ids=DISKS)
def test_data_is_called_lost_only_where_it_was_looked_for(
    disk: dict[str, Any], pieces: list[str]
) -> None:
    wishes = Wishes(pins=["redis"], volumes={"redis": ["shop_data"]})
    plan = make_plan([host("m1", "A", [M1, OLD_W1]), host("w1", **disk)], wishes)
    said = "\n".join(plan.errors)
    assert bool(said) == bool(pieces)
    assert all(piece in said for piece in pieces), said
    assert ("data=lost" in said) == ("volume" in " ".join(pieces))
    assert plan.replace == [{"name": "w1", "id": "old", "role": "worker"}]


@pytest.mark.fault("point2")
@pytest.mark.parametrize("disk", DISKS)
def test_data_that_may_be_there_are_not_given_up_by_a_word(disk: str) -> None:
    wishes = Wishes(pins=["redis"], volumes={"redis": ["shop_data"]}, lose_data=True)
    facts, _pieces = DISKS[disk]
    plan = make_plan([host("m1", "A", [M1, OLD_W1]), host("w1", **facts)], wishes)
    assert bool(plan.errors) == ("unmounted" in facts)
    assert ("comes back with its data" in "".join(plan.notices)) == (disk == "the volume")


@pytest.mark.fault("A1")
@pytest.mark.parametrize("wishes", [Wishes(), Wishes(dead=True)], ids=["alive", "dead"])
def test_no_removal_advises_to_lose_data(wishes: Wishes) -> None:
    nodes = redis_on("w1", "down" if wishes.dead else "ready")
    asked = replace(wishes, pins=["redis"], remove=["w1"])
    plan = make_plan(all_of(nodes, w1=host("w1", "A", reached=not wishes.dead)), asked)
    assert "holds redis" in plan.errors[0]
    assert "data=lost" not in plan.errors[0]


@pytest.mark.fault("C4")
def test_two_managers_that_are_left_are_looked_after() -> None:
    nodes = [M1, M2, LOST_M3]
    plan = make_plan([host("m1", "A", nodes), host("m2", "A", nodes)])
    assert plan.errors == []
    assert "2 managers in the inventory keep no better quorum than 1" in plan.notices[0]
