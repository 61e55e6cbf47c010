"""Which node is meant, and what is to change on it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import (
    MAINTENANCE,
    Desired,
    as_wanted,
    find_node,
    heirs,
    inherit,
    label_text,
    place_pins,
    undecided,
    wanted_spec,
)


def node(node_id: str, hostname: str, state: str = "ready") -> dict[str, Any]:
    return {"ID": node_id, "Description": {"Hostname": hostname}, "Status": {"State": state}}


# Each row: the nodes listed, the id asked for (else the name w1), the id found, why it will not do.
FIND: dict[str, tuple[list[dict[str, Any]], str | None, str | None, str | None]] = {
    "the only one": ([node("a", "w1"), node("b", "w2")], None, "a", None),
    "a Down twin is passed over": ([node("a", "w1", "down"), node("b", "w1")], None, "b", None),
    "by id": ([node("a", "w1"), node("b", "w1")], "b", "b", None),
    "two ready of one name": ([node("a", "w1"), node("b", "w1")], None, None, "2 ready nodes"),
    "down": ([node("a", "w1", "down")], None, "a", "is listed as down"),
    "joining": ([node("a", "w1", "unknown")], None, "a", "is listed as unknown"),
    "two, none ready": (
        [node("a", "w1", "down"), node("b", "w1", "down")],
        None,
        None,
        "none of the 2 nodes",
    ),
    "not there": ([node("b", "w2")], None, None, "w1 is not listed in the swarm."),
    "no nodes": ([], "zz", None, "is not listed"),
}


@pytest.mark.parametrize(("nodes", "by_id", "found", "reason"), FIND.values(), ids=FIND)
def test_find_node(
    nodes: list[dict[str, Any]], by_id: str | None, found: str | None, reason: str | None
) -> None:
    one, problem = find_node(Desired("w1", by_id, {}, None), nodes)
    assert (one or {}).get("ID") == found
    assert (reason or "") in (problem or "")
    assert (problem is None) == (reason is None)


SPEC = {"Role": "worker", "Availability": "active", "Labels": {"zone": "a", "ssd": "true"}}
WANTED: dict[str, tuple[dict[str, str], str | None, bool, dict[str, Any]]] = {
    "nothing asked": ({}, None, False, SPEC),
    "the same again": ({"zone": "a"}, "active", False, SPEC),
    "another zone, the other label stays": (
        {"zone": "b"},
        None,
        False,
        {**SPEC, "Labels": {"zone": "b", "ssd": "true"}},
    ),
    "purge": ({"zone": "a"}, None, True, {**SPEC, "Labels": {"zone": "a"}}),
    "purge all": ({}, None, True, {**SPEC, "Labels": {}}),
    "drain": ({}, "drain", False, {**SPEC, "Availability": "drain"}),
}


@pytest.mark.parametrize(
    ("labels", "availability", "purge", "expected"), WANTED.values(), ids=WANTED
)
def test_wanted_spec(
    labels: dict[str, str], availability: str | None, purge: bool, expected: dict[str, Any]
) -> None:
    assert wanted_spec(SPEC, Desired("w1", None, labels, availability), purge) == expected


def test_a_spec_without_labels_gets_none() -> None:
    spec = {"Role": "worker", "Availability": "active"}
    assert wanted_spec(spec, Desired("w1", None, {}, None)) == {**spec, "Labels": {}}


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (True, "true"), (1, "1")], ids=["text", "bool", "int"]
)
def test_label_text(value: object, text: str) -> None:
    assert label_text(value) == text


# Each row: labels that the nodes a, b and c carry, who may have the pin, who has it afterwards.
PINS: dict[str, tuple[dict[str, dict[str, str]], str, str]] = {
    "nobody has it: the first that may": ({}, "bc", "b"),
    "it stays where it is": ({"c": {"redis": "true"}}, "bc", "c"),
    "it stays with a node that may not": ({"a": {"redis": "true"}}, "bc", ""),
    "another value is no pin": ({"c": {"redis": "false"}}, "bc", "b"),
}


@pytest.mark.fault("A11")
@pytest.mark.parametrize(("held", "has"), [({}, "c"), ({"b": {"redis": "true"}}, "bc")])
def test_the_inventory_chooses_the_first_node_of_a_pin(
    held: dict[str, dict[str, str]], has: str
) -> None:
    """One that would put it on a second node is refused by preflight."""
    nodes = [{"ID": name, "Spec": {"Labels": held.get(name, {})}} for name in "abc"]
    labels = {"c": {"redis": "true"}}
    desired = [Desired(name, None, labels.get(name, {}), None, ["redis"]) for name in "abc"]
    placed = place_pins(desired, nodes, nodes)
    assert [one.name for one in placed if one.labels.get("redis") == "true"] == list(has)


@pytest.mark.parametrize(("labels", "may", "has"), PINS.values(), ids=PINS)
def test_place_pins(labels: dict[str, dict[str, str]], may: str, has: str) -> None:
    nodes = [{"ID": name, "Spec": {"Labels": labels.get(name, {})}} for name in "abc"]
    desired = [Desired(name, None, {}, None, ["redis"] if name in may else []) for name in "abc"]
    placed = place_pins(desired, nodes, nodes)
    assert [one.name for one in placed if one.labels.get("redis") == "true"] == list(has)


def test_labels_are_inherited_from_the_earlier_node() -> None:
    labels = {"disk": "ssd", "zone": "old", MAINTENANCE: "pause"}
    earlier = {"ID": "old", "Spec": {"Labels": labels, "Availability": "drain"}}
    new = Desired("w1", None, {"zone": "a"}, None, inherits="old")
    one, gone, asked = inherit(
        [
            new,
            Desired("w2", None, {}, None, inherits="gone"),
            Desired("w3", None, {}, "active", inherits="old"),
        ],
        [earlier],
    )
    # What it was before its maintenance, not what it was during it.
    assert (one.labels, one.availability) == ({"disk": "ssd", "zone": "a"}, "pause")
    assert (gone.labels, gone.availability) == ({}, None)
    assert asked.availability == "active"


LISTED = [
    {"id": "a", "hostname": "w1", "status": "ready", "availability": "active", "labels": {}},
    {
        "id": "b",
        "hostname": "w2",
        "status": "ready",
        "availability": "active",
        "labels": {"zone": "a", "redis": "true"},
    },
]
W2: dict[str, Any] = {"hostname": "w2", "labels": {"zone": "a"}, "pins": ["redis"]}
# Each row: what is asked for, whether labels are purged, whether the nodes are like that.
AS_WANTED: dict[str, tuple[list[dict[str, Any]], bool, bool]] = {
    "nothing": ([], False, True),
    "all as it is": ([{"hostname": "w1", "availability": "active"}, W2], True, True),
    "by id": ([{"id": "b", "labels": {"zone": "a"}}], False, True),
    "another label stays": ([{"hostname": "w2", "labels": {"zone": "a"}}], False, True),
    "another label goes": ([{"hostname": "w2", "labels": {"zone": "a"}}], True, False),
    "a label is missing": ([{"hostname": "w1", "labels": {"zone": "a"}}], False, False),
    "another value": ([{"hostname": "w2", "labels": {"zone": "b"}}], False, False),
    "another availability": ([{"hostname": "w1", "availability": "drain"}], False, False),
    "a pin that nobody has": ([{"hostname": "w1", "pins": ["db"]}, W2], False, False),
    "a pin that another has": ([{"hostname": "w1", "pins": ["redis"]}, W2], False, True),
    "not listed": ([{"hostname": "w3"}], False, False),
    "what it inherits is missing": ([{"hostname": "w1", "inherits": "b"}], False, False),
}


@pytest.mark.parametrize(("given", "purge", "right"), AS_WANTED.values(), ids=AS_WANTED)
def test_as_wanted(given: list[dict[str, Any]], purge: bool, right: bool) -> None:
    assert as_wanted(given, LISTED, purge) is right


def test_a_node_that_is_not_ready_is_not_as_wanted() -> None:
    assert not as_wanted([W2], [{**LISTED[1], "status": "down"}])


def test_a_maintenance_survives_purged_labels() -> None:
    spec = {"Labels": {"old": "1", MAINTENANCE: "active"}, "Availability": "drain"}
    wanted = wanted_spec(spec, Desired("w1", None, {"zone": "a"}, None), purge_labels=True)
    assert wanted["Labels"] == {"zone": "a", MAINTENANCE: "active"}


def machine(node_id: str, name: str, state: str, created: str = "", **labels: str) -> Any:
    return {
        **node(node_id, name, state),
        "CreatedAt": created,
        "Spec": {"Role": "worker", "Labels": labels},
    }


# Each row: the nodes; which twins have which heir; the heir's labels.
HEIRS: dict[str, tuple[list[Any], dict[str, list[str]], dict[str, str]]] = {
    "no twins": ([machine("a", "w1", "ready", zone="a")], {}, {}),
    "one twin leaves its labels": (
        [machine("old", "w1", "down", zone="a", redis="true"), machine("a", "w1", "ready")],
        {"a": ["old"]},
        {"zone": "a", "redis": "true"},
    ),
    "its own labels count more": (
        [machine("old", "w1", "down", zone="a"), machine("a", "w1", "ready", zone="b")],
        {"a": ["old"]},
        {"zone": "b"},
    ),
    "of two twins the younger": (
        [
            machine("a", "w1", "ready"),
            machine("new", "w1", "down", "2026-02", zone="b"),
            machine("old", "w1", "down", "2026-01", zone="a", disk="ssd"),
        ],
        {"a": ["old", "new"]},
        {"zone": "b", "disk": "ssd"},
    ),
    "a dead node without heir": (
        [machine("old", "w2", "down", redis="true"), machine("a", "w1", "ready")],
        {},
        {},
    ),
    "two heirs are none": (
        [machine("old", "w1", "down"), machine("a", "w1", "ready"), machine("b", "w1", "ready")],
        {},
        {},
    ),
    "not the name that is asked for": (
        [machine("old", "w9", "down"), machine("a", "w9", "ready")],
        {},
        {},
    ),
}


def test_a_node_that_nobody_has_heard_of_yet_is_waited_for() -> None:
    ready, unknown = machine("a", "w1", "ready"), machine("old", "w1", "unknown")
    assert undecided([ready, unknown, machine("b", "w2", "unknown")]) == ["w1"]
    assert undecided([ready, machine("old", "w1", "down")]) == []


@pytest.mark.parametrize(("nodes", "twins", "labels"), HEIRS.values(), ids=HEIRS)
def test_heirs(nodes: list[Any], twins: dict[str, list[str]], labels: dict[str, str]) -> None:
    found = heirs(nodes, ["w1", "w2"])
    assert {heir.node["ID"]: [twin["ID"] for twin in heir.twins] for heir in found} == twins
    for heir in found:
        assert heir.spec == {"Role": "worker", "Labels": labels}
