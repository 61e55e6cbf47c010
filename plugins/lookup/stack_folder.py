# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack's folder, judged before Ansible takes the variables of the stack.yml in it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stack_folder
author: The monsterstack.swarm contributors (@monsterstack)
version_added: 0.1.0
short_description: The folder of a stack
description:
  - Is a folder in the one that the variable C(stacks_dir) names. A relative C(stacks_dir) is looked
    for in the working directory.
  - A typed C(stacks_dir) that Ansible would evaluate is refused, and so is an empty one.
  - The C(stack.yml) in it must have the dictionary C(stack_definition) and nothing else. Any other
    key would be a variable that counts more than the inventory's, and would do what a typed word
    does. No task could refuse that early enough.
options:
  _terms:
    description: The name of the stack.
    type: list
    elements: str
    required: true
  own:
    description: The folder of the stacks where C(stacks_dir) is not set.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Where the stack is
  ansible.builtin.set_fact:
    my_folder: "{{ lookup('monsterstack.swarm.stack_folder', 'shop', own='/srv/stacks') }}"
"""

RETURN = r"""
_raw:
  description: One path.
  type: list
  elements: str
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleOptionsError
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.monsterstack.swarm.plugins.module_utils.command_line import (
    check_typed_words,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import (
    Word,
    check_words,
    stack_names,
)
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.stack_files import check_stack

WORD = {"stacks_dir": Word("path", inventory=True)}
# Asked for with every task and host: {path: what stat said of a file that was right}.
_judged: dict[str, tuple[int, int, int]] = {}


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(
        self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[str]:
        """The folder. Raises AnsibleOptionsError where its stack.yml is missing or is not right."""
        self.set_options(var_options=variables, direct=kwargs)
        folder = Path(os.path.abspath(self._stacks(variables or {}))) / terms[0]
        file = folder / "stack.yml"
        try:
            about = file.stat()
            state = (about.st_ino, about.st_mtime_ns, about.st_size)
            if _judged.get(str(file)) == state:
                return [str(folder)]
            # Not from or to Ansible's cache: there its templates would be plain text.
            content = self._loader.load_from_file(str(file), cache="none")
        except FileNotFoundError:
            there = ", ".join(sorted(stack_names([str(folder.parent)]))) or "none"
            raise AnsibleOptionsError(
                f"stack: there is no stack {terms[0]} in {folder.parent}; it has {there}. Correct "
                "the name, or name the folder that the stack's folder is in with stacks_dir."
            ) from None
        except (OSError, UnicodeDecodeError, AnsibleError) as problem:
            raise AnsibleOptionsError(f"{file} cannot be read. Correct it.") from problem
        if findings := check_stack(str(file), content):
            raise AnsibleOptionsError(" ".join(findings))
        _judged[str(file)] = state
        return [str(folder)]

    def _stacks(self, variables: Mapping[str, Any]) -> str:
        """Where the stacks are; taken as it is: a template would be evaluated on the way here."""
        if "stacks_dir" not in variables:
            return str(self.get_option("own"))
        given = {"stacks_dir": variables["stacks_dir"]}
        if "stacks_dir" in load_extra_vars(self._loader):
            findings = check_typed_words(given, WORD)
        else:
            given = {"stacks_dir": self._templar.template(given["stacks_dir"])}
            findings = check_words(given, WORD)
        for finding in findings:
            raise AnsibleOptionsError(str(finding))
        return os.path.expanduser(str(given["stacks_dir"]))
