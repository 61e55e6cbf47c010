"""Who may go: one row per state of the managers."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import quorum


def node(name: str, role: str = "manager", reached: bool = True) -> dict[str, Any]:
    reachability = ("reachable" if reached else "unreachable") if role == "manager" else None
    return {"hostname": name, "role": role, "reachability": reachability}


def swarm(reached: int, silent: int = 0) -> list[dict[str, Any]]:
    """Managers m1, m2, … of which the last are silent, and a worker."""
    names = [f"m{number + 1}" for number in range(reached + silent)]
    managers = [node(name, reached=index < reached) for index, name in enumerate(names)]
    return [*managers, node("w1", "worker")]


# managers that answer, silent ones, the one that goes, whether it may be away, may be a worker
ROWS = {
    "the only one may be away, and never goes": (1, 0, "m1", True, False),
    "one of two": (2, 0, "m1", False, True),
    "one of three": (3, 0, "m1", True, True),
    "one of three while another is silent": (2, 1, "m1", False, False),
    "the silent one of three": (2, 1, "m3", True, True),
    "one of five while another is silent": (4, 1, "m1", True, True),
    "one of five while two are silent": (3, 2, "m1", False, False),
    "a worker": (1, 0, "w1", True, True),
    "a worker while a manager is silent": (2, 1, "w1", True, True),
}


@pytest.mark.parametrize(("reached", "silent", "name", "away", "worker"), ROWS.values(), ids=ROWS)
def test_who_may_go(reached: int, silent: int, name: str, away: bool, worker: bool) -> None:
    nodes = swarm(reached, silent)
    one = next(node for node in nodes if node["hostname"] == name)
    assert (quorum.refuse_away(nodes, one) is None) == away
    assert (quorum.refuse_demotion(nodes, one) is None) == worker


def test_a_refusal_says_who_is_missed() -> None:
    nodes = swarm(2, 1)
    said = quorum.refuse_away(nodes, nodes[0])
    assert said == (
        "m1 must stay: 2 of 3 managers answer, 2 are needed, and without it 1 would be left. "
        "Bring m3 back first, or remove it if it is gone for good."
    )


def test_new_managers_count_when_others_go() -> None:
    nodes = swarm(1)
    count = quorum.with_more(quorum.managers(nodes), 2)
    assert str(count) == "3 of 3 managers answer, 2 are needed"
    assert quorum.refuse_demotion(nodes, nodes[0], count) is None
