# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stack.yml files of the controller say, read as plain YAML."""

from __future__ import annotations

from collections.abc import Mapping

import yaml


def stack_pins(files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(labels that the stacks pin, names of the files that cannot be read), of {name: stack.yml}.

    The values are templates of Ansible's and stay unread; the labels are no templates.
    """
    labels: list[str] = []
    unread: list[str] = []
    for name, text in files.items():
        try:
            pins = (yaml.safe_load(text)["stack_definition"] or {}).get("pins") or {}
            labels += [str(label) for label in pins]
        except (yaml.YAMLError, TypeError, KeyError, AttributeError):
            unread.append(name)
    return sorted(set(labels)), unread
