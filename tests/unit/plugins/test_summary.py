"""What a run reads from the inventory and tells at its end."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import (
    InventoryHost,
    check_placement_variables,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import (
    inventory_labels,
    node_addresses,
    node_specs,
    release_summary,
)

HOSTS: dict[str, dict[str, Any]] = {
    "m1": {"zone": "a", "ansible_host": "192.0.2.1", "__host_info": {"hostname": "alpha"}},
    "w1": {"zone": "b", "node_labels": {"disk": "ssd"}, "node_availability": "drain"},
}


def test_node_specs() -> None:
    replaced = [{"name": "w1", "id": "old", "role": "worker"}]
    assert node_specs(HOSTS, ["m1", "w1"], {"redis": ["w1"]}, replaced) == [
        {"hostname": "alpha", "labels": {"zone": "a"}, "pins": []},
        {
            "hostname": "w1",
            "labels": {"zone": "b", "disk": "ssd"},
            "pins": ["redis"],
            "availability": "drain",
            "inherits": "old",
        },
    ]


NO_ZONE: dict[str, dict[str, Any]] = {
    "not said": {},
    "empty": {"zone": ""},
    "null": {"zone": None},
    "a space": {"zone": " "},
    "empty as a label": {"zone": "a", "node_labels": {"zone": ""}},
}


@pytest.mark.fault("C15")
@pytest.mark.parametrize("variables", NO_ZONE.values(), ids=NO_ZONE)
def test_a_zone_without_a_name_is_none_for_everybody(variables: dict[str, Any]) -> None:
    assert "zone" not in inventory_labels(variables)
    assert node_specs({"n": variables}, ["n"], {})[0]["labels"] == {}
    lines = release_summary(
        RESULT, "shop", "1", False, {"current": None}, {"w1": variables}, ["w1"], 80, {}
    )
    assert "zone" not in "".join(lines[:2])
    one = InventoryHost("w1", "workers", "192.0.2.1", labels=inventory_labels(variables))
    other = InventoryHost("w2", "workers", "192.0.2.2", labels={"zone": "b"})
    assert check_placement_variables([one], False) == []
    assert [f.where for f in check_placement_variables([one, other], False)] == ["w1/zone"]


ZONES: dict[str, tuple[dict[str, Any], str]] = {
    "a word": ({"zone": "a"}, "a"),
    "a number": ({"zone": 0}, "0"),
    "a label": ({"node_labels": {"zone": "b"}}, "b"),
    "the label counts more": ({"zone": "a", "node_labels": {"zone": "b"}}, "b"),
    "yes": ({"zone": True}, "true"),
}


@pytest.mark.fault("C15")
@pytest.mark.parametrize(("variables", "zone"), ZONES.values(), ids=ZONES)
def test_a_zone(variables: dict[str, Any], zone: str) -> None:
    assert inventory_labels(variables)["zone"] == zone


RESULT: dict[str, Any] = {
    "verdict": "converged",
    "services": {
        "page": {
            "verdict": "converged",
            "running": 3,
            "desired": 3,
            "nodes": ["alpha", "w1", "w1"],
            "digest": "sha256:0123456789abcdef",
            "message": "",
        }
    },
}
KEPT: dict[str, tuple[dict[str, Any] | None, bool, str]] = {
    "first": (None, False, "first release, tag 1.0"),
    "kept": ({"tag": "1.0"}, False, "kept tag 1.0, which the cluster runs"),
    "asked": ({"tag": "1.0"}, True, "tag 1.0 as asked"),
    "changed": ({"tag": "0.9"}, True, "changed from tag 0.9 to 1.0"),
}


@pytest.mark.parametrize(("current", "asked", "text"), KEPT.values(), ids=KEPT)
def test_release_summary(current: dict[str, Any] | None, asked: bool, text: str) -> None:
    cluster = {"workers": True, "zones": True}
    lines = release_summary(
        RESULT, "shop", "1.0", asked, {"current": current}, HOSTS, HOSTS, 80, cluster
    )
    assert lines[0] == f"stack shop, release 1.0: converged ({text})"
    assert lines[1] == "  page 3/3  sha256:0123456789ab  zone a: alpha; zone b: w1 x2"
    assert lines[-1] == "on every node: http://192.0.2.1:80/  http://w1:80/"


@pytest.mark.fault("C1")
@pytest.mark.parametrize(("nodes", "said"), [(["w1", "w1"], True), (["w1", "alpha"], False)])
def test_release_summary_says_what_ended_on_one_node(nodes: list[str], said: bool) -> None:
    page = {**RESULT["services"]["page"], "nodes": nodes}
    lines = release_summary(
        {**RESULT, "services": {"page": page}}, "shop", "1", False, {}, HOSTS, HOSTS, 80, {}
    )
    told = "    all on w1: rebalance.yml spreads what may run elsewhere"
    assert (told in lines) == said


@pytest.mark.fault("C1")
@pytest.mark.parametrize(
    ("current", "text"),
    [({"tag": "0.9"}, "the release 0.9 runs as before"), (None, "no release runs")],
)
def test_a_dry_run_claims_no_release(current: dict[str, str] | None, text: str) -> None:
    running = {"current": current}
    lines = release_summary(RESULT, "shop", "1.0", True, running, HOSTS, HOSTS, 80, {}, dry=True)
    assert lines[0] == f"stack shop, release 1.0: a dry run changed nothing, {text}"
    assert not any("converged" in line or "changed from" in line for line in lines)


def test_release_summary_says_what_one_machine_lacks() -> None:
    cluster = {"workers": False, "zones": False}
    lines = release_summary(RESULT, "shop", "1", False, {}, HOSTS, ["m1"], 80, cluster)
    assert any("one kind of node" in line for line in lines)
    assert any("no zones" in line for line in lines)


def test_release_summary_says_what_was_scaled() -> None:
    scale = {"web": {"replicas": 6, "instead_of": 3}}
    cluster = {"workers": True, "zones": True}
    lines = release_summary(RESULT, "shop", "1", False, {}, HOSTS, ["m1"], 80, cluster, scale)
    assert any("web has 6 replicas by scale.yml; the inventory says 3" in line for line in lines)


ADDRESSES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "in the Swarm": ({"ansible_host": "192.0.2.1", "node_addr": "10.0.0.1"}, {"n": "10.0.0.1"}),
    "in none yet": ({"ansible_host": "192.0.2.1"}, {"n": "192.0.2.1"}),
    "a name": ({"ansible_host": "n.example.org"}, {"n": "10.0.0.7"}),
    "this very machine": ({}, {"n": "10.0.0.7"}),
    "not looked at": ({"ansible_host": "192.0.2.1", "gone": True}, {}),
}


@pytest.mark.parametrize(("host", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses_of_nodes(host: dict[str, Any], expected: dict[str, str]) -> None:
    info = {
        "swarm": {"node_addr": host.pop("node_addr", None)},
        "addresses": [
            {"family": "ipv6", "address": "2001:db8::7"},
            {"family": "ipv4", "address": "10.0.0.7"},
        ],
    }
    hostvars = {"n": {**host, "__host_info": {} if host.pop("gone", False) else info}}
    assert node_addresses(hostvars, ["n"]) == expected
