"""Who trusts which root of the swarm's own CA."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import trust


def node(name: str, root: str | None = "old", state: str = "ready") -> dict[str, Any]:
    described: dict[str, Any] = {"Hostname": name}
    if root:
        described["TLSInfo"] = {"TrustRoot": root}
    return {"ID": f"id-{name}", "Description": described, "Status": {"State": state}}


def swarm(root: str, under_way: bool = False) -> dict[str, Any]:
    return {"TLSInfo": {"TrustRoot": root}, "RootRotationInProgress": under_way}


# Each row: the swarm, its nodes, whether it is done, who is left.
ROWS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], bool, list[str]]] = {
    "before": (swarm("old"), [node("m1"), node("w1")], True, []),
    "just begun": (swarm("old", True), [node("m1"), node("w1")], False, []),
    "some have the new one": (swarm("old", True), [node("m1", "new"), node("w1")], False, ["m1"]),
    "over, one has not said so": (swarm("new"), [node("m1", "new"), node("w1")], False, ["w1"]),
    "over": (swarm("new"), [node("m1", "new"), node("w1", "new")], True, []),
    "a node that says nothing": (
        swarm("new"),
        [node("m1", "new"), node("w1", None)],
        False,
        ["w1"],
    ),
}


@pytest.mark.parametrize(("found", "nodes", "done", "left"), ROWS.values(), ids=ROWS)
def test_done(
    found: dict[str, Any], nodes: list[dict[str, Any]], done: bool, left: list[str]
) -> None:
    assert trust.done(found, nodes) is done
    assert trust.distrusting(found, nodes) == left


def test_absent() -> None:
    assert trust.absent([node("w2", state="down"), node("m1"), node("w1", state="unknown")]) == [
        "w1 (unknown)",
        "w2 (down)",
    ]


SPECS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "never rotated": ({"Name": "default"}, {"Name": "default", "CAConfig": {"ForceRotate": 1}}),
    "rotated before": ({"CAConfig": {"ForceRotate": 3}}, {"CAConfig": {"ForceRotate": 4}}),
    "the expiry stays, a given CA goes": (
        {"CAConfig": {"NodeCertExpiry": 7, "SigningCACert": "a", "SigningCAKey": "b"}},
        {"CAConfig": {"NodeCertExpiry": 7, "ForceRotate": 1}},
    ),
}


@pytest.mark.parametrize(("spec", "wanted"), SPECS.values(), ids=SPECS)
def test_rotated(spec: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert trust.rotated(spec) == wanted
