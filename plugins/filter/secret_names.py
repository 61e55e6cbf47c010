# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the roles stack and registry: thin over module_utils/objects.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_names
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The names that secrets have in Swarm
description:
  - Makes the names under which P(monsterstack.swarm.stack_secrets#module) stores these secrets. So
    nothing needs to be sent to a manager where all of them are stored.
positional: _input, stack, key
options:
  _input:
    description: Values by short name.
    type: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
  key:
    description: Key of the hash, as for P(monsterstack.swarm.stack_secrets#module).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What the stack's secrets are called
  ansible.builtin.debug:
    msg: "{{ {'pin': vault_pin} | monsterstack.swarm.secret_names('shop', vault_secret_key) }}"
"""

RETURN = r"""
_value:
  description: Full name by short name.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.module_utils import objects


def secret_names(values: Mapping[str, Any], stack: str, key: str) -> dict[str, str]:
    """Full name by short name. Raises AnsibleFilterError for what Swarm would not take."""
    try:
        return objects.full_names(stack, values, key)
    except ValueError as problem:
        raise AnsibleFilterError(f"secrets of the stack {stack}: {problem}") from problem


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"secret_names": secret_names}
