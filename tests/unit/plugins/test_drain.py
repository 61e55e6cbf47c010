"""What becomes of a node's work, what has no room, and what is spread unevenly."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import drain
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.verdict import Snapshot

MIB = 2**20


def node(name: str, zone: str = "", availability: str = "active", **labels: str) -> dict[str, Any]:
    return {
        "ID": name,
        "Description": {
            "Hostname": name,
            "Resources": {"NanoCPUs": 10**9, "MemoryBytes": 400 * MIB},
        },
        "Spec": {
            "Role": "manager" if name.startswith("m") else "worker",
            "Availability": availability,
            "Labels": {**labels, **({"zone": zone} if zone else {})},
        },
        "Status": {"State": "ready"},
    }


def service(
    name: str,
    replicas: int | None = 1,
    *,
    order: str = "start-first",
    constraints: tuple[str, ...] = (),
    memory: int = 0,
    mode: str = "Replicated",
    spread: str = "",
) -> dict[str, Any]:
    preferences = [{"Spread": {"SpreadDescriptor": f"node.labels.{spread}"}}] if spread else []
    return {
        "ID": name,
        "Spec": {
            "Name": name,
            "Mode": {mode: {"Replicas": replicas} if mode == "Replicated" else {}},
            "UpdateConfig": {"Order": order},
            "TaskTemplate": {
                "Placement": {"Constraints": list(constraints), "Preferences": preferences},
                "Resources": {"Reservations": {"MemoryBytes": memory * MIB}},
            },
        },
    }


def tasks(of: str, *places: str, state: str = "running", wanted: str = "running") -> list[Any]:
    return [
        {
            "ID": f"{of}.{index}.{place}.{state}",
            "ServiceID": of,
            "NodeID": place,
            "Slot": index,
            "DesiredState": wanted,
            "CreatedAt": "2026-01-01T00:00:00Z",
            "Status": {"State": state, "Timestamp": "2026-01-01T00:00:00Z"},
        }
        for index, place in enumerate(places, 1)
    ]


def snapshot(services: list[Any], all_tasks: list[Any], nodes: list[Any] | None = None) -> Snapshot:
    nodes = nodes or [node("m1"), node("w1"), node("w2"), node("w3")]
    return Snapshot(services, all_tasks, frozenset(), nodes, now=2e9)


ON_W1 = ("node.labels.data == true",)
MOVES: dict[str, tuple[dict[str, Any], list[Any], str | None]] = {
    "nothing here": (service("s", 2), tasks("s", "w2", "w3"), None),
    "less than half would be left": (service("s", 3), tasks("s", "w1", "w1", "w2"), "roll"),
    "half is left": (service("s", 2), tasks("s", "w1", "w2"), "drain"),
    "most is left": (service("s", 3), tasks("s", "w1", "w2", "w3"), "drain"),
    "all of it, and updates stop first": (
        service("s", 1, order="stop-first"),
        tasks("s", "w1"),
        "drain",
    ),
    "the only one": (service("s", 1), tasks("s", "w1"), "roll"),
    "those elsewhere do not run yet": (
        service("s", 2),
        [*tasks("s", "w1"), *tasks("s", "w2", state="starting")],
        "roll",
    ),
    "pinned to this node": (service("s", constraints=ON_W1), tasks("s", "w1"), "stays"),
    "pinned to this node, and drained off already": (service("s", constraints=ON_W1), [], "stays"),
    "pinned to another": (service("s", constraints=("node.id == w2",)), tasks("s", "w2"), None),
    "pinned and scaled to none": (service("s", 0, constraints=ON_W1), [], None),
    "one per node": (service("s", mode="Global"), tasks("s", "w1", "w2"), "ends"),
    "a job": (service("s", mode="ReplicatedJob"), tasks("s", "w1"), "job"),
    "a job that is done": (
        service("s", mode="ReplicatedJob"),
        tasks("s", "w1", state="complete"),
        None,
    ),
    "told to stop already": (service("s", 1), tasks("s", "w1", wanted="shutdown"), None),
}


@pytest.mark.parametrize(("one", "its_tasks", "how"), MOVES.values(), ids=MOVES)
def test_moves(one: dict[str, Any], its_tasks: list[Any], how: str | None) -> None:
    w1 = node("w1", data="true")
    nodes = [node("m1"), w1, node("w2"), node("w3")]
    moves = drain.plan_moves(snapshot([one], its_tasks, nodes), w1)
    assert [move.how for move in moves] == ([how] if how else [])
    assert all(str(move).startswith("s: ") for move in moves)


# Each row: how another node is, and whether it is a place that is missed.
AWAY: dict[str, tuple[dict[str, Any], bool]] = {
    "down": ({"Status": {"State": "down"}}, True),
    "worked on": ({"Spec": {"Availability": "pause", "Labels": {MAINTENANCE: "active"}}}, True),
    "drained for good": ({"Spec": {"Availability": "drain", "Labels": {}}}, False),
}


@pytest.mark.fault("A1")
@pytest.mark.parametrize(("how", "missed"), AWAY.values(), ids=AWAY)
def test_a_node_is_not_drained_while_the_only_other_place_is_away(
    how: dict[str, Any], missed: bool
) -> None:
    """Seen: a hung worker, and the other one was rebooted; the page was down with it."""
    w1, w2 = node("w1"), node("w2")
    for part, values in how.items():
        w2[part] = {**w2[part], **values}
    nodes = [node("m1", availability="drain"), w1, w2]
    web, pinned = service("web", 2), service("pinned", constraints=("node.id == w1",))
    seen = snapshot([web, pinned], [*tasks("web", "w1", "w1"), *tasks("pinned", "w1")], nodes)
    moves = drain.plan_moves(seen, w1)
    assert [move.how for move in moves] == ["stays", "stays"]
    said = ["web would be down as long as this node: w2 may have it, too, and takes no tasks now"]
    assert drain.without_place(moves, seen, w1) == (said if missed else [])


# None of these fits a node, or nobody knows which.
UNREAD = ("node.lables.ssd == true", "node.ip == worker", "node.labels.data")


@pytest.mark.fault("B9")
@pytest.mark.parametrize("text", UNREAD)
def test_a_constraint_that_cannot_be_read_leaves_the_others_in_force(text: str) -> None:
    """What is bound to this node was moved as if any node would do."""
    w1 = node("w1", data="true")
    nodes = [node("m1"), w1, node("w2"), node("w3")]
    one = service("s", 1, constraints=(*ON_W1, text), order="stop-first")
    assert [str(each) for each in drain.constraints_of(one)] == list(ON_W1)
    (move,) = drain.plan_moves(snapshot([one], tasks("s", "w1"), nodes), w1)
    assert move.how == "stays"
    (said,) = drain.unread(one)
    assert said.startswith(f"s: the constraint '{text}'")
    assert drain.unread(service("s", 1, constraints=ON_W1)) == []


def test_room() -> None:
    w1, w2, m1 = node("w1", data="true"), node("w2"), node("m1", availability="drain")
    nodes = [w1, w2, m1]
    small = service("small", 2, memory=100)
    large = service("large", 2, memory=300)
    pinned = service("pinned", constraints=ON_W1, memory=300)
    global_one = service("everywhere", mode="Global", memory=10)
    impossible = service("impossible", memory=999)
    assert drain.without_room([small, pinned, global_one, impossible], nodes, w1) == []
    said = drain.without_room([large], nodes, w1)
    assert len(said) == 1
    assert said[0].startswith("large: of 2 tasks only 1 find room on the other nodes (w2 ")


def test_left_on_a_node() -> None:
    found = drain.left_on(
        "w1",
        [
            *tasks("s", "w1", wanted="shutdown"),  # its container has not ended yet
            *tasks("s", "w1", state="shutdown", wanted="shutdown"),
            *tasks("s", "w2"),
        ],
    )
    assert [task["DesiredState"] for task in found] == ["shutdown"]


def test_not_whole() -> None:
    services = [service("whole", 2), service("half", 2), service("other", 5)]
    every = [*tasks("whole", "w1", "w2"), *tasks("half", "w1")]
    said = drain.not_whole(["whole", "half"], snapshot(services, every))
    assert len(said) == 1
    assert said[0].startswith("half: 1/2, ")


ZONES = [node("w1", "a"), node("w2", "b"), node("w3", "b"), node("m1", "c")]
WORKERS = ("node.role == worker",)
SPREADS = {
    "even": (service("s", 3), tasks("s", "w1", "w2", "w3"), False),
    "one more here than there": (service("s", 3), tasks("s", "w1", "w1", "w2"), True),
    "two nodes, three tasks": (
        service("s", 3, constraints=("node.role == worker", "node.id != w3")),
        tasks("s", "w1", "w1", "w2"),
        False,
    ),
    "an empty node": (service("s", 2, constraints=WORKERS), tasks("s", "w1", "w1"), True),
    "more nodes than tasks": (service("s", 1), tasks("s", "w1"), False),
    "as many in each zone, more on the lonely node": (
        service("s", 4, constraints=WORKERS, spread="zone"),
        tasks("s", "w1", "w1", "w2", "w3"),
        False,
    ),
    "all in one zone": (
        service("s", 2, constraints=WORKERS, spread="zone"),
        tasks("s", "w2", "w3"),
        True,
    ),
    "uneven within a zone": (
        service("s", 4, constraints=WORKERS, spread="zone"),
        tasks("s", "w1", "w1", "w2", "w2"),
        True,
    ),
    "one place only": (service("s", 1, constraints=("node.id == w1",)), tasks("s", "w1"), False),
    "one per node": (service("s", mode="Global"), tasks("s", "w1"), False),
}


@pytest.mark.parametrize(("one", "its_tasks", "uneven"), SPREADS.values(), ids=SPREADS)
def test_uneven(one: dict[str, Any], its_tasks: list[Any], uneven: bool) -> None:
    assert drain.is_uneven(one, snapshot([one], its_tasks, ZONES)) == uneven


def test_places() -> None:
    one = service("s", 3)
    every = tasks("s", "w1", "w1", "w2")
    assert drain.places_line(one, snapshot([one], every)) == "w1 x2, w2"
