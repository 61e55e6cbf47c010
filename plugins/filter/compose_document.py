# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the release plays: thin over module_utils/compose.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compose_document
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: A compose file's text as data
description:
  - Takes plain words as the Docker client does, not as YAML 1.1 does. C(1e3) is a number, and C(=),
    C(yes) and C(12:30) are texts.
  - Leaves out C(version), which says nothing any more.
positional: _input
options:
  _input:
    description: The text of a compose file.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: See which services there are
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'compose.yml')
      | monsterstack.swarm.compose_document).services }}"
"""

RETURN = r"""
_value:
  description: The document.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.module_utils import compose


def compose_document(text: str) -> dict[str, Any]:
    """compose.load, with an error that Ansible shows."""
    try:
        return compose.load(str(text))
    except compose.ComposeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"compose_document": compose_document}
