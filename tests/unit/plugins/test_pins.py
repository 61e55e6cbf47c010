"""Labels that stand for data: of all stacks they protect a node, and none moves by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import host, nodes, preflight
from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import (
    Host,
    Plan,
    Wishes,
    make_plan,
)
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import stack_files

ON_REDIS = "node.labels.monsterstack.redis == true"
DATA = {"Type": "volume", "Source": "monsterstack_redis_data", "Target": "/data"}


def service(*constraints: str, mode: str = "Replicated", **mount: Any) -> dict[str, Any]:
    """An entry of /services, with the parts that Docker 26.1 gives for a service of the stack."""
    mounts = [{**DATA, **mount}] if mount != {"Type": ""} else []
    return {
        "ID": "s1",
        "Spec": {
            "Name": "monsterstack_redis",
            "Mode": {mode: {"Replicas": 1} if mode == "Replicated" else {}},
            "TaskTemplate": {
                "ContainerSpec": {"Image": "redis", "Mounts": mounts},
                "Placement": {"Constraints": list(constraints)},
            },
        },
    }


NFS: dict[str, Any] = {"VolumeOptions": {"DriverConfig": {"Name": "nfs"}}}
# Each row: a service, the labels that it is bound to, the volumes.
BOUND: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "a volume": (service(ON_REDIS), ["monsterstack.redis"], ["monsterstack_redis_data"]),
    "without blanks": (
        service("node.labels.a.b-c==TRUE"), ["a.b-c"], ["monsterstack_redis_data"]
    ),
    "a folder of the node": (
        service(ON_REDIS, Type="bind", Source="/srv/redis"), ["monsterstack.redis"], []
    ),
    "one of several constraints": (
        service("node.role == worker", ON_REDIS),
        ["monsterstack.redis"],
        ["monsterstack_redis_data"],
    ),
    "stores nothing": (service(ON_REDIS, Type=""), [], []),
    "in memory": (service(ON_REDIS, Type="tmpfs", Source=""), [], []),
    "reads only": (service(ON_REDIS, ReadOnly=True), [], []),
    "a socket": (service(ON_REDIS, Type="bind", Source="/var/run/docker.sock"), [], []),
    "stored elsewhere": (service(ON_REDIS, **NFS), [], []),
    "on all nodes with the label": (service(ON_REDIS, mode="Global"), [], []),
    "anywhere but there": (service(ON_REDIS.replace("==", "!=")), [], []),
    "another value": (service("node.labels.zone == a"), [], []),
    "bound to nothing": (service(), [], []),
}  # fmt: skip


@pytest.mark.fault("A11")
@pytest.mark.parametrize(("one", "labels", "volumes"), BOUND.values(), ids=BOUND)
def test_bound_labels(one: dict[str, Any], labels: list[str], volumes: list[str]) -> None:
    found = host.bound_labels([one])
    assert list(found) == labels
    assert all(
        entry == {"services": ["monsterstack_redis"], "volumes": volumes}
        for entry in found.values()
    )


STACK = """
stack_definition:
  tag: "1.0"
  secrets: {a: "{{ lookup('env', 'HOME') }}"}
  pins:
    shop.db: "{{ groups['workers'] | default(groups['managers'], true) }}"
