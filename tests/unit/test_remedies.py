"""What an operator is advised to type: every command is known, with what shows that it is safe.

Commands are collected from the texts of the sources (findings, refusals, reports) and the docs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
REMEDIES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/unit/remedies.yml").read_text())
PLAYBOOKS = {path.name for path in ROOT.glob("playbooks/*.yml")} | {"site.yml"}
# Keys of tasks, and of findings built in YAML, whose texts people read.
SPOKEN = ("fail_msg", "lines", "msg", "problem", "remedy")
DOCUMENTATION = ("DOCUMENTATION", "EXAMPLES", "RETURN")
KINDS = "node|service|swarm|config|secret|volume|network|system|stack|image|container"
VERBS = (
    "rm|ls|ps|df|prune|demote|promote|update|leave|join|init|ca|unlock|save|load|info|stats|kill|stop|"
    "restart|inspect|logs|scale|rollback|deploy|create|exec|pull|push|tag|login"
)
DOCKER = re.compile(rf"\bdocker (?:(?:{KINDS}) )?(?:{VERBS})\b(?: --(?:force|rotate)\b)?")
SYSTEMD = re.compile(r"\b(?:systemctl (?:re)?(?:start|stop|load) docker|journalctl -u docker)\b")
PLAYBOOK = re.compile(r"\b([a-z_]+[.]yml)\b")
WORD = re.compile(r"-e ['\"{ ]*([a-z_]+)=")


def commands(text: str) -> Iterator[str]:
    """The commands in a text, without what differs from case to case."""
    yield from DOCKER.findall(text)
    yield from SYSTEMD.findall(text)
    yield from (name for name in PLAYBOOK.findall(text) if name in PLAYBOOKS)
    yield from (f"-e {name}" for name in WORD.findall(text))


def texts_of_python(path: Path) -> Iterator[str]:
    """The strings of a source, without documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring
            left_out.add(id(node.value))
        if isinstance(node, ast.Assign):
            names = {getattr(target, "id", "") for target in node.targets}
            if names & set(DOCUMENTATION):
                left_out |= {id(inner) for inner in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            # The pieces of one text, with a hole where a value stands: `docker node rm {id}`.
            left_out |= {id(piece) for piece in node.values}
            yield "".join(str(getattr(piece, "value", "…")) for piece in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in left_out:
            yield str(node.value)


def texts_of_yaml(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key in SPOKEN:
                yield str(value)
            yield from texts_of_yaml(value)
    if isinstance(part, list):
        for one in part:
            yield from texts_of_yaml(one)


def collected() -> dict[str, set[str]]:
    """The files that advise each command."""
    found: dict[str, set[str]] = {}
    for path in sorted(ROOT.glob("plugins/**/*.py")):
        for text in texts_of_python(path):
            for command in commands(text):
                found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    for path in sorted([*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]):
        for text in texts_of_yaml(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for command in commands(text):
                found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]:
        for command in commands(path.read_text(encoding="utf-8")):
            found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_remedy_is_known() -> None:
    """Add a command to remedies.yml with the test that obeys it on a cluster with data."""
    found = collected()
    assert "site.yml" in found
    assert "docker swarm leave --force" in found
    missing = {command: sorted(by) for command, by in found.items() if command not in REMEDIES}
    assert not missing


def test_no_remedy_is_left_over() -> None:
    assert not set(REMEDIES) - set(collected())


@pytest.mark.parametrize("command", sorted(REMEDIES))
def test_what_shows_that_a_remedy_is_safe_exists(command: str) -> None:
    entry = REMEDIES[command]
    assert len(entry) == 1
    if "test" in entry:
        file, name = entry["test"].split("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
    else:
        assert entry.get("reads") is True or len(entry["open"]) > 10


TEXTS = {
    "holes": ("run 'docker swarm leave --force' on w1", ["docker swarm leave --force"]),
    "a sentence": ("docker stats shows who takes it", ["docker stats"]),
    "words": (
        "node_replace.yml -e node=w1 -e data=lost",
        ["node_replace.yml", "-e node", "-e data"],
    ),
    "none": ("Docker Engine; the compose.yml of a stack", []),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_commands_in_a_text(text: str, expected: list[str]) -> None:
    assert list(commands(text)) == expected
