"""Copies of volumes: what comes back is what went, and nothing that is there is overwritten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import EngineError
from ansible_collections.monsterstack.swarm.plugins.modules import node_archive
from ansible_collections.monsterstack.swarm.plugins.modules.node_archive import (
    RESTORED,
    UNFINISHED,
    ArchiveError,
    Node,
    pack,
    size_of,
    unpack,
)


class Volumes:
    """An engine with one volume that exists already, with these labels, and its containers."""

    def __init__(
        self,
        mountpoint: Path,
        labels: dict[str, str] | None,
        containers: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._answer: dict[str, Any] = {"Mountpoint": str(mountpoint), "Labels": labels}
        self._containers = containers

    def get(self, path: str, **query: Any) -> Any:
        if path == "/containers/json":
            assert query == {"all": "true", "filters": {"volume": ["shop_data"]}}
            # Swarm removes what is left of a task after a while.
            listed, self._containers = (
                self._containers,
                [one for one in self._containers if not one["Labels"]],
            )
            return listed
        if path == "/volumes/shop_data":
            return self._answer
        raise EngineError(404, "no such volume")

    def delete(self, path: str) -> None:
        assert path == "/volumes/shop_data"
        folder = Path(self._answer["Mountpoint"])
        assert not any(folder.iterdir()), "only an empty volume is made anew"
        self._answer["Labels"] = None

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/volumes/create"
        if body["Name"] != "shop_data":
            assert "Labels" not in body  # so that no teardown takes it for the stack's
            place = Path(self._answer["Mountpoint"]).with_name(body["Name"])
            place.mkdir(exist_ok=True)
            return {"Mountpoint": str(place), "Labels": None}
        if self._answer["Labels"] is None:
            self._answer["Labels"] = body["Labels"]
        return dict(self._answer)


def node(
    mountpoint: Path,
    labels: dict[str, str] | None = None,
    containers: Sequence[dict[str, Any]] = (),
) -> Node:
    made = Node.__new__(Node)
    made.engine = Volumes(mountpoint, labels, containers)  # type: ignore[assignment]
    made.module = SimpleNamespace(params={})
    return made


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    """A copy of a volume with a folder, a link and modes."""
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "file").write_text("data")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    (source / "link").symlink_to("deep/er/file")
    source.chmod(0o711)
    packed = pack(source, tmp_path / "volume.tar")
    assert packed["bytes"] == (tmp_path / "volume.tar").stat().st_size
    return tmp_path / "volume.tar"


def look(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and content (or target) by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        text = os.readlink(path) if path.is_symlink() else ""
        text = text or (path.read_text() if path.is_file() else "")
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, text)
    return found


def test_round_trip(tar: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    unpack(tar, target)
    assert look(target) == look(tmp_path / "source")
    assert size_of(target) == len("data") + len("#!/bin/sh\n")


LABELS = {"x": "y", RESTORED: "a.cluster"}
VOLUME = {"name": "shop_data", "labels": LABELS}

# Each row: what the volume holds, its labels when it is there already, whether it is written.
TARGETS: dict[str, tuple[list[str], dict[str, str] | None, bool]] = {
    "new": ([], None, True),
    "there and empty": ([], {}, True),
    "half written by an interrupted run": (["deep", f"{UNFINISHED}/run"], LABELS, True),
    "half written from another archive": (["deep", f"{UNFINISHED}/run"], {RESTORED: "b"}, True),
    "written by an earlier run": (["data"], LABELS, False),
}


@pytest.mark.parametrize(("held", "labels", "written"), TARGETS.values(), ids=TARGETS)
def test_unpack_volume(
    held: list[str], labels: dict[str, str] | None, written: bool, tar: Path, tmp_path: Path
) -> None:
    target = tmp_path / "_data"
    target.mkdir()
    for name in held:
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("old")
    before = look(target)
    made = node(target, labels)
    assert made.unpack_volume(VOLUME, tar) is written
    assert look(target) == (look(tmp_path / "source") if written else before)
    # A later run knows by it whose the data are.
    assert made.engine.get("/volumes/shop_data")["Labels"] == LABELS
    if written:
        assert target.stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize("labels", [{}, {RESTORED: "b.cluster"}], ids=["foreign", "another backup"])
def test_data_are_not_overwritten(labels: dict[str, str], tar: Path, tmp_path: Path) -> None:
    target = tmp_path / "_data"
    target.mkdir()
    (target / "data").write_text("precious")
    with pytest.raises(ArchiveError, match="With -e aside=true the data are moved"):
        node(target, labels).unpack_volume(VOLUME, tar)
    assert look(target)["data"][1] == "precious"


# As the engine lists them: a task's, and one that somebody started.
TASK = {
    "Names": ["/shop_db.1.k2zqx0"],
    "State": "running",
    "Labels": {"com.docker.swarm.service.name": "shop_db", "com.docker.swarm.node.id": "x"},
}
ALONE = {"Names": ["/psql"], "State": "running", "Labels": {}}


@pytest.mark.fault("A12")
def test_a_volume_in_use_is_not_filled(tar: Path, tmp_path: Path) -> None:
    """In a running cluster a task may have come since the plan was made."""
    target = tmp_path / "_data"
    target.mkdir()
    with pytest.raises(ArchiveError, match="belongs to psql, shop_db"):
        node(target, {}, [TASK, ALONE]).unpack_volume(VOLUME, tar)
    assert look(target) == {}


# Each row: what the volume holds, its labels, what is found.
FOUND: dict[str, tuple[list[str], dict[str, str], bool, str]] = {
    "empty": ([], {}, False, ""),
    "half written": (["deep", f"{UNFINISHED}/run"], LABELS, False, "a.cluster"),
    "restored": (["data"], LABELS, True, "a.cluster"),
    "somebody's": (["data"], {}, True, ""),
}


@pytest.mark.fault("A12")
@pytest.mark.parametrize(("held", "labels", "data", "archive"), FOUND.values(), ids=FOUND)
def test_found(
    held: list[str], labels: dict[str, str], data: bool, archive: str, tmp_path: Path
) -> None:
    target = tmp_path / "_data"
    target.mkdir()
    for name in held:
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("old")
    looking = node(target, labels, [TASK, ALONE])
    looking.volumes = [{"name": "shop_data"}, {"name": "not_here"}]
    (volume,) = looking.found()["volumes"]
    who = {"users": ["shop_db"], "containers": ["psql"]}
    assert volume == {"name": "shop_data", "data": data, "archive": archive, **who}


ASIDE = {**VOLUME, "aside": "shop_data.before.a"}


@pytest.mark.fault("A12", "point2")
def test_data_are_moved_aside_and_nothing_is_removed(tar: Path, tmp_path: Path) -> None:
    target = tmp_path / "_data"
    (target / "deep").mkdir(parents=True)
    (target / "data").write_text("precious")
    target.chmod(0o700)
    before = look(target)
    made, used = (node(target, {RESTORED: "b.cluster"}, users) for users in ([], [TASK]))
    with pytest.raises(ArchiveError, match="belongs to shop_db"):
        used.unpack_volume(ASIDE, tar)
    assert look(target) == before
    assert made.unpack_volume(ASIDE, tar)
    kept = tmp_path / "shop_data.before.a"
    assert look(kept) == before
    assert kept.stat().st_mode & 0o777 == 0o700
    assert look(target) == look(tmp_path / "source")
    # Typed again: it is known by its label.
    assert not made.unpack_volume(ASIDE, tar)
    assert look(kept) == before


@pytest.mark.fault("A12", "point2")
@pytest.mark.parametrize("state", ["exited", "created", "dead"])
def test_a_container_that_has_stopped_holds_its_volume(
    state: str, tar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine would refuse to make it anew after the data are beside it."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    target = tmp_path / "_data"
    target.mkdir()
    (target / "data").write_text("precious")
    before = look(target)
    with pytest.raises(ArchiveError, match="belongs to psql: run this again"):
        node(target, {}, [{**ALONE, "State": state}]).unpack_volume(ASIDE, tar)
    assert look(target) == before
    # Seen before anything is decided, so that ending it takes one refusal.
    looking = node(target, {}, [{**ALONE, "State": state}, {**TASK, "State": state}])
    looking.volumes = [{"name": "shop_data"}]
    (volume,) = looking.found()["volumes"]
    assert (volume["users"], volume["containers"]) == ([], ["psql"])
    assert not (tmp_path / "shop_data.before.a").exists()
    # Obeyed; a task that has ended is waited for.
    assert node(target, {}, [{**TASK, "State": state}]).unpack_volume(ASIDE, tar)
    assert look(tmp_path / "shop_data.before.a") == before


@pytest.mark.fault("point2")
def test_what_was_moved_aside_is_not_overwritten(tar: Path, tmp_path: Path) -> None:
    target, kept = tmp_path / "_data", tmp_path / "shop_data.before.a"
    for folder, text in ((target, "newer"), (kept, "precious")):
        folder.mkdir()
        (folder / "data").write_text(text)
    made = node(target, {})
    with pytest.raises(ArchiveError, match="nothing is overwritten"):
        made.unpack_volume(ASIDE, tar)
    assert (look(target)["data"][1], look(kept)["data"][1]) == ("newer", "precious")


# What the engine says when a restore comes to it, whether the state may be put in its place.
WAKES: dict[str, tuple[dict[str, Any], bool]] = {
    "in no swarm": ({"LocalNodeState": "inactive", "NodeID": ""}, True),
    "a manager that is locked": ({"LocalNodeState": "locked", "NodeID": ""}, False),
    "one that cannot start its part": ({"LocalNodeState": "error", "NodeID": ""}, False),
    "one that is on its way": ({"LocalNodeState": "pending", "NodeID": ""}, False),
    "a node": ({"LocalNodeState": "active", "NodeID": "m2"}, False),
}


@pytest.mark.fault("A12", "A1")
@pytest.mark.parametrize(("swarm", "put"), WAKES.values(), ids=WAKES)
def test_the_state_of_a_swarm_is_not_overwritten(
    swarm: dict[str, Any], put: bool, tar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that the restore itself has started may be a manager's, whose state is newer."""
    monkeypatch.setattr(node_archive, "systemctl", lambda *_: None)
    monkeypatch.setattr(node_archive, "wait_for_engine", lambda _engine: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm/raft").write_text("newer")
    one = Node.__new__(Node)
    params = {"swarm": True, "swarm_file": "swarm.tar", "files": {"swarm.tar": str(tar)}}
    one.module, one.volumes = SimpleNamespace(params=params), []
    info = {"DockerRootDir": str(tmp_path), "Swarm": swarm}
    one.engine = SimpleNamespace(get=lambda _path: info)  # type: ignore[assignment]
    if put:
        one.unpacked()
    else:
        with pytest.raises(ArchiveError, match="its state is not overwritten"):
            one.unpacked()
    assert (tmp_path / "swarm/raft").exists() is not put


def test_the_engine_is_started_again_after_a_failed_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(node_archive, "systemctl", lambda *words: said.append(words[0]))
    monkeypatch.setattr(node_archive, "wait_for_engine", lambda _engine: said.append("answers"))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(OSError, match="full"), node_archive.engine_stopped(None):  # type: ignore[arg-type]
        raise OSError("full")
    assert said == ["stop", "start", "answers"]


def manager(name: str, reached: bool) -> dict[str, Any]:
    """An entry of /nodes."""
    reachability = "reachable" if reached else "unreachable"
    return {
        "ID": name,
        "Description": {"Hostname": name},
        "Spec": {"Role": "manager", "Availability": "active"},
        "Status": {"State": "ready" if reached else "down"},
        "ManagerStatus": {"Reachability": reachability, "Leader": name == "m1"},
    }


class Managers:
    """An engine of m2, which knows these managers."""

    def __init__(self, folder: Path, reached: dict[str, bool]) -> None:
        self.folder, self.reached = folder, reached

    def get(self, path: str) -> Any:
        if path == "/info":
            return {"DockerRootDir": str(self.folder), "Swarm": {"NodeID": "m2"}}
        assert path == "/nodes"
        return [manager(name, there) for name, there in self.reached.items()]


# Each row: which managers answer when the engine is to be stopped, whether the plan took into
# account that there is no quorum meanwhile, whether it is stopped.
ASKED: dict[str, tuple[dict[str, bool], bool, bool]] = {
    "all of three": ({"m1": True, "m2": True, "m3": True}, False, True),
    "one has gone since the plan": ({"m1": True, "m2": True, "m3": False}, False, False),
    "the plan knew it": ({"m1": True, "m2": True, "m3": False}, True, True),
    "two are all": ({"m1": True, "m2": True}, True, True),
}


@pytest.mark.fault("A4", "C4")
@pytest.mark.parametrize(("reached", "planned", "stopped"), ASKED.values(), ids=ASKED)
def test_quorum_is_asked_for_again_before_the_engine_is_stopped(
    reached: dict[str, bool],
    planned: bool,
    stopped: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(node_archive, "systemctl", lambda *words: said.append(words[0]))
    monkeypatch.setattr(node_archive, "wait_for_engine", lambda _engine: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    (tmp_path / "swarm").mkdir()
    one = Node.__new__(Node)
    one.module = SimpleNamespace(params={"swarm": True, "without_quorum": planned})
    one.engine = Managers(tmp_path, reached)  # type: ignore[assignment]
    one.folder, one.volumes = tmp_path / "copies", []
    if stopped:
        assert one.packed()["swarm"]["file"] == "swarm.tar"
    else:
        with pytest.raises(ArchiveError, match="the engine is not stopped for the copy: m2 must"):
            one.packed()
    assert said == (["stop", "start"] if stopped else [])
