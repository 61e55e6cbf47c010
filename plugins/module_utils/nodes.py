# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels and availability of a swarm's nodes: which node is meant, and what is to change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

# On a node while it is being worked on: the availability that it goes back to. So whoever takes up
# an interrupted run knows it.
MAINTENANCE = "monsterstack.swarm.maintenance"


@dataclass(frozen=True)
class Desired:
    """What one node is to look like; `node_id` wins over `hostname`; None leaves a thing alone."""

    hostname: str | None
    node_id: str | None
    labels: Mapping[str, str]
    availability: str | None
    pins: Sequence[str] = ()  # labels of which one node has each, and this one may
    inherits: str | None = None  # id of the node whose labels it takes over

    @property
    def name(self) -> str:
        return self.hostname or self.node_id or "?"


def label_text(value: Any) -> str:
    """A label's value as Swarm compares it: text, and YAML's booleans in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_desired(given: Mapping[str, Any]) -> Desired:
    """One entry of what swarm_nodes takes, in which whatever is optional may be missing."""
    return Desired(
        hostname=given.get("hostname"),
        node_id=given.get("id"),
        labels={key: label_text(value) for key, value in (given.get("labels") or {}).items()},
        availability=given.get("availability"),
        pins=given.get("pins") or (),
        inherits=given.get("inherits"),
    )


def find_node(
    desired: Desired, nodes: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any] | None, str | None]:
    """The ready node that is meant as (node, None), or (None or the node, why it will not do yet).

    A reinstalled machine leaves a Down twin of the same host name: among several, the one that is
    ready counts (moby#24106).
    """
    if desired.node_id:
        found = [node for node in nodes if node["ID"] == desired.node_id]
    else:
        found = [
            node
            for node in nodes
            if (node.get("Description") or {}).get("Hostname") == desired.hostname
        ]
    ready = [node for node in found if _state(node) == "ready"]
    if len(ready) == 1:
        return ready[0], None
    if len(ready) > 1:
        ids = ", ".join(node["ID"] for node in ready)
        return None, (
            f"{len(ready)} ready nodes are called {desired.name} ({ids}). Give the hosts different "
            "names, or pass the node's id."
        )
    if len(found) == 1:
        return found[0], f"{desired.name} is listed as {_state(found[0])}, not as ready."
    if found:
        return None, f"none of the {len(found)} nodes called {desired.name} is ready."
    return None, f"{desired.name} is not listed in the swarm."


def _state(node: Mapping[str, Any]) -> str:
    return str((node.get("Status") or {}).get("State", "unknown"))


def wanted_spec(
    spec: Mapping[str, Any],
    desired: Desired,
    purge_labels: bool = False,
    protected: Collection[str] = (),
) -> dict[str, Any]:
    """A node's Spec as it is to be; equal to the given one when nothing is to change.

    A protected label stands for data on the node's disk: no purge takes it away.
    """
    there = dict(spec.get("Labels") or {})
    kept = {name: value for name, value in there.items() if name in {MAINTENANCE, *protected}}
    labels = kept if purge_labels else there
    labels.update(desired.labels)
    return {
        **spec,
        "Labels": labels,
        "Availability": desired.availability or spec.get("Availability", "active"),
    }


def inherit(desired: Sequence[Desired], nodes: Sequence[Mapping[str, Any]]) -> list[Desired]:
    """The same with the labels and availability of the earlier nodes that some take over.

    What the inventory says wins. An earlier node that is gone has nothing to give any more.
    """
    specs = {node["ID"]: node.get("Spec") or {} for node in nodes}
    result: list[Desired] = []
    for one in desired:
        spec = specs.get(one.inherits or "")
        if spec:
            labels = dict(spec.get("Labels") or {})
            was = labels.pop(MAINTENANCE, None) or spec.get("Availability")
            one = replace(
                one, labels={**labels, **one.labels}, availability=one.availability or was
            )
        result.append(one)
    return result


def place_pins(
    desired: Sequence[Desired],
    found: Sequence[Mapping[str, Any] | None],
    nodes: Sequence[Mapping[str, Any]],
) -> list[Desired]:
    """The same with each pin's label on one node: where it is, else on the first that may have it.

    A pin stays on a node that carries it even when that node is Down or no longer named: what is
    stored there must not be parted from its task by an edit of an inventory. Before any node has
    it, labels that the inventory gives a node come first.
    """
    holders = {
        label: node["ID"]
        for node in nodes
        for label, value in ((node.get("Spec") or {}).get("Labels") or {}).items()
        if value == "true"
    }
    for one, node in zip(desired, found, strict=True):
        for label, value in one.labels.items():
            if value == "true":
                holders.setdefault(label, node["ID"] if node else one.name)
    placed: list[Desired] = []
    for one, node in zip(desired, found, strict=True):
        own = node["ID"] if node else one.name
        labels = {pin: "true" for pin in one.pins if holders.setdefault(pin, own) == own}
        placed.append(replace(one, labels={**one.labels, **labels}))
    return placed


def visible(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a node's Spec that is shown before and after."""
    return {
        "labels": dict(sorted((spec.get("Labels") or {}).items())),
        "availability": spec.get("Availability", "active"),
    }


def as_wanted(
    given: Sequence[Mapping[str, Any]],
    listed: Sequence[Mapping[str, Any]],
    purge_labels: bool = False,
    protected: Collection[str] = (),
) -> bool:
    """Whether swarm_nodes would find nothing to do; `listed` are nodes as host_info lists them."""
    nodes = [
        {
            "ID": node["id"],
            "Description": {"Hostname": node["hostname"]},
            "Status": {"State": node["status"]},
            "Spec": {"Labels": node["labels"], "Availability": node["availability"]},
        }
        for node in listed
    ]
    desired = [read_desired(one) for one in given]
    found = [find_node(one, nodes) for one in desired]
    if any(problem for _node, problem in found):
        return False
    there = [node for node, _problem in found if node]
    placed = place_pins(inherit(desired, nodes), there, nodes)
    return all(
        visible(wanted_spec(node["Spec"], one, purge_labels, protected)) == visible(node["Spec"])
        for one, node in zip(placed, there, strict=True)
    )


@dataclass(frozen=True)
class Heir:
    """A ready node, what its Down twins leave to it, and the twins with their roles."""

    node: Mapping[str, Any]
    spec: Mapping[str, Any]
    twins: tuple[Mapping[str, Any], ...]


def undecided(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Host names of which one node is ready and another is neither up nor down yet.

    A new leader lists what it has not heard of as "unknown" for up to a minute, then as down.
    """
    names = {
        state: {(n.get("Description") or {}).get("Hostname") for n in nodes if _state(n) == state}
        for state in ("ready", "unknown")
    }
    return sorted(name for name in names["ready"] & names["unknown"] if name)


def heirs(nodes: Sequence[Mapping[str, Any]], hostnames: Sequence[str] | None = None) -> list[Heir]:
    """Nodes that took the place of others of the same host name, of all or of these names.

    A machine that left or was reinstalled joins under a new id, and its old entry stays behind
    with the labels that placements rely on (moby#24106). What the ready one says itself counts
    more; of several twins the youngest.
    """
    found: list[Heir] = []
    for node in nodes:
        name = (node.get("Description") or {}).get("Hostname")
        same = [one for one in nodes if (one.get("Description") or {}).get("Hostname") == name]
        twins = sorted(
            (one for one in same if _state(one) == "down"), key=lambda one: one.get("CreatedAt", "")
        )
        ready = [one for one in same if _state(one) == "ready"]
        if _state(node) != "ready" or not twins or len(ready) > 1:
            continue
        if hostnames is not None and name not in hostnames:
            continue
        labels: dict[str, str] = {}
        for one in [*twins, node]:
            labels.update((one.get("Spec") or {}).get("Labels") or {})
        found.append(Heir(node, {**node["Spec"], "Labels": labels}, tuple(twins)))
    return found
