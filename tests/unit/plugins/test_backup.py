"""What a backup is taken from, and where its parts go back to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.backup import (
    Archive,
    RestorePlan,
    outdated,
    plan_backup,
    plan_restore,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host
from ansible_collections.monsterstack.swarm.plugins.module_utils.host import (
    bound_labels,
    summarise_services,
)
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import machine


def node(name: str, *, leader: bool = False, reachable: bool = True) -> dict[str, Any]:
    manager = name.startswith("m")
    return {
        "id": f"id-{name}",
        "hostname": name,
        "role": "manager" if manager else "worker",
        "addr": "192.0.2.1",
        "labels": {"zone": "a"},
        "availability": "active",
        "leader": leader,
        "reachability": ("reachable" if reachable else "unreachable") if manager else None,
    }


def host(
    name: str,
    nodes: list[dict[str, Any]] | None = None,
    *,
    cluster: str | None = "A",
    hostname: str = "",
    reached: bool = True,
    engine: str = "running",
    error: str | None = None,
) -> Host:
    facts = machine(name, cluster, nodes, engine=engine, error=error)
    facts |= {"hostname": hostname or name}
    group = "managers" if name.startswith("m") else "workers"
    return Host(name, group, "192.0.2.1", facts if reached else None)


THREE = [node("m1", leader=True), node("m2"), node("m3"), node("w1")]
TWO = [node("m1", leader=True), node("m2"), node("m3", reachable=False)]
ALL = [host("m1", THREE), host("m2", THREE), host("m3", THREE), host("w1")]
DATA = {"name": "shop_data", "service": "shop_db"}
MIB = 1 << 20


def looked(tasks: dict[str, int], data_on: str = "w1", free: int = 100) -> dict[str, Any]:
    return {
        name: {
            "tasks": tasks.get(name, 0),
            "volumes": [{"name": "shop_data", "bytes": 5 * MIB}] if name == data_on else [],
            "swarm": {"bytes": MIB},
            "free_bytes": free * MIB,
        }
        for name in ("m1", "m2", "m3", "w1")
    }


# Each row: the hosts, what they said, who is copied, a piece of what is said about it.
COPIED: dict[str, tuple[list[Host], dict[str, Any], str, str]] = {
    "not the leader": (ALL, looked({}), "m2", ""),
    "the one that runs nothing": (ALL, looked({"m2": 1}), "m3", ""),
    "all but the leader run something": (ALL, looked({"m2": 3, "m3": 1}), "m3", "runs 1 tasks"),
    "the only manager": (
        [host("m1", [node("m1", leader=True)]), host("w1")],
        looked({"m1": 2}),
        "m1",
        "m1 is the only manager: while its state is copied, its engine and the 2 tasks",
    ),
}


@pytest.mark.fault("A12")
def test_what_a_silent_node_may_hold_is_not_kept_and_that_is_said() -> None:
    plan = plan_backup([*ALL, host("w2", reached=False)], looked({}), [DATA], [], "now")
    assert not plan.errors
    assert "w2 cannot be asked: what a volume holds there is not kept" in plan.notices[0]


@pytest.mark.fault("C4")
@pytest.mark.parametrize(
    ("nodes", "force"),
    [(TWO[:2], False), (TWO, True)],
    ids=["two managers are all", "one of three is lost, and it is forced"],
)
def test_two_managers_that_are_left_are_kept_too(nodes: list[dict[str, Any]], force: bool) -> None:
    hosts = [host("m1", nodes), host("m2", nodes), host("w1")]
    plan = plan_backup(hosts, looked({}), [DATA], [], "now", force)
    assert (plan.errors, plan.copied_from, plan.without_quorum) == ([], "m2", True)
    assert "which is no quorum: for some seconds" in plan.notices[0]


@pytest.mark.parametrize(("hosts", "said", "name", "notice"), COPIED.values(), ids=COPIED)
def test_who_is_copied(hosts: list[Host], said: dict[str, Any], name: str, notice: str) -> None:
    plan = plan_backup(hosts, said, [DATA], [], "now")
    assert plan.errors == []
    assert (plan.copied_from, plan.without_quorum) == (name, False)
    assert notice in "".join(plan.notices)
    assert bool(notice) == bool(plan.notices)
    assert plan.manifest["copied_from"] == name
    assert (plan.manifest["cluster_id"], plan.manifest["at"]) == ("A", "now")


REFUSED: dict[str, tuple[list[Host], dict[str, Any], str]] = {
    "one manager more would be missed": (
        [host("m1", TWO), host("m2", TWO), host("m3", reached=False)],
        looked({}),
        "of 3 managers 2 answer",
    ),
    "no quorum": ([host("m1"), host("m2")], looked({}), "no manager of the inventory answers"),
    "the volume is nowhere": (ALL, looked({}, data_on=""), "the volume shop_data is not found"),
    "no room on a worker": (ALL, looked({}, free=4), "w1 has 4 MiB free"),
    "no room for the state": (ALL, looked({}, data_on="m2", free=5), "m2 has 5 MiB free"),
}


@pytest.mark.parametrize(("hosts", "said", "piece"), REFUSED.values(), ids=REFUSED)
def test_backup_refused(hosts: list[Host], said: dict[str, Any], piece: str) -> None:
    plan = plan_backup(hosts, said, [DATA], [], "now")
    assert len(plan.errors) == 1
    assert piece in plan.errors[0]


def test_what_is_not_kept_is_said() -> None:
    plan = plan_backup(ALL, looked({}), [DATA], ["shop_cache"], "now")
    assert "not kept" in plan.notices[0]
    assert "shop_cache" in plan.notices[0]


@pytest.mark.fault("A12")
def test_what_other_stacks_have_is_named() -> None:
    """Seen: shop had a volume, and nobody learned that the backup of another stack has it not."""
    said = {"shop": ["shop_data"], "blog": ["blog_a", "blog_b"], "wiki": [], "registry": ["r"]}
    services = {name: {"services": {"db": {"volumes": its}}} for name, its in said.items()}
    hosts = [Host(h.name, h.group, h.address, {**(h.info or {}), "stacks": services}) for h in ALL]
    plan = plan_backup(hosts, looked({}), [DATA], [], "now", stack="shop")
    assert [text for text in plan.notices if "stack" in text] == [
        "not kept: the data of the stack blog (blog_a, blog_b). They need a run of their own: "
        "backup.yml -e stack=blog."
    ]


@pytest.mark.fault("A12")
def test_a_volume_of_several_nodes_is_named_when_it_is_kept() -> None:
    """That of a global service, or of several replicas: each node has its own."""
    said = looked({})
    said["m1"]["volumes"] = said["w1"]["volumes"]
    plan = plan_backup(ALL, said, [DATA], [], "now")
    assert plan.errors == []
    assert "the volume shop_data is on m1, w1, and" in plan.notices[0]
    assert "a restore puts each back on the node that it is from" in plan.notices[0]


MINE = {"stack": "shop", "cluster_id": "A"}
FOLDER: dict[str, dict[str, str]] = {
    "shop-20251230T000000Z.cluster": MINE,
    "shop-20260101T000000Z.cluster": MINE,
    "shop-20260103T000000Z.cluster": MINE,
    "shop-20260109T000000Z.cluster": MINE,
    "alpha-20260101T000000Z.cluster": {"stack": "alpha", "cluster_id": "A"},
    "zeta-20260101T000000Z.cluster": {"stack": "zeta", "cluster_id": "A"},
    "shop-2-20260101T000000Z.cluster": {"stack": "shop-2", "cluster_id": "A"},
    "shop-20260102T000000Z.cluster": {"stack": "shop", "cluster_id": "B"},
    "shop-copy.cluster": MINE,
}
# Each row: what has just been made, how many stay, times of the files that go.
OLD: dict[str, tuple[str, int, list[str]]] = {
    "all stay": ("20260109", 0, []),
    "more than there are": ("20260109", 9, []),
    "as many as there are": ("20260109", 4, []),
    "the oldest": ("20260109", 3, ["20251230"]),
    "all but the new one": ("20260109", 1, ["20260103", "20260101", "20251230"]),
    "the clock went back since": ("20251230", 2, ["20260103", "20260101"]),
}


@pytest.mark.fault("A3")
@pytest.mark.parametrize(("new", "keep", "days"), OLD.values(), ids=OLD)
def test_older_archives_of_the_same_cluster_and_stack(new: str, keep: int, days: list[str]) -> None:
    others = ["shop-20260103T000000Z.credentials", "notes.txt", *FOLDER]
    gone = outdated(FOLDER, others, f"shop-{new}T000000Z.cluster", keep)
    assert [name for name in gone if name.endswith(".cluster")] == [
        f"shop-{day}T000000Z.cluster" for day in days
    ]
    # Before the archive that they belong to.
    pair = ["shop-20260103T000000Z.credentials", "shop-20260103T000000Z.cluster"]
    assert (gone[:2] == pair) == ("20260103" in days)


@pytest.mark.fault("A3")
def test_nothing_goes_for_a_new_archive_that_does_not_open() -> None:
    assert outdated({}, FOLDER, "shop-20260103T000000Z.cluster", 1) == []


def manifest(stack: str, at: str, *volumes: tuple[str, str], **more: Any) -> dict[str, Any]:
    """An archive's, with volumes as (name, host name)."""
    names = ("m1", "m2", "w1")
    return {
        "format": 1,
        "at": at,
        "stack": stack,
        "cluster_id": "A",
        "copied_from": "m2",
        "state_file": "m2/swarm.tar",
        "nodes": [{**node(name), "hostname": name} for name in names],
        "volumes": [
            {
                "name": name,
                "hostname": hostname,
                "labels": {"x": "y"},
                "file": f"{hostname}/{name}.tar",
                "sha256": "0",
                "bytes": 1,
            }
            for name, hostname in volumes
        ],
        **more,
    }


