"""Names of images and hashes of their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import (
    identified_builds,
    ignore_patterns,
    image_references,
    is_ignored,
    kept_images,
    path_in_registry,
    planned_builds,
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
    "two stars in the middle": ("a/b/c/x.pyc", "a/**/x.pyc", True),
    "two stars in the middle, no folder": ("a/x.pyc", "a/**/x.pyc", True),
    "two stars at the end": ("a/b/c", "a/**", True),
    "let in below two stars": ("a/b/keep", "a\n!a/**/keep", False),
    "one character": ("ab", "a?", True),
    "one character is no slash": ("a/b", "a?b", False),
    "a class": ("a1", "a[0-9]", True),
    "not in a class, as Go writes it": ("ab", "a[^0-9]", True),
    "a star that is meant": ("a*", "a\\*", True),
    "a star that is meant is no other": ("ab", "a\\*", False),
    "from the top": ("x/a", "/a", False),
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


def _edit_dockerfile(folder: Path) -> None:
    (folder / ".dockerignore").write_text("tests\nDockerfile\n")
    (folder / "Dockerfile").write_text("FROM scratch\nLABEL patched=yes\n")


def _delete(folder: Path) -> None:
    (folder / "a.py").unlink()


def _link(folder: Path) -> None:
    (folder / "current").symlink_to("nowhere")


def _commit(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")


def _compile(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("x")


EDITS = {
    "content": (_edit, True),
    "name": (_rename, True),
    "mode": (_make_executable, True),
    "the Dockerfile": (_edit_dockerfile, True),
    "deleted": (_delete, True),
    "a link": (_link, True),
    "history": (_commit, False),
    "an ignored file": (_edit_ignored, False),
    "what Python leaves": (_compile, False),
}


@pytest.mark.parametrize(("edit", "changes"), EDITS.values(), ids=EDITS)
def test_tree_hash(context: Path, edit: object, changes: bool) -> None:
    before = tree_hash(context)
    edit(context)  # type: ignore[operator]
    assert (tree_hash(context) != before) is changes


@pytest.mark.fault("A10")
def test_a_dockerfile_that_docker_ignores_is_a_source_all_the_same(context: Path) -> None:
    (context / ".dockerignore").write_text("**\n!*.py\n")  # as app/ has it
    before = tree_hash(context)
    (context / "Dockerfile").write_text("FROM scratch\nLABEL patched=yes\n")
    assert tree_hash(context) != before


@pytest.mark.fault("A10")
def test_a_checkout_below_a_hidden_folder_has_sources_too(tmp_path: Path) -> None:
    folder = tmp_path / ".git" / "app"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    before = tree_hash(folder)
    (folder / "a.py").write_text("1")
    assert tree_hash(folder) != before


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
    assert wanted[0]["context"] == str(context)


def test_wanted_images_needs_no_sources_of_who_pulls(tmp_path: Path) -> None:
    build = {"page": {"context": "nowhere", "repository": "shop/page"}}
    wanted = wanted_images(build, {}, {}, "reg:5443", "1.0", str(tmp_path))
    assert [one["key"] for one in wanted] == ["page"]


PYTHON = "docker.io/library/python:3.13-slim"


def missing(context: Path, tag: str = "2.0") -> list[dict[str, Any]]:
    build = {"page": {"context": context.name, "repository": "shop/page"}}
    return wanted_images(build, {}, {}, "reg:5443", tag, str(context.parent))


def based(digest: str | None, reference: str = PYTHON) -> dict[str, Any]:
    return {"reference": reference, "exists": digest is not None, "digest": digest}


def identity(
    context: Path,
    digest: str | None = DIGEST,
    args: dict[str, Any] | None = None,
    tag: str = "2.0",
    local: tuple[dict[str, Any], ...] = (),
) -> str | None:
    """What the build would be called; None when it cannot be called anything."""
    plans = planned_builds(missing(context, tag), args or {})
    found = identified_builds(plans, [based(digest, base) for base in plans[0]["bases"]], local)
    return found[0]["image"].get("source_hash")  # type: ignore[no-any-return]


@pytest.fixture
def python(context: Path) -> Path:
    (context / "Dockerfile").write_text(f"ARG BASE={PYTHON}\nFROM $BASE\nARG COLOUR=red\n")
    return context


COPY = {"Id": "sha256:" + "11" * 32, "RepoTags": ["python:3.13-slim"]}
OTHER: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, False),
    "a patched base image": ({"digest": "sha256:" + "cd" * 32}, True),
    "another base image": ({"args": {"BASE": "python:3.14-slim"}}, True),
    "another argument": ({"args": {"COLOUR": "blue"}}, True),
    "an argument that the Dockerfile does not know": ({"args": {"SIZE": "1"}}, False),
    "a tag that the Dockerfile does not know": ({"tag": "3.0"}, False),
    "no registry, but a copy": ({"digest": None, "local": (COPY,)}, True),
}


@pytest.mark.fault("A10")
@pytest.mark.parametrize(("change", "other"), OTHER.values(), ids=OTHER)
def test_what_makes_another_image(python: Path, change: dict[str, Any], other: bool) -> None:
    before = identity(python)
    after = identity(python, **change)
    assert before
    assert after
    assert (before != after) is other


@pytest.mark.fault("A10")
def test_a_tag_that_is_built_in_makes_another_image(python: Path) -> None:
    with (python / "Dockerfile").open("a") as file:
        file.write("ARG VERSION\nENV VERSION=$VERSION\n")
    assert identity(python, tag="2.0") != identity(python, tag="3.0")


def test_what_stands_on_an_unknown_base_is_never_taken_for_the_same(python: Path) -> None:
    assert identity(python, digest=None) is None


@pytest.mark.parametrize(("digest", "pull"), [(DIGEST, True), (None, False)], ids=["has", "lacks"])
def test_the_registrys_base_is_pulled_where_it_has_one(
    python: Path, digest: str | None, pull: bool
) -> None:
    plans = planned_builds(missing(python), {})
    assert plans[0]["bases"] == [PYTHON]
    assert plans[0]["args"] == {"VERSION": "2.0"}
    found = identified_builds(plans, [based(digest)], [COPY])
    assert found[0]["pull"] is pull


def test_planned_builds_names_what_cannot_be_built(context: Path) -> None:
    (context / "Dockerfile").write_text("ARG BASE\nFROM $BASE\n")
    with pytest.raises(ValueError, match=r"page \(.*app\): FROM \$BASE: names no image"):
        planned_builds(missing(context), {})


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
