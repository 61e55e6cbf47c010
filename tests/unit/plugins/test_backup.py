"""What a backup is taken from, and where its parts go back to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.backup import (
    outdated,
    plan_backup,
    plan_restore,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host
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
) -> Host:
    facts = machine(name, cluster, nodes) | {"hostname": hostname or name}
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


@pytest.mark.fault("C4")
@pytest.mark.parametrize(
    ("nodes", "force"),
    [(TWO[:2], False), (TWO, True)],
    ids=["two managers are all", "one of three is lost, and it is forced"],
)
def test_two_managers_that_are_left_are_kept_too(nodes: list[dict[str, Any]], force: bool) -> None:
    hosts = [host("m1", nodes), host("m2", nodes), host("w1")]
    plan = plan_backup(hosts, looked({}), [DATA], [], "now", force)
    assert (plan.errors, plan.copied_from) == ([], "m2")
    assert "which is no quorum: for some seconds" in plan.notices[0]


@pytest.mark.parametrize(("hosts", "said", "name", "notice"), COPIED.values(), ids=COPIED)
def test_who_is_copied(hosts: list[Host], said: dict[str, Any], name: str, notice: str) -> None:
    plan = plan_backup(hosts, said, [DATA], [], "now")
    assert plan.errors == []
    assert plan.copied_from == name
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


MANIFEST = {
    "format": 1,
    "cluster_id": "A",
    "copied_from": "m2",
    "nodes": [{"hostname": name} for name in ("m1", "m2", "w1")],
    "volumes": [
        {
            "name": "shop_data",
            "hostname": "w1",
            "labels": {"x": "y"},
            "file": "w1/shop_data.tar",
            "bytes": 1,
        }
    ],
}


def fresh(*names: str) -> list[Host]:
    return [host(name, cluster=None) for name in names]


def test_onto_empty_machines() -> None:
    plan = plan_restore(fresh("m1", "m2", "w1"), MANIFEST, "a.cluster")
    assert (plan.errors, plan.notices) == ([], [])
    assert (plan.target, plan.resumed, plan.force) == ("m2", False, True)
    labels = {"x": "y", "monsterstack.swarm.restored": "a.cluster"}
    one = {"name": "shop_data", "labels": labels, "file": "w1/shop_data.tar"}
    assert plan.volumes == {"w1": [one]}
    assert len(plan.steps) == 2


def test_a_host_is_known_by_what_it_calls_itself() -> None:
    hosts = [*fresh("m1", "m2"), host("w7", cluster=None, hostname="w1")]
    assert list(plan_restore(hosts, MANIFEST, "a").volumes) == ["w7"]


ONE = [node("m2", leader=True)]
# Each row: what m2 sees of the archive's swarm, whether it has to be forced.
RESUMED: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "no quorum yet": ([], True),
    "it leads": (ONE, False),
}


@pytest.mark.parametrize(("nodes", "force"), RESUMED.values(), ids=RESUMED)
def test_resumed(nodes: list[dict[str, Any]], force: bool) -> None:
    hosts = [host("m1", cluster=None), host("m2", nodes), host("w1", cluster=None)]
    plan = plan_restore(hosts, MANIFEST, "a")
    assert plan.errors == []
    assert (plan.resumed, plan.force, plan.steps) == (True, force, [])
    assert "no data are overwritten" in plan.notices[0]


NOT_RESTORED: dict[str, tuple[list[Host], dict[str, Any], str]] = {
    "a newer format": (fresh("m2", "w1"), {**MANIFEST, "format": 2}, "has the format 2"),
    "a host is away": (
        [*fresh("m1", "m2"), host("w1", reached=False)],
        MANIFEST,
        "w1 cannot be reached",
    ),
    "a host is in another swarm": (
        [*fresh("m1", "m2"), host("w1", cluster="B")],
        MANIFEST,
        "w1 is in the swarm B",
    ),
    "a host is in the archive's swarm, whose state is gone": (
        [*fresh("m1", "m2"), host("w1")],
        MANIFEST,
        "w1 still belong to the swarm A",
    ),
    "no manager of that name": (fresh("m1", "w1"), MANIFEST, "the swarm's state is from m2"),
    "no host for a volume": (fresh("m1", "m2"), MANIFEST, "the volume shop_data is from w1"),
}


@pytest.mark.parametrize(("hosts", "manifest", "piece"), NOT_RESTORED.values(), ids=NOT_RESTORED)
def test_restore_refused(hosts: list[Host], manifest: dict[str, Any], piece: str) -> None:
    plan = plan_restore(hosts, manifest, "a.cluster")
    assert len(plan.errors) == 1
    assert piece in plan.errors[0]
