"""Text for people as lines."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline

TEXTS: dict[str, tuple[Any, list[str]]] = {
    "one line": ("a", ["a"]),
    "nothing": ("", []),
    "an empty list": ([], []),
    "lines of a text": ("a\n  b\r\nc\n", ["a", "  b", "c"]),
    "texts with lines": (["a\nb", "c"], ["a", "b", "c"]),
    "an empty line between": (["a", "", "b"], ["a", "", "b"]),
    "a number": (7, ["7"]),
    "a tab": ("a\tb  ", ["a       b"]),
    "a terminal's escape": ("\x1b[2J\x07gone", ["\\x1b[2J\\x07gone"]),
    "a page's end is a line's end": ("a\x0cb", ["a", "b"]),
    "letters of all languages": ("Größe → 3", ["Größe → 3"]),
    "what molecule searches for": ("ok=1 changed=3", ["ok=1 changed = 3"]),
    "what only looks like it": ("unchanged=3", ["unchanged=3"]),
}


@pytest.mark.parametrize(("text", "lines"), TEXTS.values(), ids=TEXTS)
@pytest.mark.fault("C1")
def test_lines(text: Any, lines: list[str]) -> None:
    assert as_lines(text) == lines


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], ""),
        (["  a"], "a"),
        (["", "a", "b"], "a (and 1 more line)"),
        (["a", "b", "", "c"], "a (and 2 more lines)"),
    ],
    ids=["nothing", "one", "two", "three"],
)
@pytest.mark.fault("C1")
def test_headline(lines: list[str], said: str) -> None:
    assert headline(lines) == said
