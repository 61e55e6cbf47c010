"""Names of images and hashes of their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import (
    ignore_patterns,
    image_references,
    is_ignored,
    kept_images,
    path_in_registry,
    refusals,
    split_reference,
    tree_hash,
    wanted_images,
)

DIGEST = "sha256:" + "ab" * 32
REFERENCES = {
    "a tag": ("redis:8.0", ("redis", "8.0", "")),
    "no tag": ("redis", ("redis", "", "")),
    "a port and no tag": ("reg:5443/a/b", ("reg:5443/a/b", "", "")),
    "a port and a tag": ("reg:5443/a/b:1", ("reg:5443/a/b", "1", "")),
    "all of it": (f"reg:5443/a:1@{DIGEST}", ("reg:5443/a", "1", DIGEST)),
    "a digest and no tag": (f"a/b@{DIGEST}", ("a/b", "", DIGEST)),
}


@pytest.mark.parametrize(("reference", "parts"), REFERENCES.values(), ids=REFERENCES)
def test_split_reference(reference: str, parts: tuple[str, str, str]) -> None:
    assert split_reference(reference) == parts


PATHS = {
    "host": ("docker.io/library/redis:8", "library/redis"),
    "host and port": ("198.18.0.1:5000/debian-redis:8.0", "debian-redis"),
    "localhost": ("localhost/a/b", "a/b"),
    "no host": ("library/redis", "library/redis"),
    "one word": ("redis:8", "redis"),
}


@pytest.mark.parametrize(("reference", "path"), PATHS.values(), ids=PATHS)
def test_path_in_registry(reference: str, path: str) -> None:
    assert path_in_registry(reference) == path


IGNORED = {
    "a file": ("tests", "tests", True),
    "below a folder": ("tests/test_x.py", "tests", True),
    "not by a part of a name": ("mytests/x", "tests", False),
    "a star stays within one name": ("a/x.pyc", "*.pyc", False),
    "anywhere": ("a/b/x.pyc", "**/*.pyc", True),
    "anywhere, at the top too": ("x.pyc", "**/*.pyc", True),
    "anywhere, a folder": ("a/__pycache__/x", "**/__pycache__", True),
    "only at the top": ("a/README.md", "README.md", False),
    "a list of what is let in": ("a.py", "*\n!*.py", False),
    "a list of what is let in, the rest": ("a.txt", "*\n!*.py", True),
    "a folder that is let in": ("templates/a.html", "*\n!templates/", False),
    "let in and left out again": ("templates/a.pyc", "*\n!templates\n**/*.pyc", True),
    "a comment": ("a.py", "# a.py\n\n", False),
}


@pytest.mark.parametrize(("path", "dockerignore", "ignored"), IGNORED.values(), ids=IGNORED)
def test_is_ignored(path: str, dockerignore: str, ignored: bool) -> None:
    assert is_ignored(path, ignore_patterns(dockerignore)) is ignored


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "tests").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / ".dockerignore").write_text("tests\n")
    (folder / "a.py").write_text("1")
    (folder / "tests" / "t.py").write_text("1")
    return folder


def _edit(folder: Path) -> None:
    (folder / "a.py").write_text("2")


def _rename(folder: Path) -> None:
    (folder / "a.py").rename(folder / "b.py")


def _make_executable(folder: Path) -> None:
    (folder / "a.py").chmod(0o755)


def _edit_ignored(folder: Path) -> None:
    (folder / "tests" / "t.py").write_text("2")


def _compile(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("x")


EDITS = {
    "content": (_edit, True),
    "name": (_rename, True),
    "mode": (_make_executable, True),
    "an ignored file": (_edit_ignored, False),
    "what Python leaves": (_compile, False),
}


@pytest.mark.parametrize(("edit", "changes"), EDITS.values(), ids=EDITS)
def test_tree_hash(context: Path, edit: object, changes: bool) -> None:
    before = tree_hash(context)
    edit(context)  # type: ignore[operator]
    assert (tree_hash(context) != before) is changes


def test_tree_hash_without_a_dockerfile(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no Dockerfile"):
        tree_hash(tmp_path)


def test_wanted_images(context: Path) -> None:
    wanted = wanted_images(
        build={"page": {"context": "app", "repository": "shop/page"}, "kept": {}},
        upstream={"redis": "docker.io/library/redis:8.0"},
        known={"kept": "x"},
        registry="reg:5443",
        tag="1.0",
        sources=str(context.parent),
        load=False,
    )
    assert [
        (one["key"], one["image"]["name"], one["image"]["tag"], one["built"]) for one in wanted
    ] == [
        ("page", "reg:5443/shop/page", "1.0", True),
        ("redis", "docker.io/library/redis", "8.0", False),
    ]
    assert wanted[0]["image"]["source_hash"] == tree_hash(context)


def test_wanted_images_of_an_archive_live_in_our_registry() -> None:
    wanted = wanted_images({}, {"redis": "docker.io/library/redis"}, {}, "reg:5443", "1", ".", True)
    assert [(one["image"]["name"], one["image"]["tag"]) for one in wanted] == [
        ("reg:5443/library/redis", "latest")
    ]


def test_image_references() -> None:
    wanted = [{"key": key, "image": {"name": f"reg/{key}", "tag": "1"}} for key in "ab"]
    found: dict[str, dict[str, Any]] = {
        "reg/a": {"ref": f"reg/a:1@{DIGEST}"},
        "reg/b": {"ref": None},
    }
    assert image_references(wanted, found) == {"a": f"reg/a:1@{DIGEST}", "b": "reg/b:1"}
    pushed = {"reg/b": {"ref": f"reg/b:1@{DIGEST}"}}
    assert image_references(wanted, found, pushed)["b"] == f"reg/b:1@{DIGEST}"


RUNNING = {"page": f"reg/page:1@{DIGEST}", "redis": f"redis:8.0@{DIGEST}"}
KEPT = {
    "the same again": ("1", {"redis": "redis:8.0"}, {"page", "redis"}),
    "a new release": ("2", {"redis": "redis:8.0"}, {"redis"}),
    "another upstream tag": ("1", {"redis": "redis:8.2"}, {"page"}),
    "no longer part of the stack": ("1", {}, {"page"}),
}


@pytest.mark.parametrize(("tag", "upstream", "kept"), KEPT.values(), ids=KEPT)
def test_kept_images(tag: str, upstream: dict[str, str], kept: set[str]) -> None:
    assert set(kept_images(RUNNING, "1", tag, ["page"], upstream)) == kept


LOADED = {
    "from our registry": (f"reg:5443/library/redis:8.0@{DIGEST}", {"redis"}),
    "from elsewhere": (f"docker.io/library/redis:8.0@{DIGEST}", set()),
    "another tag": (f"reg:5443/library/redis:7.4@{DIGEST}", set()),
}


@pytest.mark.parametrize(("running", "kept"), LOADED.values(), ids=LOADED)
def test_kept_images_that_are_loaded(running: str, kept: set[str]) -> None:
    upstream = {"redis": "docker.io/library/redis:8.0"}
    assert set(kept_images({"redis": running}, "1", "1", [], upstream, load=True)) == kept


def test_a_reference_without_digest_is_not_kept() -> None:
    assert kept_images({"page": "reg/page:1"}, "1", "1", ["page"], {}) == {}


NAMED: dict[str, tuple[str, bool, list[str], set[str]]] = {
    "nothing named": ("2", False, [], {"page", "art"}),
    "the running tag, named": ("2", True, [], {"page"}),
    "a new tag, named": ("3", True, [], set()),
    "a new tag for one": ("3", True, ["art"], {"page"}),
    "the tag that one has already": ("2", True, ["page"], {"page", "art"}),
}


@pytest.mark.parametrize(("tag", "asked", "only", "kept"), NAMED.values(), ids=NAMED)
def test_kept_images_of_a_release_with_two_tags(
    tag: str, asked: bool, only: list[str], kept: set[str]
) -> None:
    running = {"page": f"reg/page:2@{DIGEST}", "art": f"reg/art:1@{DIGEST}"}
    found = kept_images(running, "2", tag, ["page", "art"], {}, asked=asked, only=only)
    assert set(found) == kept


def answer(name: str, error: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "tag": "9", "exists": error is None, "error": error, **more}


REFUSALS: dict[str, tuple[list[dict[str, Any]], list[str], list[str]]] = {
    "all there": ([answer("reg:5/page")], [], []),
    "missing, may be built": ([answer("reg:5/page", "not_found")], ["reg:5/page"], []),
    "missing": (
        [answer("reg:5/page", "not_found", tags=["1.0", "2.0"]), answer("reg:5/art", "not_found")],
        [],
        [
            "reg:5/page has no tag 9; it has 1.0, 2.0.",
            "reg:5/art has no tag 9.",
            "Name a tag that is there, or let it be built: without build=false.",
        ],
    ),
    "never pushed": (
        [answer("reg:5/page", "not_found", tags=[])],
        [],
        [
            "reg:5/page has no tag 9; it has no tag at all.",
            "Name a tag that is there, or let it be built: without build=false.",
        ],
    ),
    "a registry that is down, named once": (
        [answer(f"reg:5/{name}", "unreachable", message="no route") for name in ("page", "art")],
        ["reg:5/page"],
        ["reg:5 does not answer m1 (no route). Check its name, its certificate and the network."],
    ),
    "a login that is refused": (
        [answer("reg:5/page", "unauthorized")],
        ["reg:5/page"],
        ["reg:5 refuses the login for reg:5/page:9. Check registry_user and registry_password."],
    ),
}


@pytest.mark.parametrize(("answers", "may", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(answers: list[dict[str, Any]], may: list[str], expected: list[str]) -> None:
    assert refusals(answers, may, "m1") == expected
