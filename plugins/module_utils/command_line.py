# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was typed: words of the command line, --limit, --tags; judged before any of it is used."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import (
    Finding,
    Word,
    check_words,
    error,
)

BRACES = ("{{", "{%", "{#")
# Tags that mean something to Ansible itself.
GENERAL_TAGS = frozenset({"all", "always", "never", "tagged", "untagged"})


def has_braces(value: Any) -> bool:
    """Whether Ansible would take any text in a value for a template."""
    if isinstance(value, str):
        return any(brace in value for brace in BRACES)
    if isinstance(value, Mapping):
        return any(has_braces(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return any(has_braces(one) for one in value)
    return False


def check_typed_words(
    typed: Mapping[str, Any], words: Mapping[str, Word], others: Collection[str] = ()
) -> list[Finding]:
    """Typed words that are templates, or are not what they must be.

    `others` are typed names that are words too, of a kind that is not known here. Ansible evaluates
    a template wherever it meets it, so a word that a pipeline hands on would be run as a program.
    """
    findings = [
        error(
            name,
            "its value has braces, which Ansible would evaluate",
            "Write the value itself, without {{, {% and {#.",
        )
        for name in sorted({*words, *others} & set(typed))
        if has_braces(typed[name])
    ]
    templates = {finding.where for finding in findings}
    given = {name: value for name, value in typed.items() if name not in templates}
    return findings + check_words(given, words)


def check_inherited(
    typed: Collection[str],
    words: Mapping[str, Word],
    variables: Mapping[str, Collection[str]],
    around: Collection[str] = (),
) -> list[Finding]:
    """Words that somebody set where nobody types them: one that destroys must not lie in wait.

    `variables` are the names that each host of the inventory has, `around` those that playbooks
    around this one have given it.
    """
    findings: list[Finding] = []
    for name in sorted(word for word, kind in words.items() if not kind.inventory):
        if name in typed:
            continue
        holders = [host for host, names in variables.items() if name in names]
        if holders:
            where = name if len(holders) == len(variables) else f"{', '.join(holders)}/{name}"
            text = "the inventory sets a word that counts only where it is typed (-e)"
            remedy = "Take it out of group_vars and host_vars; if another playbook needs it, give "
            remedy += "it another name there."
            findings.append(error(where, text, remedy))
        elif name in around:
            text = "a playbook around this one sets a word that counts only where it is typed (-e)"
            remedy = "Take it out of that playbook's variables."
            findings.append(error(name, text, remedy))
    return findings


def check_readers(
    typed: Collection[str], words: Mapping[str, Word], run: Collection[str]
) -> list[Finding]:
    """Typed words that none of the playbooks `run` reads (their files' names): whoever typed one
    meant something that would not happen.

    Nothing is said where one of them is in no word's table, a part for example: nobody knows then.
    """
    if not run or not set(run) <= {name for word in words.values() for name in word.playbooks}:
        return []
    return [
        error(
            name,
            f"this word is not read by {' and '.join(sorted(run))}",
            f"Leave it away. It belongs to {', '.join(words[name].playbooks)}.",
        )
        for name in sorted(set(typed) & set(words))
        if words[name].playbooks and not set(words[name].playbooks) & set(run)
    ]


def check_limit(limit: str, nodes: Sequence[str], played: Collection[str]) -> list[Finding]:
    """A --limit that keeps nodes, or the plays that judge them, out of the run."""
    missing = [name for name in nodes if name not in played]
    if missing:
        text = f"leaves out {', '.join(missing)}, without which quorum and room cannot be judged"
    elif "localhost" not in played:
        text = "leaves out localhost, where most of the checks are made"
    else:
        return []
    remedy = "Leave it away: nodes that are as they should be are not touched."
    if missing and (kept := [name for name in nodes if name in played]):
        remedy += f" The playbooks that work on single nodes take -e node={','.join(kept)}."
    return [error(f"--limit {limit}", text, remedy)]


def check_tags_typed(
    run: Iterable[str], skip: Iterable[str], known: Collection[str]
) -> list[Finding]:
    """Tags of the command line: only those that a playbook has, and none that leaves half of it.

    A tag to skip that nothing here has leaves nothing out, so it is refused only where it looks
    misspelt: molecule skips its own tags in every run.
    """
    findings: list[Finding] = []
    for tag in sorted(set(run) - set(known) - {"all"}):
        if tag not in GENERAL_TAGS or not known:
            findings.append(_no_such_tag(f"--tags {tag}", tag, known))
    for tag in sorted(set(skip) - set(known)):
        if tag in GENERAL_TAGS - {"never"} or difflib.get_close_matches(tag, known, 1, 0.75):
            findings.append(_no_such_tag(f"--skip-tags {tag}", tag, known))
    if "images" in skip and "images" in known:
        text = "a release needs its images, so the stack would be left out too"
        remedy = "Write -e build=false to build nothing, or --skip-tags stack to release nothing."
        findings.append(error("--skip-tags images", text, remedy))
    return findings


def _no_such_tag(where: str, tag: str, known: Collection[str]) -> Finding:
    if not known:
        text = "this playbook has no parts that could be run alone or left out"
        return error(where, text, "Leave the option away.")
    close = difflib.get_close_matches(tag, known, 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return error(where, "this playbook has no such tag", f"{hint}Use {', '.join(known)}.")
