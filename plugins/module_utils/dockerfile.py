# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Dockerfile takes from outside its context: base images and build arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# `FROM scratch` is no image.
SCRATCH = "scratch"

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:[-+])([^}]*))?\})")
_ARGUMENT = re.compile(r"""(\w+)(?:(=)("[^"]*"|'[^']*'|\S*))?""")
_MOUNT = re.compile(r"--mount=(\S+)")


@dataclass(frozen=True)
class Dockerfile:
    """`bases`: references of the images that a build reads, as the arguments make them, sorted;
    `arguments`: names of all arguments that the file declares, sorted. Others change nothing."""

    bases: tuple[str, ...]
    arguments: tuple[str, ...]


def read(text: str, given: Mapping[str, str]) -> Dockerfile:
    """The bases and arguments of a Dockerfile that is built with the arguments `given`.

    As the Dockerfile reference has it: only arguments before the first FROM count in a FROM, an
    argument that is given wins over its default, stages are known by name or number. Raises
    ValueError for a FROM that names no image.
    """
    values: dict[str, str] = {}
    declared: set[str] = set()
    stages: list[str] = []
    bases: set[str] = set()

    def use(reference: str) -> None:
        known = reference.lower() in stages or (
            reference.isdigit() and int(reference) < len(stages)
        )
        if reference and reference != SCRATCH and not known:
            bases.add(reference)

    for word, rest in _instructions(text):
        if word == "ARG":
            for name, equals, default in _ARGUMENT.findall(rest):
                declared.add(name)
                if not stages and (equals or name in given):
                    values[name] = given.get(name, _expanded(_unquoted(default), values))
        elif word == "FROM":
            parts = [part for part in rest.split() if not part.startswith("--")]
            reference = _unquoted(_expanded(parts[0], values)) if parts else ""
            if not reference:
                raise ValueError(
                    f"FROM {rest}: names no image with these build arguments. "
                    "Give the argument, or write a default for it above the first FROM."
                )
            use(reference)
            stages.append(parts[2].lower() if len(parts) > 2 else "")
        elif word in ("COPY", "ADD"):
            for part in rest.split():
                if part.startswith("--from="):
                    use(_unquoted(part.removeprefix("--from=")))
        elif word == "RUN":
            for mount in _MOUNT.findall(rest):
                for field in mount.split(","):
                    if field.startswith("from="):
                        use(_unquoted(field.removeprefix("from=")))
    return Dockerfile(tuple(sorted(bases)), tuple(sorted(declared)))


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """(instruction in capitals, the rest of its line with continuations joined)."""
    lines = iter(text.splitlines())
    escape, at_top, joined = "\\", True, ""
    for line in lines:
        stripped = line.strip()
        if at_top:
            directive = _DIRECTIVE.match(stripped)
            if directive:
                if directive[1].lower() == "escape":
                    escape = directive[2]
                continue
            at_top = False
        # Comments and blank lines stand between continued lines too.
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith(escape):
            joined += stripped[:-1] + " "
            continue
        word, _space, rest = (joined + stripped).partition(" ")
        joined = ""
        word = word.upper()
        if word in ("RUN", "COPY", "ADD"):
            # What a here-document holds is no instruction.
            for dash, _quote, end in _HEREDOC.findall(rest):
                for inner in lines:
                    if (inner.lstrip("\t") if dash else inner) == end:
                        break
        yield word, rest.strip()


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _expanded(text: str, values: Mapping[str, str]) -> str:
    def one(match: re.Match[str]) -> str:
        value = values.get(match[1] or match[2], "")
        if match[3] == ":-":
            return value or match[4]
        if match[3] == ":+":
            return match[4] if value else ""
        return value

    return _VARIABLE.sub(one, text)