SHOP = manifest("shop", "20260101T000000Z", ("shop_data", "w1"), ("registry_data", "m1"))
# Made a day later.
BLOG = manifest("blog", "20260102T000000Z", ("blog_data", "w1"), ("registry_data", "m1"))


def restore(
    hosts: list[Host],
    *manifests: dict[str, Any],
    there: dict[str, list[dict[str, Any]]] | None = None,
    without: Sequence[str] = (),
    aside: bool = False,
) -> RestorePlan:
    archives = [
        Archive(name, str(number), one, f"b/{name}")
        for number, one in enumerate(manifests)
        for name in [f"{one['stack']}-{one['at']}.cluster"]
    ]
    return plan_restore(hosts, archives, there or {}, without, aside)


def fresh(*names: str) -> list[Host]:
    return [host(name, cluster=None) for name in names]


EMPTY = fresh("m1", "m2", "w1")
SHOP_NAME, BLOG_NAME = "shop-20260101T000000Z.cluster", "blog-20260102T000000Z.cluster"


def put(name: str, archive: str, file: str) -> dict[str, Any]:
    labels = {"x": "y", "monsterstack.swarm.restored": archive}
    return {"name": name, "labels": labels, "file": file}


def test_onto_empty_machines() -> None:
    plan = restore(EMPTY, SHOP)
    assert (plan.errors, plan.notices, plan.pins) == ([], [], {})
    assert (plan.target, plan.resumed, plan.force) == ("m2", False, True)
    assert plan.state_file == "0/m2/swarm.tar"
    assert plan.volumes == {
        "m1": [put("registry_data", SHOP_NAME, "0/m1/registry_data.tar")],
        "w1": [put("shop_data", SHOP_NAME, "0/w1/shop_data.tar")],
    }
    assert len(plan.steps) == 3


