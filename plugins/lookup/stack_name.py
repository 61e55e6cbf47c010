# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack's name, which stands in the paths of files that Ansible reads before any task runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stack_name
author: The monsterstack.swarm contributors (@monsterstack)
version_added: 0.1.0
short_description: The name of the stack that was asked for
description:
  - Takes the variable C(stack) as it is. A name that Ansible would evaluate, or that leads to a
    place outside the folder of the stacks, is refused; no task could do that early enough.
options:
  _terms:
    description: The name where the variable is not set.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Which stack
  ansible.builtin.set_fact:
    my_stack: "{{ lookup('monsterstack.swarm.stack_name', 'monsterstack') }}"
"""

RETURN = r"""
_raw:
  description: One name.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleOptionsError
from ansible.plugins.lookup import LookupBase

from ansible_collections.monsterstack.swarm.plugins.module_utils.command_line import (
    check_typed_words,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import Word


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(
        self, terms: list[Any], variables: Mapping[str, Any] | None = None, **_kwargs: Any
    ) -> list[str]:
        name = (variables or {}).get("stack", terms[0])
        for finding in check_typed_words({"stack": name}, {"stack": Word("name")}):
            raise AnsibleOptionsError(str(finding))
        return [str(name)]
