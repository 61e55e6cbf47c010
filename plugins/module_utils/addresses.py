# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of a node: by which it is reached, by which Swarm knows it, which are its own.

`variables` are a host's variables in the inventory, `info` is host_info's result for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Interfaces that Docker makes on every node, with addresses that are the same on all.
DOCKERS = re.compile(r"docker\d*|docker_gwbridge|br-[0-9a-f]{12}|veth.*")


def is_ip(text: object) -> bool:
    """Whether a text is a literal IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def with_port(address: str, port: int) -> str:
    """address:port as Docker takes it: IPv6 in brackets (RFC 3986, 3.2.2)."""
    bare = address.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def own_addresses(info: Mapping[str, Any] | None) -> list[str]:
    """The host's own addresses, IPv4 first, without those of Docker's bridges."""
    found = [
        entry
        for entry in (info or {}).get("addresses") or []
        if not DOCKERS.fullmatch(entry.get("interface", ""))
    ]
    return [e["address"] for e in sorted(found, key=lambda entry: ":" in entry["address"])]


def reached_at(name: str, variables: Mapping[str, Any]) -> str:
    """The address or name by which the controller reaches a host."""
    return str(variables.get("ansible_host") or name)


def _of_interface(text: str, info: Mapping[str, Any] | None) -> str | None:
    """Docker takes the name of an interface for an address, with or without a port."""
    name = text.partition(":")[0]
    entries = [e for e in (info or {}).get("addresses") or [] if e.get("interface") == name]
    entries.sort(key=lambda entry: ":" in entry["address"])
    return entries[0]["address"] if entries else None


def swarm_address(
    name: str, variables: Mapping[str, Any], info: Mapping[str, Any] | None
) -> str | None:
    """The literal address by which the other nodes reach a node; None where nothing tells it.

    The inventory's swarm_advertise_address, else the address that the node has in its Swarm, else
    ansible_host, else, where that is a name, the only address that the host has.
    """
    wished = str(variables.get("swarm_advertise_address") or "")
    if wished:
        bare = wished.strip("[]")
        if is_ip(bare):
            return bare
        if found := _of_interface(wished, info):
            return found
    known = str(((info or {}).get("swarm") or {}).get("node_addr") or "")
    if is_ip(known):
        return known
    given = reached_at(name, variables)
    if is_ip(given):
        return given
    own = own_addresses(info)
    usual = [address for address in own if ":" not in address] or own
    return usual[0] if len(usual) == 1 else None


def local_address(info: Mapping[str, Any], given: str) -> str:
    """An address that the host itself has, `given` where it is one: a connection from the host to
    it never leaves the host, also where the world reaches it by another (NAT)."""
    own = own_addresses(info)
    known = str((info.get("swarm") or {}).get("node_addr") or "")
    for address in (given, known):
        if address in own:
            return address
    return own[0] if own else given


def _worth(text: object) -> str | None:
    """The address, if a packet from another node can bear it."""
    bare = str(text).strip("[]")
    if not is_ip(bare):
        return None
    address = ipaddress.ip_address(bare)
    useless = address.is_unspecified or address.is_loopback or address.is_link_local
    return None if useless else str(address)


def node_set(
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Iterable[str],
    info_variable: str = "__host_info",
) -> list[str]:
    """Every literal address by which a packet of a node may come, never a name: those of the
    inventory, of the hosts' interfaces and those that the Swarm itself uses.

    A node that is silent now is known by what the managers say: it must be let in when it is back.
    """
    found: set[str | None] = set()
    for name in nodes:
        variables = hostvars[name]
        info = variables.get(info_variable) or {}
        swarm = info.get("swarm") or {}
        found |= {_worth(reached_at(name, variables)), _worth(swarm.get("node_addr"))}
        found.add(_worth(swarm_address(name, variables, info)))
        found |= {_worth(address) for address in own_addresses(info)}
        found |= {_worth(node.get("addr")) for node in swarm.get("nodes") or []}
        found |= {_worth(manager.rpartition(":")[0]) for manager in swarm.get("managers") or []}
    kept = [ipaddress.ip_address(text) for text in found if text]
    return [str(one) for one in sorted(kept, key=lambda one: (one.version, int(one)))]