@pytest.mark.fault("A12")
@pytest.mark.parametrize("order", [(SHOP, BLOG), (BLOG, SHOP)], ids=["older first", "newer first"])
def test_archives_of_two_stacks(order: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The newest state knows both stacks, and each volume is in its place before it is started."""
    plan = restore(EMPTY, *order)
    shop, blog = order.index(SHOP), order.index(BLOG)
    assert (plan.errors, plan.notices) == ([], [])
    assert plan.state_file == f"{blog}/m2/swarm.tar"
    assert plan.volumes == {
        "m1": [put("registry_data", BLOG_NAME, f"{blog}/m1/registry_data.tar")],
        "w1": [
            put("blog_data", BLOG_NAME, f"{blog}/w1/blog_data.tar"),
            put("shop_data", SHOP_NAME, f"{shop}/w1/shop_data.tar"),
        ],
    }


def test_a_host_is_known_by_what_it_calls_itself() -> None:
    hosts = [*fresh("m1", "m2"), host("w7", cluster=None, hostname="w1")]
    assert set(restore(hosts, SHOP).volumes) == {"m1", "w7"}


STACKS = {"shop": ["shop_cache", "shop_data"], "blog": ["blog_data"], "web": []}
WIKI = manifest("wiki", "20251231T000000Z", ("wiki_data", "w1"))


@pytest.mark.fault("A12")
def test_a_stack_whose_archive_is_not_named_would_begin_empty() -> None:
    """The state has all stacks, and starts them as soon as their nodes are there."""
    known = {**SHOP, "stacks": STACKS}
    plan = restore(EMPTY, known)
    (refused,) = plan.errors
    assert "(blog: blog_data)" in refused
    assert f"-e archive=b/{SHOP_NAME},…/blog-….cluster. " in refused
    assert refused.endswith("begin empty with -e without=blog.")
    empty = restore(EMPTY, known, without=["blog"])
    assert empty.errors == []
    assert "the stack blog: it begins without blog_data" in "".join(empty.notices)
    both = restore(EMPTY, known, {**BLOG, "stacks": STACKS})
    assert both.errors == []
    assert both.notices == ["in no archive, so the stack shop begins without it: shop_cache."]


@pytest.mark.fault("A12", "point2")
def test_archives_that_are_missing_are_named_once_and_for_all() -> None:
    """Whoever types what is said has typed all of them, with those that were typed before."""
    stacks = {**STACKS, "wiki": ["wiki_data"]}
    known = {**SHOP, "stacks": stacks}
    (refused,) = restore(EMPTY, known).errors
    assert "(blog: blog_data; wiki: wiki_data)" in refused
    assert f"-e archive=b/{SHOP_NAME},…/blog-….cluster,…/wiki-….cluster. " in refused
    (refused,) = restore(EMPTY, known, WIKI).errors
    # Each stack that begins empty is named: the word for one says nothing of another.
    (refused,) = restore(EMPTY, known, without=["wiki"]).errors
    assert "(blog: blog_data)" in refused
    assert refused.endswith("begin empty with -e without=blog,wiki.")
    (refused,) = restore(EMPTY, known, WIKI).errors
    typed = f"b/{SHOP_NAME},b/wiki-20251231T000000Z.cluster"
    assert f"-e archive={typed},…/blog-….cluster. " in refused
    assert restore(EMPTY, known, WIKI, {**BLOG, "stacks": stacks}).errors == []


FOUR = [node("m1"), node("m2", leader=True), node("w1"), node("w2")]
INSIDE = [host("m1", FOUR), host("m2", FOUR), host("w1"), host("w2")]


def found(name: str, archive: str = "", *users: str, data: bool = True) -> dict[str, Any]:
    who: dict[str, list[str]] = {"users": list(users), "containers": []}
    return {"name": name, "data": data, "archive": archive, **who}


REGISTRY = {"m1": [found("registry_data", BLOG_NAME, "registry")]}


@pytest.mark.fault("A12")
def test_a_second_stacks_archive_into_the_restored_cluster() -> None:
    """What was restored first is left alone, and the registry's volume is every archive's."""
    plan = restore(INSIDE, SHOP, there=REGISTRY)
    assert (plan.errors, plan.target, plan.resumed, plan.force) == ([], "m2", True, False)
    assert plan.volumes == {"w1": [put("shop_data", SHOP_NAME, "0/w1/shop_data.tar")]}
    assert plan.state_file == ""
    assert "no data are overwritten" in plan.notices[0]
    assert "registry_data on m1 holds data already and stays as it is" in plan.notices[1]
    assert plan.steps == [f"w1 gets the volume shop_data from {SHOP_NAME}."]


@pytest.mark.fault("A12")
def test_an_empty_volume_that_nothing_uses_is_filled() -> None:
    there = {**REGISTRY, "w1": [found("shop_data", data=False)]}
    assert "w1" in restore(INSIDE, SHOP, there=there).volumes


def test_what_an_earlier_run_put_back_is_left_alone() -> None:
    there = {**REGISTRY, "w1": [found("shop_data", SHOP_NAME, "shop_db")]}
    plan = restore(INSIDE, SHOP, there=there)
    assert (plan.errors, plan.volumes, plan.steps) == ([], {}, [])


# Each row: what is in the way on w1, pieces of the refusal.
OCCUPIED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "data of nobody knows whom": (
        found("shop_data"),
        ["holds data that are not from", "nothing is overwritten", "-e aside=true"],
    ),
    "data of another archive, in use": (
        found("shop_data", "shop-20250101T000000Z.cluster", "shop_db"),
        [
            "it belongs to shop_db",
            "('docker service scale shop_db=0' on a manager)",
            "-e aside=true",
            "site.yml -e stack=shop starts shop_db again.",
        ],
    ),
    "in use by a container of no service": (
        {**found("shop_data"), "containers": ["psql"]},
        # All of it at once: obeyed, the next run meets nothing of it any more.
        [
            "it belongs to psql",
            "('docker stop psql' and 'docker rm psql' on w1)",
            "'docker commit' before it keeps that",
            "Nobody but you makes psql again",
        ],
    ),
    "in use by both": (
        {**found("shop_data", "", "shop_db"), "containers": ["psql"]},
        [
            "('docker service scale shop_db=0' on a manager, ",
            ", 'docker stop psql' and 'docker rm psql' on w1)",
        ],
    ),
    "in use before it was filled": (
        found("shop_data", "", "shop_db", data=False),
        ["is empty, it belongs to shop_db"],
    ),
}


@pytest.mark.fault("A12")
@pytest.mark.parametrize(("there", "pieces"), OCCUPIED.values(), ids=OCCUPIED)
@pytest.mark.parametrize("hosts", [INSIDE, EMPTY], ids=["in the cluster", "on an empty machine"])
def test_no_data_are_overwritten(
    hosts: list[Host], there: dict[str, Any], pieces: list[str]
) -> None:
    plan = restore(hosts, SHOP, there={**({} if hosts is EMPTY else REGISTRY), "w1": [there]})
    (refused,) = plan.errors
    assert "the volume shop_data on w1" in refused
    assert [piece for piece in pieces if piece not in refused] == []
    assert "w1" not in plan.volumes
    # Obeyed: what nobody uses goes aside, and what is in use is refused still.
    obeyed = restore(
        hosts, SHOP, there={**({} if hosts is EMPTY else REGISTRY), "w1": [there]}, aside=True
    )
    used = bool(there["users"] or there["containers"])
    assert obeyed.errors == ([refused] if used else [])
    moved = "what shop_data on w1 holds is moved to shop_data.before.shop-20260101T000000Z."
    assert (moved in obeyed.steps) == (not used)
    if not used:
        assert obeyed.volumes["w1"][0]["aside"] == "shop_data.before.shop-20260101T000000Z"


def labelled(name: str) -> list[dict[str, Any]]:
    """The nodes of the cluster, of which one has the label."""
    return [{**one, "labels": {"shop.data": "true"}} if one["id"] == name else one for one in FOUR]


BOUND = {**SHOP, "bound": {"shop_data": "shop.data"}}


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("nodes", "goes_to", "pins"),
    [
        (labelled("id-w1"), "w1", {}),
        (labelled("id-w2"), "w2", {}),
        (FOUR, "w1", {"shop.data": ["w1"]}),
    ],
    ids=["where it was", "moved since", "carried by nobody"],
)
def test_a_volume_goes_where_its_service_will_look_for_it(
    nodes: list[dict[str, Any]], goes_to: str, pins: dict[str, list[str]]
) -> None:
    hosts = [host("m1", nodes), host("m2", nodes), host("w1"), host("w2")]
    plan = restore(hosts, BOUND, there=REGISTRY)
    assert (plan.errors, list(plan.volumes), plan.pins) == ([], [goes_to], pins)


def copies(*hostnames: str, **bound: str) -> dict[str, Any]:
    """An archive of a volume that several nodes had; of the nodes w1 had the label shop.data."""
    made = manifest("shop", "20260101T000000Z", *(("shop_data", name) for name in hostnames))
    names = ("m1", "m2", "w1", "w2")
    listed = [{**node(name), "labels": {"shop.data": "true"} if name == "w1" else {}}
              for name in names]  # fmt: skip
    return {**made, "nodes": listed, "bound": bound}


FRESH = fresh("m1", "m2", "w1", "w2")


@pytest.mark.fault("A12")
def test_each_node_gets_its_own_copy_back() -> None:
    for order in (("w1", "w2"), ("w2", "w1")):
        plan = restore(FRESH, copies(*order))
        assert (plan.errors, plan.notices) == ([], [])
        assert plan.volumes == {
            name: [put("shop_data", SHOP_NAME, f"0/{name}/shop_data.tar")] for name in order
        }
        assert f"w2 gets the volume shop_data from {SHOP_NAME}, that of w2." in plan.steps
    # The newest archive counts for all nodes, also for one that only the older one knows.
    newer = {**copies("w1", "m1"), "at": "20260103T000000Z", "stack": "blog"}
    assert sorted(restore(FRESH, copies("w1", "w2"), newer).volumes) == ["m1", "w1"]


@pytest.mark.fault("A12")
@pytest.mark.parametrize("order", [("w1", "w2"), ("w2", "w1")], ids="-".join)
@pytest.mark.parametrize("now", ["w1", "w2", "m1"])
def test_where_the_label_is_the_copy_of_the_node_that_had_it_counts(
    order: tuple[str, str], now: str
) -> None:
    nodes = labelled(f"id-{now}")
    hosts = [host("m1", nodes), host("m2", nodes), host("w1"), host("w2")]
    plan = restore(hosts, copies(*order, shop_data="shop.data"))
    files = {name: [one["file"] for one in some] for name, some in plan.volumes.items()}
    w1, w2 = ["0/w1/shop_data.tar"], ["0/w2/shop_data.tar"]
    assert files == {"w1": {"w1": w1, "w2": w2}, "w2": {"w2": w1}, "m1": {"m1": w1, "w2": w2}}[now]
    assert plan.errors == []
    left = "shop_data of w2 is not put back, because that of w1 goes to w2"
    assert (left in " ".join(plan.notices)) == (now == "w2")


def test_a_backup_names_the_volumes_of_all_stacks() -> None:
    # As host_info lists a service that is bound to a label and writes to a volume.
    service = {
        "ID": "s1",
        "Spec": {
            "Name": "shop_db",
            "Labels": {"com.docker.stack.namespace": "shop"},
            "Mode": {"Replicated": {"Replicas": 1}},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": "db",
                    "Mounts": [
                        {"Type": "volume", "Source": "shop_data", "Target": "/data"},
                        {"Type": "volume", "Source": "shop_ro", "Target": "/ro", "ReadOnly": True},
                    ],
                },
                "Placement": {"Constraints": ["node.labels.shop.data == true"]},
            },
        },
    }
    nodes = [
        {**one, "labels": {"shop.data": "true"}} if one["id"] == "id-w1" else one for one in THREE
    ]
    facts = machine("m2", "A", nodes) | {
        "stacks": summarise_services([service]),
        "bound_labels": bound_labels([service]),
    }
    hosts = [host("m1", nodes), Host("m2", "managers", "192.0.2.1", facts), host("m3", nodes)]
    made = plan_backup(hosts, looked({}), [DATA], [], "now").manifest
    assert made["stacks"] == {"shop": ["shop_data"]}
    assert made["bound"] == {"shop_data": "shop.data"}


ONE = [node("m2", leader=True)]
PAIR = [node("m1", leader=True), node("m3")]
AWAY = [host("m1", cluster=None), host("w1", cluster=None)]
# Each row: the hosts (the archive is of m2), who has the state, whether it has to be forced.
RESUMED: dict[str, tuple[list[Host], str, bool]] = {
    "no quorum yet": ([*AWAY, host("m2")], "m2", True),
    "its engine is stopped": ([*AWAY, host("m2", engine="stopped")], "m2", True),
    "it leads": ([*AWAY, host("m2", ONE)], "m2", False),
    "others lead, and it is cut off": (
        [host("m1", PAIR), host("m2"), host("m3", PAIR), host("w1")],
        "m1",
        False,
    ),
    "others lead, and its engine is stopped": (
        [host("m1", PAIR), host("m2", engine="stopped"), host("m3", PAIR), host("w1")],
        "m1",
        False,
    ),
}


@pytest.mark.fault("A12")
@pytest.mark.parametrize(("hosts", "target", "force"), RESUMED.values(), ids=RESUMED)
def test_resumed(hosts: list[Host], target: str, force: bool) -> None:
    there = {"w1": [found("shop_data", SHOP_NAME)], "m1": [found("registry_data", SHOP_NAME)]}
    plan = restore(hosts, SHOP, there=there)
    assert plan.errors == []
    assert (plan.target, plan.resumed, plan.force, plan.steps) == (target, True, force, [])
    assert "no data are overwritten" in plan.notices[0]


# Each row: who else has a part of the swarm of which m2 sees no leader.
BESIDE: dict[str, Host] = {
    "a manager without a leader": host("m1"),
    "a manager whose engine is stopped": host("m1", engine="stopped"),
    "a worker": host("w1"),
}


@pytest.mark.fault("A12", "point2")
@pytest.mark.parametrize("other", BESIDE.values(), ids=BESIDE)
def test_no_second_swarm_is_made_beside_one_that_may_live(other: Host) -> None:
    rest = [one for one in AWAY if one.name != other.name]
    there = {"w1": [found("shop_data", SHOP_NAME)], "m1": [found("registry_data", SHOP_NAME)]}
    for error, proven in (("The swarm does not have a leader.", True), ("timed out", False)):
        (said,) = restore([*rest, other, host("m2", error=error)], SHOP, there=there).errors
        assert f"m2 is in the swarm A and sees no leader, and {other.name} may have it too" in said
        assert "Start the other managers and run site.yml" in said
        assert ("playbooks/recover_quorum.yml -e survivor=m2" in said) == proven


@pytest.mark.fault("A12")
def test_an_archive_of_another_manager_does_not_end_what_was_restored_first() -> None:
    """Its own manager has not joined yet: nobody is told to leave the restored swarm."""
    hosts = [host("m1", cluster=None), host("m2", ONE), host("w1", cluster=None)]
    plan = restore(hosts, {**SHOP, "copied_from": "m1"})
    assert (plan.errors, plan.target, plan.resumed, plan.force) == ([], "m2", True, False)


# Each row: hosts, pieces of the one refusal, and whether it tells somebody to leave at once.
LEFT: dict[str, tuple[list[Host], list[str], bool]] = {
    "a worker of the archive's swarm": (
        [*fresh("m1", "m2"), host("w1")],
        ["Run 'docker swarm leave --force' there; their volumes stay."],
        True,
    ),
    "a manager of it": (
        [
            host("m1", error="The swarm does not have a leader."),
            host("m2", cluster=None),
            host("w1"),
        ],
        [
            "m1 may have its state, which is newer than the archive",
            "playbooks/recover_quorum.yml -e survivor=m1",
            "copy it away (cp -a /var/lib/docker/swarm /root/), and let",
        ],
        False,
    ),
    "a manager of it whose engine is stopped": (
        [host("m1", engine="stopped"), host("m2", cluster=None), host("w1", cluster=None)],
        ["m1 may have its state, which is newer than the archive: site.yml goes on with it"],
        False,
    ),
    "a host of another swarm whose engine is stopped": (
        [*fresh("m1", "m2"), host("w1", cluster="B", engine="stopped")],
        ["w1 is in the swarm B"],
        False,
    ),
    "a host of another swarm": (
        [*fresh("m1", "m2"), host("w1", cluster="B")],
        ["w1 is in the swarm B", "playbooks/node_remove.yml -e node=w1"],
        False,
    ),
}


@pytest.mark.fault("point2")
@pytest.mark.parametrize(("hosts", "pieces", "leaves"), LEFT.values(), ids=LEFT)
def test_a_restore_tells_nobody_to_give_up_state(
    hosts: list[Host], pieces: list[str], leaves: bool
) -> None:
    (said,) = restore(hosts, SHOP).errors
    assert all(piece in said for piece in pieces), said
    first = said.find("swarm leave")
    assert (first >= 0 and "copy it away" not in said[:first]) == leaves


@pytest.mark.fault("point2")
def test_nodes_that_are_no_more_are_removed_with_a_look_at_data_and_quorum() -> None:
    more = {**SHOP, "nodes": [*SHOP["nodes"], {"hostname": "w9"}]}
    said = " ".join(restore(EMPTY, more).notices)
    assert "playbooks/node_remove.yml -e node=w9 -e dead=true" in said


NOT_RESTORED: dict[str, tuple[list[Host], list[dict[str, Any]], str]] = {
    "a newer format": (fresh("m2", "w1"), [{**SHOP, "format": 2}], "has the format 2"),
    "a host is away": (
        [*fresh("m1", "m2"), host("w1", reached=False)],
        [SHOP],
        "w1 cannot be reached",
    ),
    "a host is in another swarm": (
        [*fresh("m1", "m2"), host("w1", cluster="B")],
        [SHOP],
        "w1 is in the swarm B",
    ),
    "a host is in the archive's swarm, whose state is gone": (
        [*fresh("m1", "m2"), host("w1")],
        [SHOP],
        "w1 still belong to the swarm A",
    ),
    "no manager of that name": (
        fresh("m1", "w1"),
        [SHOP],
        "the swarm's state is from m2",
    ),
    "no host for a volume": (fresh("m1", "m2"), [SHOP], "the volume shop_data is from w1"),
    "archives of two swarms": (EMPTY, [SHOP, {**BLOG, "cluster_id": "B"}], "archives of one swarm"),
    "two archives of a stack": (EMPTY, [SHOP, {**SHOP, "at": "now"}], "name one of them"),
}


@pytest.mark.parametrize(("hosts", "manifests", "piece"), NOT_RESTORED.values(), ids=NOT_RESTORED)
def test_restore_refused(hosts: list[Host], manifests: list[dict[str, Any]], piece: str) -> None:
    plan = restore(hosts, *manifests)
    assert len(plan.errors) == 1
    assert piece in plan.errors[0]
