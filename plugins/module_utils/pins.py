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
    `answers`: it is reached, so it cannot be given up. `unlisted`: only its earlier node is known,
    and the machine may have another one now. `chosen`: the labels that the inventory gives it.
    """

    name: str
    address: str = ""
    node_id: str = ""
    volumes: Collection[str] | None = None
    why: str = ""
    lost: bool = False
    answers: bool = False
    unlisted: bool = False
    chosen: Collection[str] = ()


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

    A label that nobody is bound to is new: it may go anywhere. One that the inventory gives to the
    machine that has the data is on its way there.
    """
    listed = {node["id"] for node in nodes}
    return [
        _lost_pin(label, bound[label], _with_nodes(machines, nodes, bound[label]), listed)
        for label in sorted(set(named) & set(bound))
        if not holders(label, nodes) and not _returns(label, bound[label], machines)
    ]


def _returns(label: str, entry: Mapping[str, Sequence[str]], machines: Sequence[Machine]) -> bool:
    """Whether the inventory gives the label to a machine that has what it stands for."""
    return any(
        label in one.chosen
        and (not entry["volumes"] or set(one.volumes or ()) & set(entry["volumes"]))
        for one in machines
    )


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
            same = one.name == name or (address and one.address == address)
            if same and not one.node_id:
                found[at] = replace(one, node_id=node_id)
                break
        else:
            why = "it is not in the inventory" if node_id in listed else "Swarm lists it no more"
            unlisted = node_id not in listed
            found.append(Machine(name, node_id=node_id, why=why, unlisted=unlisted))
    return found


def _lost_pin(
    label: str,
    entry: Mapping[str, Sequence[str]],
    machines: list[Machine],
    listed: Collection[str],
) -> LostPin:
    stored = " or ".join(entry["volumes"])
    why, proven = _why_lost(label, stored, entry, machines, listed)
    services = ", ".join(entry["services"])
    text = f"no node carries the label {label} any more, and {services} may run only where it is"
    return LostPin(label, f"{text}, where the data are. {why}", proven)


def _give_back(label: str, machine: Machine | None, listed: Collection[str]) -> str:
    """How a machine, or the one that the reader chooses, gets a label back: Swarm can give it to
    its own nodes alone."""
    if machine and machine.node_id not in listed:
        return (
            f"the entry node_labels: {{{label}: 'true'}} for {machine.name} in the inventory, and "
            "run this again"
        )
    return (
        f"'docker node update --label-add {label}=true {machine.name if machine else 'NODE'}' on a "
        "manager"
    )


def _why_lost(
    label: str,
    stored: str,
    entry: Mapping[str, Sequence[str]],
    machines: list[Machine],
    listed: Collection[str],
) -> tuple[str, bool]:
    """(what is known of the data and what to do, whether they are proven to be gone).

    A volume of an earlier time may be on every node that the service ever ran on, so that the last
    one counts.
    """
    back = _give_back(label, None, listed)
    by_id = {one.node_id: one for one in machines if one.node_id}
    last = by_id[entry["nodes"][0]] if entry.get("nodes") else None
    ran = f"It ran last on {last.name}. " if last else ""
    if not entry["volumes"]:
        return (
            f"{ran}They lie in a folder of the node, which nobody looks for here. Give the label "
            f"back to the node that has it with {back}."
        ), False
    have = [one for one in machines if set(one.volumes or ()) & set(entry["volumes"])]
    names = ", ".join(sorted(one.name for one in have))
    unseen = [one for one in machines if one.volumes is None and not one.lost]
    if last in have or (len(have) == 1 and not last and not unseen):
        one = last if last in have and last else have[0]
        back = _give_back(label, one, listed)
        return f"{one.name} has {stored}: give the label back with {back}.", False
    if unseen and (last in unseen or not have):
        why = "; ".join(f"{one.name}: {one.why}" for one in unseen)
        older = f"{names} may have older data. " if have else ""
        if have and last and last.unlisted:
            again = _give_back(label, have[0], listed) if len(have) == 1 else back
            older = (
                f"{stored} is on {names}: a machine that joined again has a new id, so if that "
                f"is where the service ran last, give the label back with {again}. If not: "
            )
        return (
            f"{ran}Nobody could look for {stored} on all machines ({why}). {older}"
            f"{_look_or_give_up(unseen, machines)}"
        ), False
    if have:
        return (
            f"{ran}{stored} is on {names}: look which data are right, and give the label back to "
            f"that node with {back}."
        ), False
    looked = ", ".join(sorted(one.name for one in machines if one.volumes is not None))
    if not last:
        return (
            f"{looked} were looked at and do not have {stored}, and Swarm does not remember where "
            "it was. Put the machine that has it into the inventory, or choose the node where the "
            f"service begins, empty if its disk has no such volume: {back}."
        ), False
    # What was given up counts for that command alone: any other one would ask for it again.
    say = (
        "Run the same command again with -e data=lost added"
        if any(one.lost for one in machines)
        else "Say so to site.yml or node_remove.yml with -e data=lost"
    )
    return (
        f"{ran}No machine has {stored} any more (looked at: {looked}). {say}: the service begins "
        "empty on another node."
    ), True


def _look_or_give_up(unseen: Sequence[Machine], machines: Sequence[Machine]) -> str:
    """What to do where nobody could look. One command gives up all machines that may be: each one
    that were left out of it would be asked for again."""
    look = "Start them or put them into the inventory, and run this again."
    if all(one.answers for one in unseen):
        return "Put that right, and run this again."
    gone = [one.name for one in machines if one.lost or (one in unseen and not one.answers)]
    return (
        f"{look} Only if {'it' if len(gone) == 1 else 'none of them'} will "
        f"{'never' if len(gone) == 1 else 'ever'} come back: playbooks/node_remove.yml "
        f"-e node={','.join(gone)} -e dead=true."
    )
