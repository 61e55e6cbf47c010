"""The encrypted file: made, opened, refused; older ones of the same cluster's stack go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.sealed import SealedError
from ansible_collections.monsterstack.swarm.plugins.modules.sealed_archive import (
    ArchiveError,
    get_key,
    head_of,
    old_ones,
    read,
    run,
    safe,
    seal,
)


class Module:
    """What `seal` reads of a module."""

    def __init__(self, leave_out: list[str]) -> None:
        self.params: dict[str, Any] = {"manifest": {"at": "now"}, "leave_out": leave_out}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "m1").mkdir(parents=True)
    (folder / "m1" / "state.tar").write_bytes(b"s" * 3_000_000)
    (folder / "backup_key").write_text("secret")
    path = tmp_path / "backups" / "shop-2.cluster"
    made = seal(Module(["backup_key"]), path, folder, "key")
    assert list(made["files"]) == ["m1/state.tar"]
    assert [left.name for left in path.parent.iterdir()] == ["shop-2.cluster"]
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def test_round_trip(archive: Path, tmp_path: Path) -> None:
    found = read(archive, "key", tmp_path / "out")
    assert found["manifest"] == {"at": "now"}
    assert (tmp_path / "out/m1/state.tar").read_bytes() == b"s" * 3_000_000
    assert not (tmp_path / "out/backup_key").exists()


def test_what_is_there_is_not_overwritten(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "out/m1").mkdir(parents=True)
    (tmp_path / "out/m1/state.tar").write_text("mine")
    with pytest.raises(ArchiveError, match=r"has m1/state\.tar already"):
        read(archive, "key", tmp_path / "out")
    assert (tmp_path / "out/m1/state.tar").read_text() == "mine"


def test_another_key(archive: Path) -> None:
    with pytest.raises(SealedError, match="the key is another one"):
        read(archive, "other", None)


KEYS: dict[str, tuple[str | None, bool, str]] = {
    "missing, to open": (None, False, "without it no archive can be opened"),
    "empty": ("\n", True, "is empty"),
}


@pytest.mark.parametrize(("text", "make", "why"), KEYS.values(), ids=KEYS)
def test_no_key(text: str | None, make: bool, why: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    with pytest.raises(ArchiveError, match=why):
        get_key(tmp_path / "key", make, check_mode=False)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    assert get_key(tmp_path / "key", True, check_mode=True)[1]
    assert not (tmp_path / "key").exists()
    key, made = get_key(tmp_path / "key", True, check_mode=False)
    assert (len(key), made) == (64, True)
    assert get_key(tmp_path / "key", False, check_mode=False) == (key, False)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def make(folder: Path, name: str, key: str = "key", **manifest: str) -> Path:
    """An archive of a stack and its cluster, with its credentials beside it."""
    (folder / "empty").mkdir(exist_ok=True, parents=True)
    module = Module([])
    module.params["manifest"] = {"stack": name.rpartition("-")[0], "cluster_id": "A", **manifest}
    path = folder / f"{name}.cluster"
    seal(module, path, folder / "empty", key)
    path.with_suffix(".credentials").write_bytes(b"sealed too")
    return path


@pytest.mark.fault("A3")
def test_old_ones(tmp_path: Path) -> None:
    old = make(tmp_path, "shop-20260101T000000Z")
    new = make(tmp_path, "shop-20260103T000000Z")
    # None of these is a backup of this cluster's shop.
    make(tmp_path, "alpha-20260101T000000Z")
    make(tmp_path, "shop-20260102T000000Z", cluster_id="B")
    make(tmp_path, "shop-20260101T000001Z", key="another key")
    (tmp_path / "shop-20260101T000002Z.cluster").write_text("cut off")
    assert old_ones(new, 1, "key") == [old.with_suffix(".credentials"), old]
    assert head_of(new, "key") == {"stack": "shop", "cluster_id": "A"}
    assert old_ones(new, 0, "key") == []


@pytest.mark.fault("A3")
def test_sealing_removes_nothing(tmp_path: Path) -> None:
    """Until both files of the new pair are whole the old pairs are all that there is."""
    old = make(tmp_path, "shop-20260101T000000Z")
    module: Any = Module([])
    module.check_mode = False
    module.params |= {
        "state": "sealed",
        "path": str(tmp_path / "shop-20260103T000000Z.cluster"),
        "folder": str(tmp_path / "empty"),
        "key_file": str(tmp_path / "key"),
        "key": None,
        "keep": 1,
    }
    assert run(module)["removed"] == []
    assert old.exists()
    assert old.with_suffix(".credentials").exists()


@pytest.mark.fault("A12")
def test_a_link_goes_in_as_the_file_that_it_leads_to(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("a CA that others use too")
    (folder / "registry_ca.pem").symlink_to(elsewhere)
    (folder / "again").hardlink_to(elsewhere)
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    (folder / "others").symlink_to(tmp_path)
    path = tmp_path / "shop-1.credentials"
    sealed = seal(Module([]), path, folder, "key")
    # Nobody is to believe that they are kept.
    assert sealed["passed_over"] == ["dangling", "others"]
    read(path, "key", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"registry_ca.pem", "again"}
    restored = tmp_path / "out/registry_ca.pem"
    assert not restored.is_symlink()
    assert restored.read_text() == "a CA that others use too"


@pytest.mark.parametrize(
    ("name", "good"), [("a/b", True), ("/a", False), ("a/../../b", False)], ids=str
)
def test_safe(name: str, good: bool) -> None:
    assert safe(name) is good
