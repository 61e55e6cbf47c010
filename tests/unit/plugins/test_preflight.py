"""Each thing that preflight refuses, in the user's words; and a good inventory without findings."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import (
    compose,
    placement,
    preflight,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import InventoryHost
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import RECORDED, machine

G = 2**30


def host(name: str, **more: Any) -> InventoryHost:
    group = "managers" if name.startswith("m") else "workers"
    base = InventoryHost(
        name=name,
        group=group,
        address=f"198.18.0.{10 + int(name[1:]) + (10 if group == 'workers' else 0)}",
        labels={"zone": "a"},
    )
    return replace(base, **more)


def managers(count: int) -> list[InventoryHost]:
    return [host(f"m{number}") for number in range(1, count + 1)]


def texts(findings: Sequence[preflight.Finding]) -> list[str]:
    return [f"{finding.level} {finding}" for finding in findings]


def stack(**services: dict[str, Any]) -> compose.Compose:
    return compose.parse({"services": services})


GROUPS = {
    "one": (managers(1), []),
    "three and workers": ([*managers(3), host("w1")], []),
    "seven": (managers(7), []),
    "none": (
        [host("w1")],
        [
            "error managers: the group has no host, so there is nobody to lead the swarm. "
            "Put 1, 3, 5 or 7 hosts into it."
        ],
    ),
    "four": (
        managers(4),
        # The plan of a new swarm refuses it: what is left after a loss is looked after.
        [],
    ),
    "two": (
        managers(2),
        [],
    ),
    "nine": (
        managers(9),
        [
            "error managers: 9 managers agree slower and survive no more than people can look "
            "after. Use at most 7, and make the others workers."
        ],
    ),
    "in two groups": (
        [host("m1"), host("m1", group="workers")],
        [
            "error m1: the host stands in the groups managers and workers. "
            "Take it out of one of them."
        ],
    ),
}


@pytest.mark.fault("C4")
@pytest.mark.parametrize(("hosts", "expected"), GROUPS.values(), ids=GROUPS)
def test_groups(hosts: list[InventoryHost], expected: list[str]) -> None:
    assert texts(preflight.check_groups(hosts)) == expected


ADDRESSES = {
    "good": ([host("m1"), host("w1")], []),
    "the name is the address": ([replace(host("m1"), name="198.18.0.1", address=None)], []),
    "a host name": ([host("m1", address="m1.example.org")], []),
    "missing": (
        [host("m1", address=None)],
        [
            "error m1/ansible_host: the host has no address. Set ansible_host to the address that "
            "the other nodes reach it by."
        ],
    ),
    "not an address": (
        [host("m1", address="198.18.0.300")],
        ["error m1/ansible_host: 198.18.0.300 is no IP address. Correct it."],
    ),
    "loopback": (
        [host("m1", address="127.0.0.1")],
        [
            "error m1/ansible_host: 127.0.0.1 leads every host to itself. Set it to the address "
            "that the other nodes reach it by."
        ],
    ),
    "loopback on this machine": ([host("m1", address="127.0.0.1", local=True)], []),
    "two nodes with one": (
        [host("m1"), host("w1", address="198.18.0.11")],
        ["error w1/ansible_host: 198.18.0.11 is the address of m1 too. Give each node its own."],
    ),
}


@pytest.mark.parametrize(("hosts", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses(hosts: list[InventoryHost], expected: list[str]) -> None:
    assert texts(preflight.check_addresses(hosts)) == expected


ZONES: dict[str, tuple[list[InventoryHost], bool, list[str]]] = {
    "all have one": ([host("m1"), host("w1"), host("w2")], True, []),
    "nobody has one, nobody asks": ([host("m1", labels={}), host("w1", labels={})], False, []),
    "asked for": (
        [host("m1"), host("w1", labels={})],
        True,
        ["error w1/zone: the host has no zone, but tasks are to be spread by zone."],
    ),
    "only others have one": (
        [host("w1"), host("w2", labels={})],
        False,
        ["error w2/zone: the host has no zone, but other hosts have a zone."],
    ),
    "a manager beside workers needs none": ([host("m1", labels={}), host("w1")], True, []),
    "a manager that works does": (
        [host("m1", labels={})],
        True,
        ["error m1/zone: the host has no zone, but tasks are to be spread by zone."],
    ),
    "availability": (
        [host("w1", availability="off")],
        False,
        ["error w1/node_availability: 'off' is no availability. Use one of active, pause, drain."],
    ),
}


@pytest.mark.parametrize(("hosts", "spread", "expected"), ZONES.values(), ids=ZONES)
def test_zones(hosts: list[InventoryHost], spread: bool, expected: list[str]) -> None:
    found = texts(preflight.check_placement_variables(hosts, spread))
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


PORTS: dict[str, tuple[compose.Compose | None, list[int], list[str]]] = {
    "good": (stack(web={"ports": ["5000:80"]}, api={"ports": ["5001:80", "53:53/udp"]}), [443], []),
    "ssh": (
        stack(web={"ports": ["22:80"]}),
        [],
        ["error service web: port 22/tcp belongs to SSH."],
    ),
    "another ssh port": (
        stack(web={"ports": ["2222:80"]}),
        [],
        ["error service web: port 2222/tcp belongs to SSH."],
    ),
    "swarm's": (
        stack(web={"ports": ["2377:80", "7946:1/udp", "4789:2/udp"]}),
        [],
        [
            "error service web: port 2377/tcp belongs to Swarm's managers.",
            "error service web: port 7946/udp belongs to Swarm's nodes.",
            "error service web: port 4789/udp belongs to Swarm's overlay networks.",
        ],
    ),
    "two services": (
        stack(web={"ports": ["5000:80"]}, api={"ports": ["5000:81"]}),
        [],
        ["error service api: publishes port 5000/tcp, as does the service web."],
    ),
    "the same number over tcp and udp": (stack(a={"ports": ["53:53", "53:53/udp"]}), [], []),
    "the registry's": (
        stack(web={"ports": ["5000:80"]}),
        [5000],
        ["error service web: publishes port 5000/tcp, as does another service."],
    ),
    "reserved without a compose file": (
        None,
        [2377],
        ["error published_ports: port 2377/tcp belongs to Swarm's managers."],
    ),
    "no port": (None, [70000], ["error published_ports: 70000 is no port."]),
    "chosen by Swarm": (stack(web={"ports": ["80"]}, api={"ports": ["80"]}), [], []),
}


@pytest.mark.parametrize(("document", "published", "expected"), PORTS.values(), ids=PORTS)
def test_ports(document: compose.Compose | None, published: list[int], expected: list[str]) -> None:
    found = texts(preflight.check_ports(document, published, [host("m1", ssh_port=2222)]))
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


TAGS: dict[str, tuple[Any, str | None]] = {
    "text": ("2.0", None),
    "float": (2.1, "the tag came as the number 2.1, so a zero at its end may be lost"),
    "int": (2, "came as the number 2"),
    "slash": ("a/b", "'a/b' cannot be an image tag"),
    "empty": ("", "'' cannot be an image tag"),
    "dash first": ("-1", "cannot be an image tag"),
}


@pytest.mark.parametrize(("value", "piece"), TAGS.values(), ids=TAGS)
def test_tags(value: Any, piece: str | None) -> None:
    found = texts(preflight.check_tags({"tag": value}))
    assert len(found) == (1 if piece else 0)
    assert (piece or "") in "".join(found)
    assert all(text.startswith("error tag: ") for text in found)


WORDS = {
    "canary": preflight.Word("bool"),
    "canary_seconds": preflight.Word("number", least=5, most=3600),
    "serial": preflight.Word("whole", least=1),
    "side": preflight.Word("text", one_of=("left", "right")),
    "confirm": preflight.Word("name"),
    "node": preflight.Word("names"),
    "archive": preflight.Word("path"),
}
WORDS_GIVEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all right": ({"canary": "true", "canary_seconds": "30", "serial": 2, "side": "left"}, []),
    "a real bool": ({"canary": False}, []),
    "not asked for": ({"tag": "x"}, []),
    "a misspelt bool": (
        {"canary": "ture"},
        ["error canary: 'ture' cannot be its value. Write true or false."],
    ),
    "no number": (
        {"canary_seconds": "soon"},
        ["error canary_seconds: 'soon' cannot be its value. Write a number from 5 to 3600."],
    ),
    "too small": (
        {"canary_seconds": 1},
        ["error canary_seconds: 1 cannot be its value. Write a number from 5 to 3600."],
    ),
    "infinite": (
        {"canary_seconds": "inf"},
        ["error canary_seconds: 'inf' cannot be its value. Write a number from 5 to 3600."],
    ),
    "not whole": (
        {"serial": "1.5"},
        ["error serial: '1.5' cannot be its value. Write a whole number from 1 up."],
    ),
    "a bool for a number": (
        {"serial": True},
        ["error serial: True cannot be its value. Write a whole number from 1 up."],
    ),
    "another text": (
        {"side": "up"},
        ["error side: 'up' cannot be its value. Write left or right."],
    ),
    "nothing": (
        {"node": "", "canary": None, "archive": " "},
        [
            f"error {name}: it was given without a value. Give it one, or leave the word away."
            for name in ("canary", "node", "archive")
        ],
    ),
    "names": ({"node": "w1, w2.example", "confirm": "my-shop_2"}, []),
    "a file with spaces": ({"archive": "/backups of May/it's.cluster"}, []),
    "lines in a path": (
        {"archive": "/a\nb"},
        [
            "error archive: '/a\\nb' cannot be its value. Write a text of one line, without "
            "characters that print nothing."
        ],
    ),
    "a list for names": (
        {"node": ["w1"]},
        ["error node: ['w1'] cannot be its value. Write a text."],
    ),
    "a pattern of hosts": (
        {"node": "w*"},
        [
            "error node: 'w*' cannot be its value. Write names, parted by commas: letters, digits, "
            "'_', '.' and '-'."
        ],
    ),
    "a place outside": (
        {"confirm": "../x"},
        [
            "error confirm: '../x' cannot be its value. Write a name: letters, digits, '_', '.' "
            "and '-', the first a letter or digit."
        ],
    ),
    "lines after a truth": (
        {"canary": "true\n"},
        ["error canary: 'true\\n' cannot be its value. Write true or false."],
    ),
    "digits of another script": (
        {"serial": "\u0663"},
        ["error serial: '\u0663' cannot be its value. Write a whole number from 1 up."],
    ),
}


@pytest.mark.parametrize(("given", "expected"), WORDS_GIVEN.values(), ids=WORDS_GIVEN)
def test_words(given: dict[str, Any], expected: list[str]) -> None:
    assert texts(preflight.check_words(given, WORDS)) == expected


TYPED: dict[str, tuple[list[str], list[str]]] = {
    "known": (["canary", "canary_seconds"], []),
    "somebody else's": (["my_variable", "ansible_user"], []),
    "misspelt": (
        ["cannary"],
        ["error cannary: nothing here reads this word of the command line. Did you mean canary?"],
    ),
}


@pytest.mark.parametrize(("typed", "expected"), TYPED.values(), ids=TYPED)
def test_typed(typed: list[str], expected: list[str]) -> None:
    assert texts(preflight.check_typed(typed, WORDS)) == expected


KNOWN = ["docker_engine_config", "swarm_autolock", "zone", "node_labels", "tag"]
VARIABLES: dict[str, tuple[set[str], list[str]]] = {
    "known": ({"docker_engine_config", "zone"}, []),
    "somebody else's": ({"ansible_host", "my_variable", "lab_name", "tags"}, []),
    "a typing error": (
        {"swarm_autolok"},
        [
            "error swarm_autolok: nothing here has such a variable. Did you mean swarm_autolock? "
            "If it belongs to another playbook, name it in other_variables."
        ],
    ),
    "nothing like it": (
        {"swarm_zzzz"},
        [
            "warning swarm_zzzz: it begins like a variable of this collection, and nothing here "
            "reads it. If it belongs to another playbook, name it in other_variables."
        ],
    ),
    "only a little like it": (
        {"swarm_autoscaler"},
        [
            "warning swarm_autoscaler: it begins like a variable of this collection, and nothing "
            "here reads it. Did you mean swarm_autolock? If it belongs to another playbook, name "
            "it in other_variables."
        ],
    ),
    "a near miss without our prefix": (
        {"node_label"},
        [
            "warning node_label: this looks like node_labels, but is not read. "
            "Did you mean node_labels?"
        ],
    ),
}


@pytest.mark.parametrize(("variables", "expected"), VARIABLES.values(), ids=VARIABLES)
@pytest.mark.fault("C8")
def test_variables(variables: set[str], expected: list[str]) -> None:
    hosts = [host("m1", variables=frozenset(variables)), host("w1", variables=frozenset(variables))]
    found = preflight.check_variables(hosts, KNOWN, ["docker_engine_", "swarm_"])
    assert texts(found) == expected


def test_a_variable_of_one_host_is_named_with_it() -> None:
    hosts = [host("m1"), host("w1", variables=frozenset({"swarm_autolok"}))]
    found = preflight.check_variables(hosts, KNOWN, ["swarm_"])
    assert [finding.where for finding in found] == ["w1/swarm_autolok"]


def info(name: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "os": {"supported": True, "pretty_name": "Debian 13", "arch": "x86_64"},
        "hostname": name,
        "memory_bytes": G,
        "disk_free_bytes": G,
        "cpus": 1,
        "addresses": [],
        "listening_tcp": [],
        "listening_udp": [],
        "engine": ENGINE,
        "python": "3.13.5",
        "swarm": {"state": "inactive", "node_id": None, "nodes": []},
        "stacks": {},
        "reserved": {},
        "time_epoch": 1000.0,
        "controller_before": 999.0,
        "controller_after": 1001.0,
    }
    return base | more


def seen(name: str, **more: Any) -> InventoryHost:
    return host(name, info=info(name, **more))


WEB = stack(web={"ports": ["5000:80"]})
ENGINE = machine("m1")["engine"]
PLUGINS = Path(preflight.__file__).parents[1]
BROKEN = RECORDED["daemon_json"]["broken"]
ACTIVE = {"state": "active", "node_id": "x", "nodes": []}
ALPINE = {"supported": False, "pretty_name": "Alpine", "arch": "x86_64"}
OTHER_STACK = {
    "blog": {"services": {"front": {"ports": [{"published": 5000, "protocol": "tcp"}]}}},
}


def listens(port: int, process: str | None) -> list[dict[str, Any]]:
    return [{"port": port, "address": "0.0.0.0", "process": process}]


HOSTS: dict[str, tuple[list[InventoryHost], list[str]]] = {
    "good": ([seen("m1"), seen("w1")], []),
    "not looked at": ([host("m1")], ["notice m1: could not be looked at"]),
    "system, no engine": (
        [seen("m1", os=ALPINE, engine=machine("m1", engine="absent")["engine"])],
        ["error m1: Alpine is not one that this is tested on. Use Debian 12 or 13"],
    ),
    "system with an engine": (
        [seen("m1", os=ALPINE)],
        ["warning m1: Alpine is not one that this is tested on."],
    ),
    "disk": (
        [seen("m1", disk_free_bytes=0)],
        ["warning m1: has 0 MiB left where Docker keeps its data. No image can be pulled there."],
    ),
    "memory": (
        [seen("m1", memory_bytes=300 * 2**20)],
        ["error m1: has 300 MiB of memory. Give it 400 MiB or more."],
    ),
    "live-restore": (
        [seen("m1", engine={**ENGINE, "live_restore": True})],
        ["error m1: live-restore is on, and Docker then joins no swarm. Remove live-restore"],
    ),
    "firewall of nftables": (
        [seen("m1", engine={**ENGINE, "firewall_backend": "nftables"})],
        ["error m1: firewall-backend is nftables, and Docker with it joins no swarm."],
    ),
    "containerd's disk": (
        [seen("m1", containerd_free_bytes=0, engine={**ENGINE, "containerd_root": "/srv/c"})],
        ["warning m1: has 0 MiB left where containerd keeps its data (/srv/c). No image can be"],
    ),
    "daemon.json": (
        [seen("m1", engine=machine("m1", daemon_json=BROKEN)["engine"])],
        ["error m1: /etc/docker/daemon.json cannot be read: it is not JSON"],
    ),
    "daemon.json that keeps an engine from starting holds nobody else up": (
        [seen("m1", engine=machine("m1", "A", engine="failed")["engine"])],
        ["warning m1: /etc/docker/daemon.json cannot be read: it is not JSON"],
    ),
    "an old Python": (
        [seen("m1", python="3.10.12")],
        ["error m1: its Python is 3.10.12. The modules need 3.11 or newer on the hosts"],
    ),
    "port taken": (
        [seen("m1", listening_tcp=listens(5000, "nginx"))],
        ["error m1: port 5000/tcp, which service web publishes, is taken by nginx. Stop nginx"],
    ),
    "port taken by a container": (
        [seen("m1", listening_tcp=listens(5000, "dockerd"))],
        ["error m1: port 5000/tcp, which service web publishes, is taken by dockerd."],
    ),
    "port taken by a container of its own": (
        [seen("m1", swarm=ACTIVE, listening_tcp=listens(5000, "docker-proxy"))],
        ["error m1: port 5000/tcp, which service web publishes, is taken by docker-proxy."],
    ),
    "port held by an engine that is silent": (
        [seen("m1", **machine("m1", "A", engine="hung", listening_tcp=listens(5000, "dockerd")))],
        [],
    ),
    "port held by the swarm": (
        [seen("m1", swarm=ACTIVE, listening_tcp=listens(5000, "dockerd"))],
        [],
    ),
    "port of another program": ([seen("m1", listening_tcp=listens(5001, "nginx"))], []),
    "port of another stack": (
        [seen("m1", swarm=ACTIVE, stacks=OTHER_STACK)],
        ["error service web: port 5000/tcp is published by the service front of the stack blog"],
    ),
    "port of this stack": (
        [seen("m1", swarm=ACTIVE, stacks={"shop": OTHER_STACK["blog"]})],
        [],
    ),
    "clocks": (
        [seen("m1"), seen("w1", time_epoch=1020.0)],
        ["error m1, w1: their clocks are at least 18 s apart."],
    ),
    "clocks within what can be known": ([seen("m1"), seen("w1", time_epoch=1006.0)], []),
    "one host name twice": (
        [seen("m1", hostname="debian"), seen("w1", hostname="debian")],
        ["error m1, w1: these hosts all call themselves debian. Give each its own"],
    ),
    "address of no interface": (
        [seen("m1", addresses=[{"address": "198.18.9.9"}])],
        ["warning m1/ansible_host: none of its interfaces has the address 198.18.0.11."],
    ),
}


@pytest.mark.fault("A1", "C18")
@pytest.mark.parametrize(("hosts", "expected"), HOSTS.values(), ids=HOSTS)
def test_hosts(hosts: list[InventoryHost], expected: list[str]) -> None:
    found = texts(preflight.check_hosts(hosts, WEB, "shop", [], 400 * 2**20))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


@pytest.mark.fault("C9")
@pytest.mark.parametrize(("python", "refused"), [("3.9.2", 1), ("3.10.12", 1), ("3.11.2", 0)])
def test_an_old_python_is_refused_before_anything_is_touched(python: str, refused: int) -> None:
    found = preflight.check_hosts([seen("m1", python=python)], WEB, "shop", [], 400 * 2**20)
    assert sum(finding.level == "error" for finding in found) == refused


@pytest.mark.fault("C9")
def test_an_old_python_can_still_say_how_old_it_is() -> None:
    """What the refusal is made of comes from host_info, so that must load there."""
    files = ["modules/host_info", *(f"module_utils/{name}" for name in ("host", "engine"))]
    for name in files:
        source = (PLUGINS / f"{name}.py").read_text("utf-8")
        ast.parse(source, feature_version=(3, 9))
        assert "from __future__ import annotations" in source


def interface(address: str, prefix: int, name: str = "eth0") -> dict[str, Any]:
    return {"address": address, "family": "ipv4", "interface": name, "prefix": prefix}


NAMED = "m1.example.org"
TWO_NETWORKS = [interface("192.0.2.11", 24), interface("10.66.0.11", 24, "eth1")]
KNOWN_AT: dict[str, tuple[InventoryHost, list[str]]] = {
    "a name, and one address": (
        replace(seen("m1", addresses=[interface("192.0.2.11", 24)]), address=NAMED),
        [],
    ),
    "a name, and two addresses": (
        replace(seen("m1", addresses=TWO_NETWORKS), address=NAMED),
        [
            "error m1/ansible_host: m1.example.org is a name, and Swarm takes literal addresses "
            "only; the host has 192.0.2.11, 10.66.0.11. Set swarm_advertise_address to the one by "
            "which the nodes reach each other."
        ],
    ),
    "a name, and the wish": (
        replace(seen("m1", addresses=TWO_NETWORKS), address=NAMED, advertise="10.66.0.11"),
        [],
    ),
    "the wish is an interface": (
        replace(seen("m1", addresses=TWO_NETWORKS), address=NAMED, advertise="eth1"),
        [],
    ),
    "the wish is a name": (
        replace(seen("m1", addresses=TWO_NETWORKS), advertise="m1.example.org"),
        [
            "error m1/swarm_advertise_address: m1.example.org is neither an address nor an "
            "interface of the host. Swarm takes no names here: give it a literal address."
        ],
    ),
    "NAT": (
        replace(seen("m1", addresses=TWO_NETWORKS), address="203.0.113.7"),
        [
            "warning m1/ansible_host: none of its interfaces has the address 203.0.113.7. Swarm "
            "needs one that the host itself has: set swarm_advertise_address to the one by which "
            "the nodes reach each other (192.0.2.11, 10.66.0.11)."
        ],
    ),
    "NAT, and the wish": (
        replace(seen("m1", addresses=TWO_NETWORKS), address="203.0.113.7", advertise="10.66.0.11"),
        [],
    ),
}


@pytest.mark.fault("C7")
@pytest.mark.parametrize(("one", "expected"), KNOWN_AT.values(), ids=KNOWN_AT)
def test_a_host_has_a_literal_address_for_the_swarm(
    one: InventoryHost, expected: list[str]
) -> None:
    assert texts(preflight.check_hosts([one], None, "shop", [], 400 * 2**20)) == expected


MADE_WITH = {**ACTIVE, "address_pool": ["10.66.0.0/16"]}
POOLS: dict[str, tuple[InventoryHost, list[str], int, list[str]]] = {
    "apart": (seen("m1", addresses=TWO_NETWORKS), ["10.201.0.0/16"], 24, []),
    "an interface": (
        seen("m1", addresses=TWO_NETWORKS),
        ["10.201.0.0/16", "10.0.0.0/8"],
        24,
        [
            "error m1: 10.0.0.0/8, which overlay networks are cut from, overlaps the host's "
            "network 10.66.0.0/24 (eth1): tasks and hosts would not reach each other there. Set "
            "swarm_address_pool to networks that no host has: it is fixed later."
        ],
    ),
    "a route": (
        seen("m1", routes=[{"network": "10.201.7.0/24", "interface": "tun0"}]),
        ["10.201.0.0/16"],
        24,
        ["error m1: 10.201.0.0/16, which overlay networks are cut from, overlaps"],
    ),
    "Docker's own": (
        seen("m1", addresses=[interface("172.17.0.1", 16, "docker0")]),
        ["172.17.0.0/16"],
        24,
        [],
    ),
    "made with another one": (
        seen("m1", addresses=TWO_NETWORKS, swarm=MADE_WITH),
        ["x"],
        24,
        [
            "warning m1: 10.66.0.0/16, which overlay networks are cut from, overlaps",
        ],
    ),
    "no network": (
        seen("m1"),
        ["ten"],
        24,
        ["error swarm_address_pool: ten is no network. Write one like 10.201.0.0/16."],
    ),
    "too small": (
        seen("m1"),
        ["10.201.0.0/26"],
        24,
        [
            "error swarm_subnet_size: a network of /24 does not fit into 10.201.0.0/26. Set it to "
            "26 or more, up to 29."
        ],
    ),
}


@pytest.mark.fault("C12")
@pytest.mark.parametrize(("one", "wished", "size", "expected"), POOLS.values(), ids=POOLS)
def test_the_pool_leaves_the_hosts_networks_alone(
    one: InventoryHost, wished: list[str], size: int, expected: list[str]
) -> None:
    found = texts(preflight.check_pool([one], wished, size))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


CLIENT = {"ports": [22], "connection": {"client": "192.0.2.254", "address": "x", "port": 22}}
FROM = {
    "everywhere": ((), []),
    "among them": (("192.0.2.0/24",), []),
    "left out": (
        ("10.0.0.0/8",),
        [
            "warning m1/docker_engine_published_from: the networks leave out this computer, which "
            "the host knows as 192.0.2.254. The smoke test and the probe will find published "
            "ports closed: add it, or its network, or let a manager ask, with probe_from: manager."
        ],
    ),
}


@pytest.mark.fault("C16")
@pytest.mark.parametrize(("networks", "expected"), FROM.values(), ids=FROM)
def test_published_ports_closed_to_the_controller(
    networks: tuple[str, ...], expected: list[str]
) -> None:
    one = replace(seen("m1", ssh=CLIENT), published_from=networks)
    assert texts(preflight.check_hosts([one], None, "shop", [], 400 * 2**20)) == expected


@pytest.mark.fault("C10")
def test_where_a_manager_asks_the_controller_may_be_left_out() -> None:
    one = replace(seen("m1", ssh=CLIENT), published_from=("10.0.0.0/8",), asked_from_here=False)
    assert texts(preflight.check_hosts([one], None, "shop", [], 400 * 2**20)) == []


@pytest.mark.fault("A5")
def test_networks_of_the_firewall_are_literal() -> None:
    found = texts(preflight.check_firewall([host("m1", published_from=("office.example.org",))]))
    assert len(found) == 1
    assert "'office.example.org' is no address and no network" in found[0]


@pytest.mark.fault("A5")
def test_the_data_port_is_the_clusters() -> None:
    document = stack(web={"ports": ["7777:80/udp", "4789:81/udp"]})
    found = texts(preflight.check_ports(document, [], [host("m1")], 7777))
    assert [text.partition(" Publish")[0] for text in found] == [
        "error service web: port 7777/udp belongs to Swarm's overlay networks."
    ]


def service(replicas: int, cpus: str, memory: str, **placement: Any) -> dict[str, Any]:
    resources = {"reservations": {"cpus": cpus, "memory": memory}}
    order = placement.pop("order", "stop-first")
    update = {"order": order, "parallelism": 1}
    return {
        "deploy": {
            "replicas": replicas,
            "resources": resources,
            "placement": placement,
            "update_config": update,
        }
    }


WORKERS_ONLY = {"constraints": ["node.role == worker"]}
ON_DB = {"constraints": ["node.labels.db == true"]}
THREE = [seen("m1"), seen("w1"), seen("w2")]
BUSY = seen(
    "w1",
    swarm={**ACTIVE, "node_id": "n1"},
    reserved={"n1": {"blog": {"cpus": 0.8, "memory_bytes": 0}}},
)
OWN = seen(
    "w1",
    swarm={**ACTIVE, "node_id": "n1"},
    reserved={"n1": {"shop": {"cpus": 0.8, "memory_bytes": 0}}},
)
DRAINED = seen(
    "w1",
    swarm={
        **ACTIVE,
        "node_id": "n1",
        "nodes": [{"id": "n1", "availability": "drain", "labels": {}}],
    },
)
LABELLED = seen(
    "w1",
    swarm={
        **ACTIVE,
        "node_id": "n1",
        "nodes": [{"id": "n1", "availability": "active", "labels": {"db": "true"}}],
    },
)
CAPACITY: dict[str, tuple[list[InventoryHost], dict[str, Any], dict[str, Any], list[str]]] = {
    "room": (THREE, service(3, "0.25", "128M", **WORKERS_ONLY), {}, []),
    "too big for any node": (
        THREE,
        service(1, "0", "2G"),
        {},
        ["error service web: 1 tasks reserve 0 CPU and 2048 MiB each, and only 0 find room"],
    ),
    "too many": (
        THREE,
        service(3, "0.6", "1M", **WORKERS_ONLY),
        {},
        [
            "error service web: 3 tasks reserve 0.6 CPU and 1 MiB each, and only 2 find room where "
            "node.role == worker (w1 takes 1 and then has 0.40 CPU and 1023 MiB free; w2 takes 1"
        ],
    ),
    "another stack is there": (
        [BUSY],
        service(1, "0.5", "1M"),
        {},
        ["error service web: 1 tasks reserve 0.5 CPU"],
    ),
    "our own reservations are free": ([OWN], service(1, "0.5", "1M"), {}, []),
    "a drained node takes nothing": (
        [DRAINED],
        service(1, "0.1", "1M"),
        {},
        ["error service web: no node takes tasks; w1 would and takes none, paused or drained."],
    ),
    "one machine: workers are the manager": (
        [seen("m1")],
        service(1, "0.1", "1M", **WORKERS_ONLY),
        {},
        ["notice service web: is to run on workers, and there are none: the managers do the work."],
    ),
    "a label that nobody has yet": (
        THREE,
        service(1, "0.1", "1M", **ON_DB),
        {},
        ["warning service web: needs a node with the label db, and no node has it yet."],
    ),
    "a label that somebody has with another value": (
        [seen("w1"), replace(seen("w2"), labels={"zone": "a", "db": "no"})],
        service(1, "0.1", "1M", **ON_DB),
        {},
        ["error service web: no node that takes tasks meets node.labels.db == true."],
    ),
    "a pin that will be set": (THREE, service(1, "0.1", "1M", **ON_DB), {"db": ["w1"]}, []),
    "a pin that is set": ([LABELLED], service(1, "0.1", "1M", **ON_DB), {"db": ["w2"]}, []),
    "a pin on a node that is too small": (
        THREE,
        service(1, "0.1", "2G", **ON_DB),
        {"db": ["w1"]},
        ["error service web: 1 tasks reserve 0.1 CPU and 2048 MiB each, and only 0 find"],
    ),
    "max_replicas_per_node": (
        THREE,
        service(3, "0", "0", max_replicas_per_node=1, **WORKERS_ONLY),
        {},
        ["error service web: 3 tasks reserve 0 CPU and 0 MiB each, and only 2 find room"],
    ),
    "no room during an update": (
        THREE,
        service(2, "0.6", "1M", order="start-first", **WORKERS_ONLY),
        {},
        ["warning service web: an update starts 1 more before it stops the old"],
    ),
    "bad constraint": (
        THREE,
        service(1, "0", "0", constraints=["node.zone == a"]),
        {},
        ["error service web: 'node.zone == a' asks for 'node.zone'"],
    ),
}


@pytest.mark.parametrize(("hosts", "body", "pins", "expected"), CAPACITY.values(), ids=CAPACITY)
def test_capacity(
    hosts: list[InventoryHost], body: dict[str, Any], pins: dict[str, Any], expected: list[str]
) -> None:
    found = texts(preflight.check_capacity(stack(web=body), hosts, "shop", pins))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def holder(availability: str, **labels: str) -> InventoryHost:
    """The node with the label db, as its manager lists it."""
    listed = {"id": "n1", "availability": availability, "labels": {"db": "true", **labels}}
    return seen("w1", swarm={**ACTIVE, "node_id": "n1", "nodes": [listed]})


@pytest.mark.fault("A11")
def test_a_node_that_somebody_works_on_gets_its_work_back() -> None:
    """Seen: beside a maintenance every other run was told to give the label to another node."""
    web = stack(web=service(1, "0.1", "1M", **ON_DB))
    worked_on = holder("pause", **{MAINTENANCE: "active"})
    assert preflight.check_capacity(web, [worked_on, seen("w2")], "shop", {}) == []
    # Nobody works on these: the operator left them so.
    for kept in (holder("drain"), holder("drain", **{MAINTENANCE: "drain"})):
        (finding,) = texts(preflight.check_capacity(web, [kept, seen("w2")], "shop", {}))
        assert "meets node.labels.db == true; w1 would and takes none" in finding
        assert "give a node that label" not in finding
        assert "Leave labels where they are" in finding


@pytest.mark.fault("A11")
@pytest.mark.parametrize("pins", [{}, {"db": ["w1", "w2"]}], ids=["a label", "a pin"])
def test_the_label_of_a_node_that_is_down_stays_there(pins: dict[str, list[str]]) -> None:
    """The node does not answer; nobody is told to give its label to another one."""
    listed = {"id": "n1", "hostname": "w1", "availability": "active", "labels": {"db": "true"}}
    manager = seen("m1", swarm={**ACTIVE, "node_id": "n0", "nodes": [listed]})
    silent = host("w1")
    web = stack(web=service(1, "0.1", "1M", **ON_DB))
    found = preflight.check_capacity(web, [manager, silent, seen("w2")], "shop", pins)
    (finding,) = texts(found)
    assert finding.startswith("warning service web: needs the node with the label db, w1, which")
    assert "node_labels" not in finding
    assert "Leave the label where it is" in finding


@pytest.mark.fault("A11")
@pytest.mark.parametrize(
    ("rules", "cpus"),
    [({"constraints": ["node.role == worker"]}, "0.1"), ({}, "99")],
    ids=["no place", "no room"],
)
def test_who_did_not_answer_is_named_before_anything_is_changed_for_it(
    rules: dict[str, Any], cpus: str
) -> None:
    """Seen with both workers switched off: it advised to give another node the role worker."""
    web = stack(web=service(1, cpus, "1M", **rules))
    (finding,) = texts(preflight.check_capacity(web, [seen("m1"), host("w1")], "shop", {}))
    assert "w1 did not answer, so nothing there counts" in finding
    assert "Bring back what did not answer (doctor.yml says what is wrong)" in finding
    assert "give a node that" not in finding


OVERRIDES: dict[str, tuple[Any, list[str]]] = {
    "nothing": ({}, []),
    "right": ({"port": 80, "page": {"replicas": 2}}, []),
    "misspelt": ({"prot": 80}, ["x.prot: nothing here has such a key. Did you mean x.port?"]),
    "misspelt below": (
        {"page": {"replica": 2}},
        ["x.page.replica: nothing here has such a key. Did you mean x.page.replicas?"],
    ),
    "unlike anything": ({"zzz": 1}, ["x.zzz: nothing here has such a key. Use page, port."]),
    "a number for a dictionary": (
        {"page": 2},
        ["x.page: 2 is no dictionary. Give some of replicas."],
    ),
}


@pytest.mark.parametrize(("given", "findings"), OVERRIDES.values(), ids=OVERRIDES)
def test_overrides(given: Any, findings: list[str]) -> None:
    found = preflight.check_overrides("x", given, {"port": 5000, "page": {"replicas": 3}})
    assert [str(one) for one in found] == findings


ROOMY = {
    "image": "web",
    "deploy": {
        "replicas": 2,
        "update_config": {"order": "start-first"},
        "resources": {"reservations": {"cpus": "0.5", "memory": "64M"}},
    },
}
ROOM: dict[str, tuple[dict[str, Any], float, list[str]]] = {
    "room": ({}, 1.0, ["web: start-first needs 1 more task for a while, {each}: free on a, b"]),
    "room for none": (
        {},
        0.5,
        ["web: start-first needs 1 more task for a while, {each}: free nowhere"],
    ),
    "all at once": (
        {"update_config": {"order": "start-first", "parallelism": 0}},
        1.0,
        ["web: start-first needs 2 more tasks for a while, {each}: free on a, b"],
    ),
    "stop-first needs none": ({"update_config": {"order": "stop-first"}}, 1.0, []),
    "a limit for each node": (
        {"placement": {"max_replicas_per_node": 1}},
        1.0,
        ["web: start-first needs 1 more task for a while, {each}: free nowhere"],
    ),
}


@pytest.mark.parametrize(("deploy", "cpus", "expected"), ROOM.values(), ids=ROOM)
def test_room_lines(deploy: dict[str, Any], cpus: float, expected: list[str]) -> None:
    body = {**ROOMY, "deploy": {**ROOMY["deploy"], **deploy}}  # type: ignore[dict-item]
    document = compose.parse({"services": {"web": body}})
    nodes = [placement.Node(name, cpus=cpus, memory=2**30) for name in "ab"]
    found = preflight.room_lines(document, nodes, True, ["web", "gone"])
    assert found == [text.format(each="0.5 CPU and 64 MiB each") for text in expected]
