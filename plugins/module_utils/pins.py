# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pins: labels of which one node has each, because what a service stores lies on that node's disk.

A stack's stack.yml names its own. Those of a stack whose folder is not here show in its services,
which are bound to a label and write to a volume of the node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

Bound = Mapping[str, Mapping[str, Sequence[str]]]


def holders(label: str, nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The nodes, as host_info lists them, that carry a pin's label, up or down."""
    return [node for node in nodes if (node.get("labels") or {}).get(label) == "true"]


def data_labels(
    named: Iterable[str], bound: Collection[str], nodes: Sequence[Mapping[str, Any]]
) -> list[str]:
    """The pins of all stacks: those that are named, and bound labels of which one node has each.

    A label that several nodes have (`ssd: true`) is a choice of nodes, and no place of data.
    """
    return sorted({*named, *(label for label in bound if len(holders(label, nodes)) == 1)})


def lost_pins(
    named: Iterable[str],
    bound: Bound,
    nodes: Sequence[Mapping[str, Any]],
    volumes: Mapping[str, Collection[str]],
) -> list[tuple[str, str]]:
    """[(label, why it cannot just go to another node)] of pins that no node carries any more.

    `volumes` are the names of the volumes on each host that answers. A label that nobody is bound
    to is new: it may go anywhere.
    """
    lost: list[tuple[str, str]] = []
    for label in sorted(set(named) & set(bound)):
        if holders(label, nodes):
            continue
        services, stored = bound[label]["services"], " or ".join(bound[label]["volumes"])
        text = (
            f"no node carries the label {label} any more, and {', '.join(services)} may run only "
            "where it is, where the data are. "
        )
        have = sorted(
            host for host, there in volumes.items() if set(bound[label]["volumes"]) & set(there)
        )
        if have:
            several = len(have) > 1
            text += (
                f"{' and '.join(have)} {'have' if several else 'has'} {stored}: give the label back"
                f"{' to the one whose data are right' if several else ''} with 'docker node update "
                f"--label-add {label}=true {have[0]}' on a manager."
            )
        else:
            text += (
                f"No node that answers has {stored or 'them'}: bring back the node that has. If "
                "its disk is lost, say -e data=lost: then the service begins empty."
            )
        lost.append((label, text))
    return lost
