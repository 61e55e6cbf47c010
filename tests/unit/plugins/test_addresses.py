"""By which addresses a node is known: hosts as host_info reports them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import addresses, host


def interface(name: str, *found: str) -> dict[str, Any]:
    """An interface as `ip -j addr` prints it; its addresses with their prefixes."""
    infos = []
    for text in found:
        address, _slash, prefix = text.partition("/")
        family = "inet6" if ":" in address else "inet"
        info = {"family": family, "local": address, "prefixlen": int(prefix), "scope": "global"}
        infos.append(info)
    return {"ifname": name, "addr_info": infos}


def info(*interfaces: dict[str, Any], swarm: dict[str, Any] | None = None) -> dict[str, Any]:
    """The part of host_info's result that is about addresses, made by its own functions."""
    found = host.parse_addresses(json.dumps(list(interfaces)))
    return {"addresses": found, "swarm": host.summarise_swarm({"Swarm": swarm or {}}, {}, "")}


DOCKERS = (
    interface("docker0", "172.17.0.1/16"),
    interface("docker_gwbridge", "172.18.0.1/16"),
    interface("br-0123456789ab", "172.19.0.1/16"),
)
TWO = (interface("eth0", "192.0.2.11/24", "2001:db8::11/64"), interface("eth1", "10.66.0.11/24"))
ONE = (interface("eth0", "192.0.2.11/24"),)


def test_dockers_own_and_temporary_addresses_are_no_nodes() -> None:
    temporary = interface("eth0", "2001:db8::dead/64")
    temporary["addr_info"][0]["temporary"] = True
    found = info(*TWO, *DOCKERS, temporary)
    assert addresses.own_addresses(found) == ["192.0.2.11", "10.66.0.11", "2001:db8::11"]


SWARM_ADDRESS: dict[str, tuple[dict[str, Any], Any, str | None]] = {
    "ansible_host": ({"ansible_host": "192.0.2.11"}, info(*ONE), "192.0.2.11"),
    "the wish": (
        {"ansible_host": "192.0.2.11", "swarm_advertise_address": "10.66.0.11"},
        info(*TWO),
        "10.66.0.11",
    ),
    "the wish is an interface": (
        {"ansible_host": "192.0.2.11", "swarm_advertise_address": "eth1"},
        info(*TWO),
        "10.66.0.11",
    ),
    "known to the swarm": (
        {"ansible_host": "m1.example.org"},
        info(*TWO, swarm={"LocalNodeState": "active", "NodeAddr": "10.66.0.11"}),
        "10.66.0.11",
    ),
    "a name, one address": ({"ansible_host": "m1.example.org"}, info(*ONE, *DOCKERS), "192.0.2.11"),
    "a name, two addresses": ({"ansible_host": "m1.example.org"}, info(*TWO), None),
    "a name, nothing known": ({"ansible_host": "m1.example.org"}, None, None),
    "IPv6 alone": ({}, info(interface("eth0", "2001:db8::11/64")), "2001:db8::11"),
}


@pytest.mark.fault("C7")
@pytest.mark.parametrize(
    ("variables", "seen", "expected"), SWARM_ADDRESS.values(), ids=SWARM_ADDRESS
)
def test_swarm_address(variables: dict[str, Any], seen: Any, expected: str | None) -> None:
    assert addresses.swarm_address("m1", variables, seen) == expected


@pytest.mark.fault("C7")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1:2377"),
        ("2001:db8::1", "[2001:db8::1]:2377"),
        ("[2001:db8::1]", "[2001:db8::1]:2377"),
    ],
)
def test_address_and_port(address: str, expected: str) -> None:
    assert addresses.with_port(address, 2377) == expected


LOCAL = {
    "its own": (info(*TWO), "192.0.2.11", "192.0.2.11"),
    "NAT, in a swarm": (
        info(*TWO, swarm={"LocalNodeState": "active", "NodeAddr": "10.66.0.11"}),
        "203.0.113.7",
        "10.66.0.11",
    ),
    "NAT, in no swarm": (info(*ONE, *DOCKERS), "203.0.113.7", "192.0.2.11"),
    "a name": (info(*ONE), "m1.example.org", "192.0.2.11"),
    "nothing known": (info(), "203.0.113.7", "203.0.113.7"),
}


@pytest.mark.fault("C7")
@pytest.mark.parametrize(("seen", "given", "expected"), LOCAL.values(), ids=LOCAL)
def test_local_address(seen: dict[str, Any], given: str, expected: str) -> None:
    assert addresses.local_address(seen, given) == expected


@pytest.mark.fault("A5")
def test_the_node_set_has_every_literal_address_and_no_name() -> None:
    swarm = {
        "LocalNodeState": "active",
        "NodeAddr": "10.66.0.11",
        "RemoteManagers": [{"NodeID": "a", "Addr": "10.66.0.11:2377"}],
    }
    manager = info(*TWO, *DOCKERS, swarm=swarm)
    listed = {"ID": "w9", "Status": {"State": "down", "Addr": "10.66.0.29"}}
    unset = {"ID": "m9", "Status": {"State": "unknown", "Addr": "0.0.0.0"}}
    manager["swarm"]["nodes"] = [host.summarise_node(node) for node in (listed, unset)]
    hostvars: dict[str, dict[str, Any]] = {
        "m1": {"ansible_host": "203.0.113.7", "__host_info": manager},
        "w1": {"ansible_host": "w1.example.org", "__host_info": info(*ONE)},
        "w2": {"ansible_host": "198.51.100.2", "swarm_advertise_address": "10.66.0.22"},
        "w9": {"ansible_host": "w9.example.org"},
    }
    assert addresses.node_set(hostvars, hostvars) == [
        "10.66.0.11",
        "10.66.0.22",
        "10.66.0.29",
        "192.0.2.11",
        "198.51.100.2",
        "203.0.113.7",
        "2001:db8::11",
    ]
