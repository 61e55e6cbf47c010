"""The rules of a node's firewall: what they say, and that nftables takes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import firewall, host
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import DATA_PORT

pytestmark = pytest.mark.fault("A5", "C16")

RULES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "usual": (
        {},
        [
            "tcp dport { 22 } accept",
            f"udp dport {{ {DATA_PORT}, 7946 }} accept",
            "ip saddr @nodes4 jump swarm",
            "udp sport 67 udp dport 68 accept",
            "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
            "type filter hook forward priority filter; policy accept;",
            'oifname "docker_gwbridge" jump published',
        ],
        ["nodes6", "proto-dst"],
    ),
    "SSH on other ports": ({"ssh_ports": [2222, 22, 2222]}, ["tcp dport { 22, 2222 } accept"], []),
    "another data port": ({"data_port": 7777}, ["udp dport { 7777, 7946 } accept"], ["4789"]),
    "nodes with IPv6 only": (
        {"nodes": ["2001:db8::1"]},
        ["elements = { 2001:db8::1 }", "ip6 saddr @nodes6 jump swarm"],
        ["nodes4"],
    ),
    "a port for nodes alone": (
        {"node_ports": [5443]},
        ["meta l4proto tcp ct original proto-dst { 5443 } drop"],
        [],
    ),
    "published for some": (
        {"published_from": ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]},
        ["elements = { 10.0.0.0/8 }", "elements = { 2001:db8::/32 }"],
        ["0.0.0.0/0"],
    ),
    "published for nobody": ({"published_from": []}, [], ["@published"]),
    "a rule of the operator's": (
        {"extra": ["ip saddr 192.0.2.7 tcp dport 9100 accept"]},
        ["ip saddr 192.0.2.7 tcp dport 9100 accept"],
        [],
    ),
}


def rules(**more: Any) -> str:
    usual: dict[str, Any] = {"nodes": ["192.0.2.11"], "ssh_ports": [22], "data_port": DATA_PORT}
    return firewall.rules(**{**usual, **more})


@pytest.mark.parametrize(("more", "there", "absent"), RULES.values(), ids=RULES)
def test_rules(more: dict[str, Any], there: list[str], absent: list[str]) -> None:
    text = rules(**more)
    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in there if line not in lines] == []
    assert [word for word in absent if word in text] == []


@pytest.mark.parametrize("more", [one[0] for one in RULES.values()], ids=RULES)
def test_nftables_takes_the_rules_twice(more: dict[str, Any]) -> None:
    """In a network namespace of its own, so nothing of this computer's is touched."""
    if os.geteuid() or not shutil.which("nft"):
        pytest.skip("needs root and nft, as the step lab of bin/test has them")
    text = rules(**more)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", "nft -f - <<E\n$RULES\nE\nnft -f - <<E\n$RULES\nE\n"],
        env={**os.environ, "RULES": text},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["nodes", "published_from"])
def test_a_name_is_refused(where: str) -> None:
    """nftables would look it up at every boot, and load nothing where there is no answer."""
    with pytest.raises(ValueError, match=re.escape("'m1.example.org' is no address")):
        rules(**{where: ["192.0.2.1", "m1.example.org"]})


CONNECTIONS = {
    "over SSH": (
        "HOME=/root\0SSH_CONNECTION=192.0.2.254 51000 192.0.2.11 2222\0",
        {"client": "192.0.2.254", "address": "192.0.2.11", "port": 2222},
    ),
    "over IPv6": (
        "SSH_CONNECTION=2001:db8::9 51000 2001:db8::11 22",
        {"client": "2001:db8::9", "address": "2001:db8::11", "port": 22},
    ),
    "none": ("HOME=/root\0SSH_CONNECTION=\0", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("environ", "expected"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_ssh_connection(environ: str, expected: dict[str, Any] | None) -> None:
    assert host.parse_ssh_connection(environ) == expected


LISTENING = [
    {"port": 2222, "address": "0.0.0.0", "process": "sshd"},
    {"port": 2222, "address": "::", "process": "sshd"},
    {"port": 6010, "address": "127.0.0.1", "process": "sshd-session"},
    {"port": 6010, "address": "::1", "process": "sshd-session"},
    {"port": 80, "address": "0.0.0.0", "process": "nginx"},
    {"port": 81, "address": "0.0.0.0", "process": None},
]


def test_ports_of_ssh_are_those_that_sshd_listens_on_and_the_one_in_use() -> None:
    assert host.ssh_ports(LISTENING, None) == [2222]
    assert host.ssh_ports(LISTENING, {"client": "192.0.2.254", "port": 22}) == [22, 2222]
