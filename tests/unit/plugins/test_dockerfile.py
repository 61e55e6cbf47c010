"""What a Dockerfile takes from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.dockerfile import read

BASES: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "plain": ("FROM python:3.13", {}, ["python:3.13"]),
    "small letters": ("from python:3.13", {}, ["python:3.13"]),
    "nothing": ("FROM scratch", {}, []),
    "a platform": ("FROM --platform=linux/amd64 a:1 AS x", {}, ["a:1"]),
    "a stage of its own": ("FROM a:1 AS x\nFROM b:1\nCOPY --from=x /a /a", {}, ["a:1", "b:1"]),
    "a stage as a base": ("FROM a:1 AS X\nFROM x", {}, ["a:1"]),
    "a stage by its number": ("FROM a:1\nFROM b:1\nCOPY --from=0 / /", {}, ["a:1", "b:1"]),
    "copied from an image": ("FROM a:1\nCOPY --from=c:2 / /", {}, ["a:1", "c:2"]),
    "mounted from an image": (
        "FROM a:1\nRUN --mount=type=bind,from=c:2,target=/x true",
        {},
        ["a:1", "c:2"],
    ),
    "an argument's default": ("ARG B=a:1\nFROM ${B}", {}, ["a:1"]),
    "an argument": ("ARG B=a:1\nFROM ${B}", {"B": "b:2"}, ["b:2"]),
    "an argument without default": ("ARG B\nFROM $B", {"B": "b:2"}, ["b:2"]),
    "a default with quotes": ('ARG B="a:1"\nFROM "$B"', {}, ["a:1"]),
    "a part of the name": ("ARG V=1\nFROM a:$V-slim", {"V": "2"}, ["a:2-slim"]),
    "one argument in another": ("ARG V=1\nARG B=a:${V}\nFROM $B", {}, ["a:1"]),
    "a default in place": ("FROM a:${V:-3}", {}, ["a:3"]),
    "an alternative in place": ("ARG V=1\nFROM a:1${V:+-slim}", {}, ["a:1-slim"]),
    "not declared, so not known": ("FROM a:${V:-3}", {"V": "4"}, ["a:3"]),
    "continued": ("FROM \\\n# why\n\n  a:1", {}, ["a:1"]),
    "another escape": ("# escape=`\nFROM `\n a:1", {}, ["a:1"]),
    "a here-document": (
        "FROM a:1\nRUN <<EOF\nFROM b:1\nEOF\nCOPY --from=c:1 / /",
        {},
        ["a:1", "c:1"],
    ),
    "a comment": ("# FROM b:1\nFROM a:1", {}, ["a:1"]),
    "a digest": ("FROM a:1@sha256:" + "ab" * 32, {}, ["a:1@sha256:" + "ab" * 32]),
}


@pytest.mark.fault("A10")
@pytest.mark.parametrize(("text", "given", "bases"), BASES.values(), ids=BASES)
def test_bases(text: str, given: dict[str, str], bases: list[str]) -> None:
    assert list(read(text, given).bases) == bases


def test_arguments() -> None:
    text = "ARG A='1 2' B\nFROM a:1\nARG C\nRUN echo $D\n"
    assert read(text, {"D": "x"}).arguments == ("A", "B", "C")


def test_a_from_without_an_image() -> None:
    with pytest.raises(ValueError, match="names no image"):
        read("ARG B\nFROM $B", {})


@pytest.mark.parametrize("folder", ["app", "imagebackend"])
def test_ours(folder: str) -> None:
    found = read((Path(__file__).parents[3] / folder / "Dockerfile").read_text(), {})
    assert found.bases == ("docker.io/library/python:3.13-slim",)
    assert found.arguments == ("PYTHON_IMAGE", "VERSION")