"""
FILES: dict[str, tuple[str, list[str], bool]] = {
    "two templates and a label": (STACK, ["shop.db"], True),
    "no pins": ("stack_definition: {tag: '1'}", [], True),
    "pins of nothing": ("stack_definition: {pins: }", [], True),
    "no YAML": ("stack_definition: {pins: [", [], False),
    "something else": ("hello", [], False),
    "a list": ("- stack_definition", [], False),
    "another key": ("stack: {}", [], False),
    "empty": ("", [], False),
}


@pytest.mark.fault("A11")
@pytest.mark.parametrize(("text", "labels", "read"), FILES.values(), ids=FILES)
def test_pins_of_a_folder(text: str, labels: list[str], read: bool) -> None:
    assert stack_files.stack_pins({"x": text}) == (labels, [] if read else ["x"])


def machine(name: str, role: str, **labels: str) -> tuple[Host, dict[str, Any]]:
    """A host in the cluster as host_info says it, and its node as /nodes lists it."""
    node = {
        "ID": f"id-{name}",
        "Spec": {"Role": role, "Availability": "active", "Labels": labels},
        "Description": {"Hostname": name},
        "Status": {"State": "ready", "Addr": "192.0.2.1"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable"} if name == "m1" else None,
    }
    answer = {
        "Swarm": {
            "LocalNodeState": "active",
            "NodeID": f"id-{name}",
            "ControlAvailable": role == "manager",
            "Cluster": {"ID": "c1"} if role == "manager" else None,
        }
    }
    certificate = {"cluster_id": "c1", "role": role}
    info = {
        "hostname": name,
        "engine": {"running": True},
        "swarm": host.summarise_swarm(answer, certificate, ""),
        "volumes": [],
        "bound_labels": {},
    }
    return Host(name, f"{role}s", "192.0.2.1", info), node


def plan(
    wishes: Wishes,
    labels: Mapping[str, Mapping[str, str]],
    services: list[dict[str, Any]],
    volumes: Mapping[str, list[str]] | None = None,
) -> Plan:
    """The plan for m1, w1 and w2 with these labels, services and volumes."""
    made = [machine(name, "manager" if name[0] == "m" else "worker", **labels.get(name, {}))
            for name in ("m1", "w1", "w2")]  # fmt: skip
    listed = [host.summarise_node(node) for _host, node in made]
    for one, _node in made:
        info: Any = one.info
        info["volumes"] = (volumes or {}).get(one.name, [])
        if one.name == "m1":
            info["swarm"]["nodes"] = listed
            info["bound_labels"] = host.bound_labels(services)
    return make_plan([one for one, _node in made], wishes)


SHOP = service("node.labels.shop.db == true")
SSD = service("node.labels.ssd == true")
REDIS = service(ON_REDIS)
HELD = {"w1": {"monsterstack.redis": "true"}}
# Each row: the wishes, labels by node, services, and pieces of the one refusal ([]: none).
REMOVALS: dict[str, tuple[Wishes, dict[str, dict[str, str]], list[dict[str, Any]], list[str]]] = {
    "this stack's pin": (
        Wishes(remove=["w1"], pins=["monsterstack.redis"]), HELD, [],
        ["w1 (node id-w1) holds monsterstack.redis"],
    ),
    "the pin of another folder's stack": (
        Wishes(remove=["w1"], other_pins=["shop.db"]), {"w1": {"shop.db": "true"}}, [],
        ["holds shop.db"],
    ),
    "the pin of a stack whose folder is not here": (
        Wishes(remove=["w1"]), {"w1": {"shop.db": "true"}}, [SHOP], ["holds shop.db"]
    ),
    "a label of two nodes is no pin": (
        Wishes(remove=["w1"]), {"w1": {"ssd": "true"}, "w2": {"ssd": "true"}}, [SSD], []
    ),
    "a label that no data are bound to": (
        Wishes(remove=["w1"]), {"w1": {"shop.db": "true"}}, [], []
    ),
    "another node has it": (Wishes(remove=["w2"]), {"w1": {"shop.db": "true"}}, [SHOP], []),
    "the data are lost": (
        Wishes(remove=["w1"], lose_data=True), {"w1": {"shop.db": "true"}}, [SHOP], []
    ),
}  # fmt: skip


@pytest.mark.fault("A11")
@pytest.mark.parametrize(
    ("wishes", "labels", "services", "refusal"), REMOVALS.values(), ids=REMOVALS
)
def test_pins_of_all_stacks_protect_a_node(
    wishes: Wishes,
    labels: dict[str, dict[str, str]],
    services: list[dict[str, Any]],
    refusal: list[str],
) -> None:
    errors = plan(wishes, labels, services).errors
    assert len(errors) == bool(refusal), errors
    assert all(piece in errors[0] for piece in refusal)


PIN = Wishes(pins=["monsterstack.redis"])
VOLUME = ["monsterstack_redis_data"]
# Each row: the services, volumes by host, and pieces of the one refusal ([]: none).
LOST: dict[str, tuple[list[dict[str, Any]], dict[str, list[str]], list[str]]] = {
    "the first release": ([], {}, []),
    "one has the volume": (
        [REDIS], {"w2": VOLUME, "w1": ["other"]},
        ["no node carries the label monsterstack.redis", "w2 has monsterstack_redis_data",
         "docker node update --label-add monsterstack.redis=true w2"],
    ),
    "two have it": (
        [REDIS], {"w2": VOLUME, "w1": VOLUME}, ["w1 and w2 have", "to the one whose data are right"]
    ),
    "nobody has it": ([REDIS], {}, ["bring back the node that has", "-e data=lost"]),
}  # fmt: skip


@pytest.mark.fault("A11")
@pytest.mark.parametrize(("services", "volumes", "refusal"), LOST.values(), ids=LOST)
def test_a_pin_that_no_node_has_does_not_go_to_another(
    services: list[dict[str, Any]], volumes: dict[str, list[str]], refusal: list[str]
) -> None:
    errors = plan(PIN, {}, services, volumes).errors
    assert len(errors) == bool(refusal), errors
    assert all(piece in errors[0] for piece in refusal)
    assert "data=lost" not in "".join(errors) or not volumes
    assert plan(PIN, HELD, services, volumes).errors == []
    # Who sets no labels goes on, and says so.
    other = plan(Wishes(pins=PIN.pins, labels=False), {}, services, volumes)
    assert (other.errors, [text for text in other.notices if text in errors]) == ([], errors)


@pytest.mark.fault("A11")
def test_a_pin_goes_to_another_node_when_its_data_are_lost() -> None:
    found = plan(Wishes(pins=["monsterstack.redis"], lose_data=True), {}, [REDIS])
    assert found.errors == []
    assert any("monsterstack.redis goes to another node" in text for text in found.notices)


@pytest.mark.fault("A11")
def test_a_purge_leaves_the_pins_of_all_stacks() -> None:
    labels = {"w1": {"monsterstack.redis": "true", "shop.db": "true", "old": "x"}}
    found = plan(Wishes(pins=["monsterstack.redis"]), labels, [SHOP, REDIS])
    assert found.data_labels == ["monsterstack.redis", "shop.db"]
    spec = {"Role": "worker", "Availability": "active", "Labels": labels["w1"]}
    # w1 has moved to the managers, so it is none of those that Redis is first chosen from.
    moved = nodes.Desired("w1", None, {"zone": "a"}, None)
    after = nodes.wanted_spec(spec, moved, True, found.data_labels)
    assert after["Labels"] == {"zone": "a", "monsterstack.redis": "true", "shop.db": "true"}
    listed = [host.summarise_node(machine("w1", "worker", **after["Labels"])[1])]
    given = [{"hostname": "w1", "labels": {"zone": "a"}}]
    assert nodes.as_wanted(given, listed, True, found.data_labels)
    assert not nodes.as_wanted(given, listed, True)


# Each row: node_labels by host, the node that has the pin (None: none yet), who is complained of.
CLAIMS: dict[str, tuple[dict[str, dict[str, str]], str | None, list[str]]] = {
    "none": ({}, "w1", []),
    "its own node": ({"w1": {"db": "true"}}, "w1", []),
    "as YAML says it": ({"w1": {"db": "True"}}, "w1", []),
    "the first choice": ({"w2": {"db": "true"}}, None, []),
    "a second node": ({"w2": {"db": "true"}}, "w1", ["w2/node_labels"]),
    "taken away": ({"w1": {"db": "false"}}, "w1", ["w1/node_labels"]),
    "another label": ({"w2": {"ssd": "true"}}, "w1", []),
}


@pytest.mark.fault("A11")
@pytest.mark.parametrize(("given", "holder", "where"), CLAIMS.values(), ids=CLAIMS)
def test_node_labels_do_not_move_a_pin(
    given: dict[str, dict[str, str]], holder: str | None, where: list[str]
) -> None:
    made = {name: machine(name, "manager" if name == "m1" else "worker",
                          **({"db": "true"} if name == holder else {}))
            for name in ("m1", "w1", "w2")}  # fmt: skip
    hosts = []
    for name, (one, _node) in made.items():
        info: Any = one.info
        if name == "m1":
            info["swarm"]["nodes"] = [host.summarise_node(node) for _host, node in made.values()]
        hosts.append(
            preflight.InventoryHost(name, one.group, labels=given.get(name, {}), info=info)
        )
    found = preflight.check_pins(hosts, {"db": ["w1", "w2"]})
    assert [finding.where for finding in found] == where
    assert all("whose disk" in finding.problem for finding in found)
