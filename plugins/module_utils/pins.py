# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pins: labels of which one node has each, because what a service stores lies on that node's disk.

A stack's stack.yml names its own. Those of a stack whose folder is not here show in its services,
which are bound to a label and write to a volume of the node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Bound = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Machine:
    """A machine that may have a pin's data: of the inventory, or a node that Swarm knows or knew.

    `node_id` is its node ("" for none). `volumes` are the names of those on its disk, None where
    nobody looked; `why` says why not, and `lost` that the operator has given the machine up.
    """

    name: str
    address: str = ""
    node_id: str = ""
    volumes: Collection[str] | None = None
    why: str = ""
    lost: bool = False


@dataclass(frozen=True)
class LostPin:
    """A pin that no node carries any more, and why it cannot just go to another node.

    `proven`: whoever may have had the data was looked at, or given up, and nobody has them.
    """

    label: str
    why: str
    proven: bool = False


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
    machines: Sequence[Machine],
) -> list[LostPin]:
    """The pins that no node carries any more.

    A label that nobody is bound to is new: it may go anywhere.
    """
    return [
        _lost_pin(label, bound[label], _with_nodes(machines, nodes, bound[label]))
        for label in sorted(set(named) & set(bound))
        if not holders(label, nodes)
    ]


def _with_nodes(
    machines: Sequence[Machine],
    nodes: Sequence[Mapping[str, Any]],
    entry: Mapping[str, Sequence[str]],
) -> list[Machine]:
    """The machines, and those that only Swarm knows: its nodes, and where the services ran."""
    found = list(machines)
    listed = {node["id"]: node for node in nodes}
    for node_id in [*listed, *entry.get("nodes", ())]:
        if any(one.node_id == node_id for one in found):
            continue
        name = listed[node_id]["hostname"] if node_id in listed else node_id
        address = listed[node_id].get("addr") if node_id in listed else None
        # Of a machine that is off, or was installed anew, only the names can tell.
        for at, one in enumerate(found):
            if not one.node_id and (one.name == name or one.address == address):
                found[at] = replace(one, node_id=node_id)
                break
        else:
            why = "it is not in the inventory" if node_id in listed else "Swarm lists it no more"
            found.append(Machine(name, node_id=node_id, why=why))
    return found


def _lost_pin(label: str, entry: Mapping[str, Sequence[str]], machines: list[Machine]) -> LostPin:
    services, volumes = ", ".join(entry["services"]), entry["volumes"]
    ran = set(entry.get("nodes", ()))
    stored = " or ".join(volumes)
    text = (
        f"no node carries the label {label} any more, and {services} may run only where it is, "
        "where the data are. "
    )
    have = [one for one in machines if set(one.volumes or ()) & set(volumes)]
    # A volume of an earlier time is on every node that the service ever ran on.
    right = [one for one in have if one.node_id in ran] or have
    had = sorted(one.name for one in machines if one.node_id and one.node_id in ran)
    command = f"'docker node update --label-add {label}=true NODE' on a manager"
    if len(right) == 1:
        command = command.replace("NODE", right[0].name)
        return LostPin(label, f"{text}{right[0].name} has {stored}: give the label back with "
                       f"{command}.")  # fmt: skip
    if right:
        names = " and ".join(sorted(one.name for one in right))
        return LostPin(label, f"{text}{names} have {stored}: look which data are right, and give "
                       f"the label back to that node with {command}.")  # fmt: skip
    known = f" It ran on {', '.join(had)}." if had else ""
    if not volumes:
        return LostPin(label, f"{text}They lie in a folder of the node, which nobody looks for "
                       f"here.{known} Give the label back to the node that has it with "
                       f"{command}.")  # fmt: skip
    unseen = [one for one in machines if one.volumes is None and not one.lost]
    if unseen:
        names = "; ".join(f"{one.name}: {one.why}" for one in unseen)
        return LostPin(label, f"{text}No machine that was looked at has {stored}, and not all "
                       f"were looked at ({names}).{known} Start them, put them into the inventory, "
                       "and run this again. Only for a machine that will never come back: "
                       f"playbooks/node_remove.yml -e node={unseen[0].name} -e dead=true.")  # fmt: skip
    looked = ", ".join(sorted(one.name for one in machines if one.volumes is not None))
    if not had:
        return LostPin(label, f"{text}{looked} were looked at and do not have {stored}, and Swarm "
                       "does not remember where it was. Put the machine that has it into the "
                       "inventory, or choose the node where the service begins, empty if its disk "
                       f"has no such volume: {command}.")  # fmt: skip
    return LostPin(
        label,
        f"{text}It ran on {', '.join(had)}, and no machine has {stored} any more (looked at: "
        f"{looked}). Add -e data=lost: the service begins empty on another node.",
        proven=True,
    )
