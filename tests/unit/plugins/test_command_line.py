"""What was typed, judged before any of it is used."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import command_line
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import Word, check_words

WORDS = {
    "confirm": Word("name"),
    "node": Word("names"),
    "volumes": Word("bool"),
    "serial": Word("whole", least=1, most=1000),
    "probe_rate": Word("number", least=0.1, most=200, inventory=True),
    "archive": Word("path"),
    "do": Word("text"),
}
TEMPLATES = ["{{ x }}", "a{% if %}", "{# c #}", "{{", ["a", "{{ x }}"], {"a": {"b": "{{ x }}"}}]


def said(findings: Any) -> list[str]:
    return [str(finding) for finding in findings]


@pytest.mark.parametrize("value", TEMPLATES, ids=str)
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.fault("A8")
def test_braces_are_refused_in_every_word(word: str, value: Any) -> None:
    (finding,) = command_line.check_typed_words({word: value}, WORDS)
    assert str(finding).startswith(f"{word}: its value has braces")


@pytest.mark.fault("A8")
def test_braces_elsewhere_are_an_inventory_s_own() -> None:
    typed = {"monsterstack_settings": {"host": "{{ name }}"}}
    assert command_line.check_typed_words(typed, WORDS) == []
    assert command_line.check_typed_words({"frontend": "{{ 6 }}"}, WORDS, ["frontend"])
    assert command_line.check_typed_words({"do": "a { b }"}, WORDS) == []


INHERITED: dict[str, tuple[set[str], dict[str, set[str]], set[str], list[str]]] = {
    "nothing": (set(), {"m1": {"zone"}}, {"groups"}, []),
    "for all": (set(), {"m1": {"volumes"}, "w1": {"volumes"}}, {"volumes"}, ["volumes: the inv"]),
    "for some": (set(), {"m1": set(), "w1": {"node"}}, set(), ["w1/node: the inventory"]),
    "by a playbook around": (set(), {"m1": set()}, {"confirm"}, ["confirm: a playbook around"]),
    "typed over it": ({"volumes"}, {"m1": {"volumes"}}, {"volumes"}, []),
    "a setting": (set(), {"m1": {"probe_rate"}}, {"probe_rate"}, []),
    "several": (
        set(),
        {"m1": {"volumes", "confirm"}},
        {"volumes", "confirm"},
        ["confirm: the inventory", "volumes: the inventory"],
    ),
}


@pytest.mark.parametrize(
    ("typed", "variables", "around", "expected"), INHERITED.values(), ids=INHERITED
)
@pytest.mark.fault("A8")
def test_words_are_typed_never_inherited(
    typed: set[str], variables: dict[str, set[str]], around: set[str], expected: list[str]
) -> None:
    found = said(command_line.check_inherited(typed, WORDS, variables, around))
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


LIMITS: dict[str, tuple[list[str], str | None]] = {
    "one node": (["w1"], "leaves out m1, w2, without which quorum and room cannot be judged"),
    "all nodes, not the controller": (["m1", "w1", "w2"], "leaves out localhost"),
    "other hosts": (["db"], "leaves out m1, w1, w2"),
    "everything": (["m1", "w1", "w2", "localhost"], None),
}


@pytest.mark.parametrize(("played", "piece"), LIMITS.values(), ids=LIMITS)
@pytest.mark.fault("B8")
def test_limits(played: list[str], piece: str | None) -> None:
    found = said(command_line.check_limit("x", ["m1", "w1", "w2"], played))
    assert len(found) == (1 if piece else 0)
    assert (piece or "") in "".join(found)
    assert ("-e node=w1" in "".join(found)) == (played == ["w1"])


PARTS = ("swarm", "images", "stack")
TAGS: dict[str, tuple[list[str], list[str], tuple[str, ...], list[str]]] = {
    "none typed": (["all"], [], (), []),
    "a part": (["images"], [], PARTS, []),
    "several": (["swarm", "stack"], [], PARTS, []),
    "Ansible's own": (["tagged"], [], PARTS, []),
    "misspelt": (
        ["imags"],
        [],
        PARTS,
        [
            "--tags imags: this playbook has no such tag. Did you mean images? Use swarm, "
            "images, stack."
        ],
    ),
    "a playbook without parts": (
        ["images"],
        [],
        (),
        [
            "--tags images: this playbook has no parts that could be run alone or left out. "
            "Leave the option away."
        ],
    ),
    "a part left out": (["all"], ["stack"], PARTS, []),
    "molecule's own": (["all"], ["molecule-notest", "notest"], PARTS, []),
    "molecule's own, without parts": (["all"], ["molecule-notest", "notest"], (), []),
    "misspelt and left out": (
        ["all"],
        ["imges"],
        PARTS,
        [
            "--skip-tags imges: this playbook has no such tag. Did you mean images? Use swarm, "
            "images, stack."
        ],
    ),
    "half of a release": (
        ["all"],
        ["images"],
        PARTS,
        [
            "--skip-tags images: a release needs its images, so the stack would be left out too. "
            "Write -e build=false to build nothing, or --skip-tags stack to release nothing."
        ],
    ),
    "all that is tagged left out": (
        ["all"],
        ["tagged"],
        PARTS,
        ["--skip-tags tagged: this playbook has no such tag. Use swarm, images, stack."],
    ),
}


@pytest.mark.parametrize(("run", "skip", "known", "expected"), TAGS.values(), ids=TAGS)
@pytest.mark.fault("C2")
def test_tags(run: list[str], skip: list[str], known: tuple[str, ...], expected: list[str]) -> None:
    assert said(command_line.check_tags_typed(run, skip, known)) == expected


@pytest.mark.fault("A8")
def test_what_passes_is_harmless() -> None:
    """Whatever is typed: a value that is not refused is one line, no template, no pattern of hosts,
    no path where a name is meant, and a number is a number."""
    letters = string.ascii_letters + string.digits + "_.,-/\\'\"{}%#*!:&~ \n\t\x00\u2028\u0663"
    chance = random.Random(8)
    passed = 0
    for _round in range(20000):
        value = "".join(chance.choices(letters, k=chance.randrange(0, 6)))
        for name, word in WORDS.items():
            if command_line.check_typed_words({name: value}, WORDS):
                continue
            passed += 1
            assert value.strip()
            assert value.isprintable()
            assert not command_line.has_braces(value)
            if word.kind in ("name", "names"):
                assert not set(value) & set("/\\'\"*!:&~{}%# ") - set(" ")
                assert ".." not in value[:2]
            if word.kind in ("number", "whole"):
                assert word.least <= float(value) <= word.most
                assert value.isascii()
    assert passed > 1000


@pytest.mark.parametrize("value", [None, "", " ", [], {}, ["a"], {"a": 1}, True, b"x"], ids=repr)
@pytest.mark.parametrize("word", ["confirm", "node", "serial", "archive", "do"])
@pytest.mark.fault("A8")
def test_wrong_types(word: str, value: Any) -> None:
    assert len(check_words({word: value}, WORDS)) == 1
