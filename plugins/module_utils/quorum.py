# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the managers still agree when one of them goes: Raft needs more than half of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

# Entries as `host.summarise_node` makes them.
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Managers:
    """How many managers a swarm counts, and how many of them answer the others."""

    total: int
    reachable: int

    @property
    def needed(self) -> int:
        return self.total // 2 + 1

    @property
    def enough(self) -> bool:
        return self.reachable >= self.needed

    @property
    def spare(self) -> int:
        """How many more may fail."""
        return self.reachable - self.needed

    def __str__(self) -> str:
        return f"{self.reachable} of {self.total} managers answer, {self.needed} are needed"


def managers(nodes: Sequence[Node]) -> Managers:
    """The managers of these nodes."""
    ours = [node for node in nodes if votes(node)]
    return Managers(len(ours), sum(answers(node) for node in ours))


def votes(node: Node) -> bool:
    """Whether a node is a member of the Raft: one that is to be a manager may not be one yet, and
    those that --force-new-cluster left behind are none any more. Swarm shows no reachability then.
    """
    return node["role"] == "manager" and node.get("reachability") is not None


def answers(node: Node) -> bool:
    """Whether a manager is one that the others reach."""
    return node.get("reachability") == "reachable"


def with_more(count: Managers, more: int) -> Managers:
    """The same with so many new managers."""
    return Managers(count.total + more, count.reachable + more)


def without(count: Managers, node: Node) -> Managers:
    """The same when one of them is a manager no more."""
    return count if not votes(node) else Managers(count.total - 1, count.reachable - answers(node))


def away(count: Managers, node: Node) -> Managers:
    """The same while one of them is off and still counts."""
    return replace(count, reachable=count.reachable - answers(node))


def refuse_away(nodes: Sequence[Node], node: Node) -> str | None:
    """Why a node must not be switched off for a while, if that is so."""
    if not votes(node):
        return None
    count = managers(nodes)
    # The only manager has nobody who could go on without it; the tasks do run on.
    if count.total == 1 or away(count, node).enough:
        return None
    return (
        f"{node['hostname']} must stay: {count}, and without it {away(count, node).reachable} "
        f"would be left. {_silent(nodes)}"
    )


def refuse_demotion(nodes: Sequence[Node], node: Node, count: Managers | None = None) -> str | None:
    """Why a node must stay a manager, if that is so; `count` where others go or come before."""
    if not votes(node):
        return None
    count = count or managers(nodes)
    left = without(count, node)
    if left.total < 1:
        return (
            f"{node['hostname']} is the only manager, and a swarm without one is lost. Make "
            "another node a manager first."
        )
    if left.enough:
        return None
    return (
        f"{node['hostname']} must stay a manager: without it {left.reachable} of {left.total} "
        f"would answer, and {left.needed} are needed. {_silent(nodes)}"
    )


def _silent(nodes: Sequence[Node]) -> str:
    names = [n["hostname"] for n in nodes if votes(n) and not answers(n)]
    if not names:
        return "Add a manager first."
    return f"Bring {', '.join(names)} back first, or remove it if it is gone for good."
