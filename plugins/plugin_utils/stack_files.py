# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stack.yml files of the controller say, read as plain YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# The one variable of a stack.yml. Ansible takes whatever else stands there for a variable above the
# inventory's, so `volumes: true` would do what -e volumes=true does.
DEFINITION = "stack_definition"
KEYS = (
    "backup",
    "build",
    "build_args",
    "derived_secrets",
    "images",
    "pins",
    "probe",
    "renewable",
    "secrets",
    "settings",
    "smoke",
    "tag",
)


def check_stack(where: str, content: Any) -> list[str]:
    """What is wrong with what a stack.yml (`where`) holds, as sentences.

    Within stack_definition a stack may have keys of its own, for its template: only those that look
    like one of ours are refused there.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get(DEFINITION), Mapping):
        return [f"{where}: it has no dictionary {DEFINITION}. Put all that it says under that key."]
    findings: list[str] = []
    for key in content:
        if key == DEFINITION:
            continue
        if difflib.get_close_matches(str(key), [DEFINITION], 1):
            remedy = f"Did you mean {DEFINITION}?"
        elif key in KEYS:
            remedy = f"Move it under {DEFINITION}."
        else:
            remedy = "Take it out; values of a stack belong to the inventory's NAME_settings."
        findings.append(f"{where}: {key}: a stack's file has {DEFINITION} alone. {remedy}")
    for key in content[DEFINITION]:
        if key not in KEYS and (close := difflib.get_close_matches(str(key), KEYS, 1, 0.75)):
            what = f"{where}: {DEFINITION}.{key}: nothing here reads this key."
            findings.append(f"{what} Did you mean {close[0]}?")
    return findings


def read_all(folder: str) -> tuple[dict[str, str], list[str]]:
    """({path: text} of the stack.yml files in a folder of stacks, paths that cannot be read)."""
    texts: dict[str, str] = {}
    unread: list[str] = []
    try:
        stacks = sorted(Path(folder).iterdir())
    except OSError:
        return {}, [folder]
    for file in (stack / "stack.yml" for stack in stacks):
        try:
            texts[str(file)] = file.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError):
            unread.append(str(file))
    return texts, unread


def stack_pins(files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(labels that the stacks pin, names of the files that cannot be read), of {name: stack.yml}.

    The values are templates of Ansible's and stay unread; the labels are no templates.
    """
    labels: list[str] = []
    unread: list[str] = []
    for name, text in files.items():
        try:
            pins = (yaml.safe_load(text)[DEFINITION] or {}).get("pins") or {}
            labels += [str(label) for label in pins]
        except (yaml.YAMLError, TypeError, KeyError, AttributeError):
            unread.append(name)
    return sorted(set(labels)), unread
