"""Labels that stand for data: of all stacks they protect a node, and none moves by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
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
    # A task that no node could take has none; one of a node that was removed still names it.
    tasks = [
        {"ServiceID": "s1", "NodeID": "old", "CreatedAt": "2026-11-26T10:00:00.5Z"},
        {"ServiceID": "s1", "NodeID": "new", "CreatedAt": "2026-11-27T10:00:00.25Z"},
        {"ServiceID": "s1", "CreatedAt": "2026-11-27T10:00:01Z"},
        {"ServiceID": "s2", "NodeID": "other", "CreatedAt": "2026-11-27T10:00:02Z"},
    ]
    found = host.bound_labels([one], tasks)
    assert list(found) == labels
    assert all(
        entry == {"services": ["monsterstack_redis"], "volumes": volumes, "nodes": ["new", "old"]}
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


@pytest.mark.fault("A11")
def test_a_folder_that_cannot_be_read_has_a_name_and_stops_no_other(tmp_path: Path) -> None:
    good = tmp_path / "a/stack.yml"
    for name in "abcde":
        (tmp_path / name).mkdir()
    good.write_text("stack_definition: {}")
    (tmp_path / "b/stack.yml").write_bytes(b"\xff")
    (tmp_path / "c/stack.yml").mkdir()
    (tmp_path / "d/stack.yml").symlink_to("stack.yml")
    (tmp_path / "README.md").write_text("no stack")
    unread = [str(tmp_path / name / "stack.yml") for name in "bcd"]
    assert stack_files.read_all(str(tmp_path)) == ({str(good): "stack_definition: {}"}, unread)
    assert stack_files.read_all(str(tmp_path / "x")) == ({}, [str(tmp_path / "x")])


def machine(name: str, role: str, **labels: str) -> tuple[Host, dict[str, Any]]:
    """A host in the cluster as host_info says it, and its node as /nodes lists it."""
    address = f"192.0.2.{ord(name[0]) + int(name[1])}"
    node = {
        "ID": f"id-{name}",
        "Spec": {"Role": role, "Availability": "active", "Labels": labels},
        "Description": {"Hostname": name},
        "Status": {"State": "ready", "Addr": address},
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
    return Host(name, f"{role}s", address, info), node


def plan(
    wishes: Wishes,
    labels: Mapping[str, Mapping[str, str]],
    services: list[dict[str, Any]],
    volumes: Mapping[str, list[str]] | None = None,
    ran_on: tuple[str, ...] = (),
    away: tuple[str, ...] = (),
    unmounted: tuple[str, ...] = (),
    outside: tuple[str, ...] = (),
    chosen: str = "",
) -> Plan:
    """The plan for m1, w1 and w2 with these labels, services and volumes.

    `ran_on` are the nodes of the services' tasks, the last one first. `away` are hosts
    that cannot be reached and that the swarm calls down, `outside` those that left it. `chosen` is
    the host to which the inventory gives the pin.
    """
    made = [machine(name, "manager" if name[0] == "m" else "worker", **labels.get(name, {}))
            for name in ("m1", "w1", "w2")]  # fmt: skip
    for one, node in made:
        node["Status"]["State"] = "down" if one.name in away else "ready"
    listed = [host.summarise_node(node) for one, node in made if one.name not in outside]
    tasks = [
        {"ServiceID": "s1", "NodeID": node_id, "CreatedAt": f"2026-11-27T10:00:0{at}Z"}
        for at, node_id in enumerate(reversed(ran_on))
    ]
    for one, _node in made:
        info: Any = one.info
        info["volumes"] = (volumes or {}).get(one.name, [])
        info["unmounted"] = ["/var/lib/docker"] if one.name in unmounted else []
        if one.name == "m1":
            info["swarm"]["nodes"] = listed
            info["bound_labels"] = host.bound_labels(services, tasks)
        if one.name in outside:
            left = {"LocalNodeState": "inactive", "NodeID": "", "ControlAvailable": False}
            info["swarm"] = host.summarise_swarm({"Swarm": {**left, "Cluster": None}}, {}, "")
    given = {"monsterstack.redis": "true"}
    seen = [
        replace(
            one,
            info=None if one.name in away else one.info,
            labels=given if one.name == chosen else {},
        )
        for one, _node in made
    ]
    return make_plan(seen, wishes)


FOLDER = service(ON_REDIS, Type="bind", Source="/srv/redis")
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
    "called lost, and in a folder": (
        Wishes(remove=["w1"], lose_data=True), HELD, [FOLDER], ["nothing here knows"]
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
GIVEN_UP = replace(PIN, remove=["w1"], dead=True)
VOLUME = ["monsterstack_redis_data"]
BACK = "docker node update --label-add monsterstack.redis=true"
# Each row: the wishes, what `plan` is given, pieces of the one refusal, and whether -e data=lost is
# advised. It is accepted where it is advised, and nowhere else.
LOST: dict[str, tuple[Wishes, dict[str, Any], list[str], bool]] = {
    "one has the volume": (
        PIN, {"volumes": {"w2": VOLUME, "w1": ["other"]}, "ran_on": ("id-w2",)},
        ["no node carries the label monsterstack.redis", "w2 has monsterstack_redis_data",
         f"{BACK} w2"], False,
    ),
    "an earlier one has it too": (
        PIN, {"volumes": {"w2": VOLUME, "w1": VOLUME}, "ran_on": ("id-w2", "id-w1")},
        [f"{BACK} w2"], False,
    ),
    "only an earlier one has it, the last one is off": (
        PIN, {"volumes": {"w2": VOLUME}, "ran_on": ("id-w1", "id-w2"), "away": ("w1",)},
        ["w1: it cannot be reached", "w2 may have older data", "-e node=w1 -e dead=true"], False,
    ),
    "only an earlier one has it, the last one has lost it": (
        PIN, {"volumes": {"w2": VOLUME}, "ran_on": ("id-w1", "id-w2")},
        ["ran last on w1", "is on w2: look which data are right", f"{BACK} NODE"], False,
    ),
    "two have it": (
        PIN, {"volumes": {"w2": VOLUME, "w1": VOLUME}},
        ["is on w1, w2: look which", f"{BACK} NODE"], False,
    ),
    "one has it, and nobody knows where it was": (
        PIN, {"volumes": {"w2": VOLUME}}, [f"{BACK} w2"], False
    ),
    "the one that had it is off": (
        PIN, {"ran_on": ("id-w1",), "away": ("w1",)},
        ["on all machines (w1: it cannot be reached)", "Start them",
         "never come back: playbooks/node_remove.yml -e node=w1 -e dead=true."], False,
    ),
    "another one is off": (
        PIN, {"ran_on": ("id-w1",), "away": ("w2",)}, ["w2: it cannot be reached"], False
    ),
    "its disk is not mounted": (
        PIN, {"ran_on": ("id-w1",), "unmounted": ("w1",)},
        ["w1: /var/lib/docker is in its /etc/fstab and not mounted"], False,
    ),
    "somebody removed its node": (
        PIN, {"ran_on": ("gone1",)},
        ["gone1: Swarm lists it no more", "put them into",
         "-e node=gone1 -e dead=true"], False,
    ),
    "nobody knows where it was": (
        PIN, {}, ["Swarm does not remember where it was", f"{BACK} NODE"], False
    ),
    "a folder": (
        PIN, {"services": [FOLDER], "ran_on": ("id-w1",)},
        ["a folder of the node", "It ran last on w1.", f"{BACK} NODE"], False,
    ),
    "all were looked at": (
        PIN, {"ran_on": ("id-w1",)},
        ["It ran last on w1", "looked at: m1, w1, w2", "-e data=lost"], True,
    ),
    "the one that had it is given up": (
        GIVEN_UP, {"ran_on": ("id-w1",), "away": ("w1",)}, ["looked at: m1, w2)"], True
    ),
    "a node that was removed is given up": (
        replace(GIVEN_UP, remove=["gone1"]), {"ran_on": ("gone1",)}, ["It ran last on gone1"], True
    ),
    "it joined again, and its earlier node is unknown": (
        PIN, {"ran_on": ("gone1",), "volumes": {"w2": VOLUME}},
        ["monsterstack_redis_data is on w2: a machine that joined again", f"{BACK} w2",
         "-e node=gone1 -e dead=true"], False,
    ),
    "two are away": (
        PIN, {"ran_on": ("gone1",), "away": ("w2",)},
        ["gone1: Swarm lists it no more", "none of them will ever come back",
         "-e node=w2,gone1 -e dead=true."], False,
    ),
    "one of two is given up": (
        GIVEN_UP, {"ran_on": ("gone1",), "away": ("w1",)}, ["-e node=w1,gone1 -e dead=true."], False
    ),
    "one that answers is not given up": (
        PIN, {"ran_on": ("gone1",), "unmounted": ("w2",)},
        ["w2: /var/lib/docker", "-e node=gone1 -e dead=true."], False,
    ),
    "given up, and another one has it": (
        GIVEN_UP, {"ran_on": ("id-w1",), "away": ("w1",), "volumes": {"w2": VOLUME}},
        ["is on w2: look which", f"{BACK} NODE"], False,
    ),
}  # fmt: skip


@pytest.mark.fault("A11")
@pytest.mark.fault("point2")
@pytest.mark.parametrize(("wishes", "given", "refusal", "advised"), LOST.values(), ids=LOST)
def test_a_pin_that_no_node_has_does_not_go_to_another(
    wishes: Wishes, given: dict[str, Any], refusal: list[str], advised: bool
) -> None:
    given = {"services": [REDIS], **given}
    errors = plan(wishes, {}, **given).errors
    assert len(errors) == 1, errors
    assert all(piece in errors[0] for piece in refusal), errors
    assert ("data=lost" in errors[0]) == advised
    # The word is typed all the same.
    obeyed = plan(replace(wishes, lose_data=True), {}, **given)
    assert obeyed.errors == ([] if advised else errors)
    moved = "monsterstack.redis goes to another node, where what it stands for is empty."
    assert (moved in obeyed.notices) == advised
    # Who sets no labels goes on, and says so.
    for word in (False, True):
        other = plan(replace(wishes, labels=False, lose_data=word), {}, **given)
        assert (other.errors, [text for text in other.notices if text in errors]) == ([], errors)
        assert moved not in other.notices


@pytest.mark.fault("A11")
def test_a_machine_that_joined_again_is_not_said_to_be_older() -> None:
    given: dict[str, Any] = {"services": [REDIS], "volumes": {"w2": VOLUME}}
    (error,) = plan(PIN, {}, ran_on=("gone1",), **given).errors
    assert "older" not in error


@pytest.mark.fault("A11", "point2")
@pytest.mark.parametrize("ran_on", [("gone1",), ()], ids=["its earlier node", "nobody remembers"])
def test_a_machine_that_left_the_swarm_gets_its_label_back(ran_on: tuple[str, ...]) -> None:
    """Seen: it was to get the label from Swarm, which refuses it for a machine that has not joined,
    and the run that lets it join was refused for want of the label."""
    given: dict[str, Any] = {"services": [REDIS], "ran_on": ran_on, "outside": ("w1",)}
    (error,) = plan(PIN, {}, volumes={"w1": VOLUME}, **given).errors
    assert "the entry node_labels: {monsterstack.redis: 'true'} for w1 in the inventory" in error
    assert "docker node update --label-add monsterstack.redis=true w1" not in error
    assert plan(PIN, {}, volumes={"w1": VOLUME}, chosen="w1", **given).errors == []
    # The label alone proves nothing: without the data there it is asked for as before.
    assert plan(PIN, {}, chosen="w1", **given).errors
    assert plan(PIN, {}, volumes={"w1": VOLUME}, chosen="w2", **given).errors == [error]


GIVE_UP = re.compile(r"playbooks/node_remove\.yml -e node=(\S+) -e dead=true\.")
# Each row: what `plan` is given while nobody can be brought back.
AWAY: dict[str, dict[str, Any]] = {
    "all were looked at": {"ran_on": ("id-w1",)},
    "the last one is off": {"ran_on": ("id-w1",), "away": ("w1",)},
    "another one is off": {"ran_on": ("id-w1",), "away": ("w2",)},
    "both are off": {"ran_on": ("id-w1", "id-w2"), "away": ("w1", "w2")},
    "Swarm lists the last one no more": {"ran_on": ("gone1",)},
    "nor the one before it": {"ran_on": ("gone1", "gone2")},
    "and one is off": {"ran_on": ("gone1", "id-w2"), "away": ("w2",)},
}


@pytest.mark.fault("A11")
@pytest.mark.fault("point2")
@pytest.mark.parametrize("given", AWAY.values(), ids=AWAY)
def test_what_is_said_of_a_lost_pin_leads_to_an_end(given: dict[str, Any]) -> None:
    """Each command is obeyed as it is typed: from site.yml on, to a run that refuses nothing."""
    wishes = PIN
    for _step in range(3):
        errors = plan(wishes, {}, [REDIS], **given).errors
        if not errors:
            return
        assert len(errors) == 1, errors
        if found := GIVE_UP.search(errors[0]):
            # Another command: the words of the one before it are not typed again.
            wishes = replace(PIN, remove=found[1].split(","), dead=True)
        elif "Run the same command again with -e data=lost added" in errors[0]:
            wishes = replace(wishes, lose_data=True)
        else:
            assert "Say so to site.yml or node_remove.yml with -e data=lost" in errors[0]
            wishes = replace(PIN, lose_data=True)
    pytest.fail(f"still refused: {errors}")


@pytest.mark.fault("A11")
def test_a_pin_that_is_new_or_held_is_not_missed() -> None:
    assert plan(PIN, {}, []).errors == []
    assert plan(PIN, HELD, [REDIS], ran_on=("id-w1",)).errors == []


# Each row: what lies on w1 while it holds the pin, how it is removed, and pieces of the refusal;
# none: the word is believed.
WORDS: dict[str, tuple[dict[str, Any], Wishes, list[str]]] = {
    "a living node with the volume": (
        {"volumes": {"w1": VOLUME}}, replace(PIN, remove=["w1"]),
        ["monsterstack_redis_data is there", "Keep the node, or move the data first"],
    ),
    "a living node without it": ({}, replace(PIN, remove=["w1"]), []),
    "a disk that is not mounted": (
        {"unmounted": ("w1",)}, replace(PIN, remove=["w1"]), ["nothing here knows"]
    ),
    "a machine that is off": (
        {"away": ("w1",)}, replace(PIN, remove=["w1"]), ["does not answer. Start it"]
    ),
    "dead by the operator's word": ({"away": ("w1",)}, GIVEN_UP, []),
    "called dead, and it answers": ({"volumes": {"w1": VOLUME}}, GIVEN_UP, ["w1 is not dead"]),
}  # fmt: skip


@pytest.mark.fault("point2")
@pytest.mark.parametrize(("given", "wishes", "refusal"), WORDS.values(), ids=WORDS)
def test_data_are_given_up_only_where_the_machine_has_none(
    given: dict[str, Any], wishes: Wishes, refusal: list[str]
) -> None:
    errors = plan(replace(wishes, lose_data=True), HELD, [REDIS], **given).errors
    assert len(errors) == bool(refusal), errors
    assert all(piece in errors[0] for piece in refusal), errors


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
