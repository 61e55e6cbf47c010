# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of a node's firewall, as nftables reads them from a file."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import (
    CLUSTER_PORT,
    GOSSIP_PORT,
)

TABLE = "inet monsterstack_swarm"
# Loads also where there is no such table; nftables takes a file whole or not at all.
REMOVAL = f"table {TABLE}\ndelete table {TABLE}\n"
EVERYWHERE = ("0.0.0.0/0", "::/0")
BRIDGES = ("docker0", "docker_gwbridge", "br-*")  # what Docker calls its own

Networks = dict[int, list[str]]


def networks(texts: Iterable[str], what: str) -> Networks:
    """Addresses and networks by IP version, without overlaps; `what` names them in an error.

    Raises ValueError for whatever is neither: nftables would look a name up, at boot too, and load
    no rule at all where there is no answer.
    """
    found: dict[int, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {4: [], 6: []}
    for text in texts:
        try:
            network = ipaddress.ip_network(str(text).strip(), strict=False)
        except ValueError as error:
            raise ValueError(
                f"{what}: {text!r} is no address and no network: write one like 192.0.2.7 or "
                "192.0.2.0/24."
            ) from error
        found[network.version].append(network)
    collapsed: Networks = {}
    for version, some in found.items():
        merged = ipaddress.collapse_addresses(some)  # type: ignore[type-var]
        collapsed[version] = [
            str(one.network_address) if one.num_addresses == 1 else str(one) for one in merged
        ]
    return collapsed


def rules(
    nodes: Sequence[str],
    ssh_ports: Iterable[int],
    data_port: int,
    node_ports: Iterable[int] = (),
    published_from: Sequence[str] = EVERYWHERE,
    extra: Iterable[str] = (),
) -> str:
    """The file: what comes in to the host itself, and what is forwarded to containers.

    `nodes` are the addresses of all nodes, `node_ports` published TCP ports that nodes alone may
    reach, `published_from` the networks that may reach the other ones, `extra` rules of the
    operator for what comes in, before ours.
    """
    inside = networks(nodes, "docker_engine_firewall_nodes")
    world = networks(published_from, "docker_engine_published_from")
    lines = [
        "# Written by monsterstack.swarm: edits are lost with its next run.",
        "# A table of its own: Docker's rules, in its own tables, are neither read nor changed.",
        *REMOVAL.splitlines(),
        f"table {TABLE} {{",
        *_set("nodes", inside),
        *_set("published", world),
        "  chain swarm {",
        f"    tcp dport {{ {CLUSTER_PORT}, {GOSSIP_PORT} }} accept",
        f"    udp dport {_ports({GOSSIP_PORT, data_port})} accept",
        "    meta l4proto esp accept",
        "  }",
        "  chain input {",
        "    type filter hook input priority filter; policy drop;",
        "    ct state established,related accept",
        "    ct state invalid drop",
        '    iifname "lo" accept',
        *(f"    {rule}" for rule in extra),
        '    iifname { "docker0", "docker_gwbridge" } accept',
        "    meta l4proto { icmp, ipv6-icmp } accept",
        "    udp sport 67 udp dport 68 accept",
        "    ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        f"    tcp dport {_ports(ssh_ports)} accept",
        *_from("nodes", inside, "jump swarm"),
        "  }",
        "  # What is published is forwarded, to Docker's bridges; by then its port may be another",
        "  # one, so the port that the client asked for counts.",
        "  chain published {",
        *(f'    iifname "{bridge}" return' for bridge in BRIDGES),
        *_from("nodes", inside, "return"),
    ]
    if ports := sorted(set(node_ports)):
        lines.append(f"    meta l4proto tcp ct original proto-dst {_ports(ports)} drop")
    lines += [
        *_from("published", world, "return"),
        "    drop",
        "  }",
        "  chain forward {",
        "    type filter hook forward priority filter; policy accept;",
        "    ct state established,related accept",
        *(f'    oifname "{bridge}" jump published' for bridge in BRIDGES),
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _ports(numbers: Iterable[int]) -> str:
    return "{ " + ", ".join(str(number) for number in sorted(set(numbers))) + " }"


def _set(name: str, members: Networks) -> list[str]:
    lines: list[str] = []
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        if members[version]:
            lines += [
                f"  set {name}{version} {{",
                f"    type {kind}; flags interval;",
                f"    elements = {{ {', '.join(members[version])} }}",
                "  }",
            ]
    return lines


def _from(name: str, members: Networks, verdict: str) -> list[str]:
    return [
        f"    {'ip' if version == 4 else 'ip6'} saddr @{name}{version} {verdict}"
        for version in (4, 6)
        if members[version]
    ]
