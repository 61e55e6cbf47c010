# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbooks read from and tell of the nodes of an inventory, as data and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.addresses import (
    is_ip,
    own_addresses,
    reached_at,
    swarm_address,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import label_text
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import DATA_PORT


def inventory_labels(variables: Mapping[str, Any]) -> dict[str, str]:
    """The labels that an inventory gives a host by `zone` and `node_labels`.

    Whoever asks for a host's zone reads it here. A zone without a name (missing, empty, null) is no
    zone: no label, and nothing to spread over.
    """
    given = variables.get("node_labels")
    # What is no dictionary is refused by preflight, in the inventory's own words.
    labels = {"zone": variables.get("zone"), **(given if isinstance(given, Mapping) else {})}
    if labels["zone"] is None or not str(labels["zone"]).strip():
        del labels["zone"]
    return {name: label_text(value) for name, value in labels.items()}


def node_specs(
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Iterable[str],
    pins: Mapping[str, Iterable[str]],
    replaced: Iterable[Mapping[str, str]] = (),
    info_variable: str = "__host_info",
) -> list[dict[str, Any]]:
    """What the inventory says of each node: [{hostname, labels, availability, pins, inherits}].

    `pins` names for each label of which exactly one node has one the nodes that may have it,
    `replaced` the hosts that were installed anew ({name, id of the earlier node}).

    A host that did not answer goes by its inventory name. Availability is named only where the
    inventory names it: a node that somebody drained stays drained.
    """
    specs: list[dict[str, Any]] = []
    earlier = {entry["name"]: entry["id"] for entry in replaced}
    for name in nodes:
        host = hostvars[name]
        info = host.get(info_variable) or {}
        spec: dict[str, Any] = {
            "hostname": info.get("hostname") or name,
            "labels": inventory_labels(host),
            "pins": [label for label, candidates in pins.items() if name in candidates],
        }
        if "node_availability" in host:
            spec["availability"] = host["node_availability"]
        if name in earlier:
            spec["inherits"] = earlier[name]
        specs.append(spec)
    return specs


def node_addresses(
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Iterable[str],
    info_variable: str = "__host_info",
    known_to: str = "swarm",
) -> dict[str, str]:
    """The address by which each host that was looked at is known in the Swarm, by name; or by
    which the controller reaches each; or by which the nodes reach each, silent ones too.

    One that is in no Swarm goes by the inventory's address, or, where that is a name, by its own
    first IPv4 address.
    """
    found: dict[str, str] = {}
    if known_to == "controller":
        return {name: reached_at(name, hostvars[name]) for name in nodes}
    for name in nodes:
        info = hostvars[name].get(info_variable) or {}
        if "swarm" not in info and known_to == "swarm":
            continue
        node_addr = str((info.get("swarm") or {}).get("node_addr") or "")
        if is_ip(node_addr):
            found[name] = node_addr
            continue
        known = swarm_address(name, hostvars[name], info)
        own = own_addresses(info)
        found[name] = known or (own[0] if own else reached_at(name, hostvars[name]))
    return found


def swarm_data_port(
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Iterable[str],
    info_variable: str = "__host_info",
) -> int:
    """The UDP port of the overlay networks: what the Swarm was made with, else what the inventory
    wishes for."""
    wished = 0
    for name in nodes:
        info = hostvars[name].get(info_variable) or {}
        if made_with := (info.get("swarm") or {}).get("data_path_port"):
            return int(made_with)
        wished = wished or int(hostvars[name].get("swarm_data_path_port") or 0)
    return wished or DATA_PORT


def _places(nodes: Iterable[str], zones: Mapping[str, str]) -> str:
    """`a: w1 x2, w3; b: w2`: how many tasks on which node, by zone."""
    by_zone: dict[str, dict[str, int]] = {}
    for node in nodes:
        counts = by_zone.setdefault(zones.get(node, ""), {})
        counts[node] = counts.get(node, 0) + 1
    parts = []
    for zone in sorted(by_zone):
        names = ", ".join(
            node if count == 1 else f"{node} x{count}"
            for node, count in sorted(by_zone[zone].items())
        )
        parts.append(f"zone {zone}: {names}" if zone else names)
    return "; ".join(parts)


def _changes(running: Mapping[str, Any], tag: str, asked: bool) -> str:
    """What this run did to the release that ran before."""
    current = running.get("current") or {}
    if not current:
        return f"first release, tag {tag}"
    if current.get("tag") != tag:
        return f"changed from tag {current.get('tag')} to {tag}"
    return f"tag {tag} as asked" if asked else f"kept tag {tag}, which the cluster runs"


def release_summary(
    result: Mapping[str, Any],
    stack: str,
    tag: str,
    asked: bool,
    running: Mapping[str, Any],
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Iterable[str],
    port: int,
    cluster: Mapping[str, bool],
    scale: Mapping[str, Mapping[str, int]] | None = None,
    info_variable: str = "__host_info",
    dry: bool = False,
) -> list[str]:
    """The last lines of a run: services with places and digests, addresses, what was kept. Of a dry
    run they are those of what runs."""
    zones: dict[str, str] = {}
    addresses: list[str] = []
    for name in nodes:
        host = hostvars[name]
        info = host.get(info_variable) or {}
        zones[info.get("hostname") or name] = inventory_labels(host).get("zone", "")
        addresses.append(reached_at(name, host))
    if dry:
        runs = (running.get("current") or {}).get("tag")
        now = f"the release {runs} runs as before" if runs else "no release runs"
        ended = f"a dry run changed nothing, {now}"
    else:
        ended = f"{result['verdict']} ({_changes(running, tag, asked)})"
    lines = [f"stack {stack}, release {tag}: {ended}"]
    for name, service in sorted(result["services"].items()):
        digest = str(service.get("digest") or "")[:19]
        lines.append(
            f"  {name} {service['running']}/{service['desired']}  {digest}  "
            f"{_places(service['nodes'], zones)}"
        )
        if service["verdict"] != "converged":
            lines.append(f"    {service['verdict']}: {service['message']}")
        elif len(service["nodes"]) > 1 == len(set(service["nodes"])) and len(zones) > 1:
            lines.append(
                f"    all on {service['nodes'][0]}: rebalance.yml spreads what may run elsewhere"
            )
    for name, entry in sorted((scale or {}).items()):
        lines.append(
            f"  {name} has {entry['replicas']} replicas by scale.yml; the inventory says "
            f"{entry['instead_of']}, and counts again as soon as it says another number"
        )
    if not cluster.get("workers"):
        lines.append("  one kind of node: what should run on workers only runs on the managers")
    if not cluster.get("zones"):
        lines.append("  no zones: tasks are spread over nodes, not over zones")
    if port:
        lines.append("on every node: " + "  ".join(f"http://{a}:{port}/" for a in addresses))
    return lines
