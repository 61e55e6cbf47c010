# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text for people as lines, and the one line that stands for it in a task's result."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def as_lines(text: Any) -> list[str]:
    """The lines of a text or of a list of texts, fit for a terminal.

    What came as data (a log, a label, an answer) must not steer the terminal: characters that
    print nothing are shown by their escape. The words that Ansible's recap uses for its count of
    changes are parted, because tools (molecule) search a run's output for them.
    """
    if isinstance(text, str):
        parts: Iterable[str] = text.splitlines()
    elif isinstance(text, list | tuple):
        parts = [line for one in text for line in (as_lines(one) or [""])]
    else:
        parts = str(text).splitlines()
    shown = (
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
        for line in (part.expandtabs().rstrip() for part in parts)
    )
    return [re.sub(r"\bchanged=(?=\d)", "changed = ", line) for line in shown]


def headline(lines: Iterable[str]) -> str:
    """One line for many: the first that says something, and how many there are beside it."""
    said = [line.strip() for line in lines if line.strip()]
    if len(said) < 2:
        return "".join(said)
    return f"{said[0]} (and {len(said) - 1} more line{'' if len(said) == 2 else 's'})"
