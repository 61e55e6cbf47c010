"""The encrypted file: made, opened, refused; older ones go."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.sealed import SealedError
from ansible_collections.monsterstack.swarm.plugins.modules.sealed_archive import (
    ArchiveError,
    get_key,
    old_ones,
    read,
    safe,
    seal,
)


class Module:
    """What `seal` reads of a module."""

    def __init__(self, leave_out: list[str]) -> None:
        self.params = {"manifest": {"at": "now"}, "leave_out": leave_out}


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


@pytest.mark.parametrize(
    ("keep", "gone"), [(0, []), (2, ["a-1.cluster"]), (9, [])], ids=["all", "two", "more"]
)
def test_old_ones(keep: int, gone: list[str], tmp_path: Path) -> None:
    for name in ("a-1.cluster", "a-3.cluster", "a-2.cluster", "a-0.credentials"):
        (tmp_path / name).touch()
    assert [path.name for path in old_ones(tmp_path / "a-3.cluster", keep)] == gone


@pytest.mark.parametrize(
    ("name", "good"), [("a/b", True), ("/a", False), ("a/../../b", False)], ids=str
)
def test_safe(name: str, good: bool) -> None:
    assert safe(name) is good
