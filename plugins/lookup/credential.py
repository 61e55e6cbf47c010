# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A password that is made once and kept on the controller, except in a dry run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: credential
author: The monsterstack.swarm contributors (@monsterstack)
version_added: 0.1.0
short_description: A secret value that is made once, in a folder of the controller
description:
  - Reads the value from a file of the folder, and makes file and folder where they are missing.
  - In check mode a missing value is made up and not stored, so a dry run leaves no trace.
options:
  _terms:
    description: Names of files in the folder.
    required: true
  folder:
    description: The folder on the controller.
    type: path
    required: true
  length:
    description: How many characters a new value gets.
    type: int
    default: 32
  chars:
    description: What they are taken from, as in P(ansible.builtin.password#lookup).
    type: list
    elements: str
    default: [ascii_letters, digits]
"""

EXAMPLES = r"""
- name: The secrets of a stack
  ansible.builtin.set_fact:
    my_secrets:
      db: "{{ lookup('monsterstack.swarm.credential', 'db', folder='credentials/lab') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The values.
  type: list
  elements: str
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The builtin lookup `password`, which writes in check mode too, with another place there."""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[str]:
        """One value for each name. Raises AnsibleError where a file cannot be read or written."""
        self.set_options(var_options=variables, direct=kwargs)
        files = [os.path.join(self.get_option("folder"), name) for name in terms]
        if (variables or {}).get("ansible_check_mode"):
            files = [name if os.path.exists(name) else os.devnull for name in files]
        password = lookup_loader.get(
            "ansible.builtin.password", loader=self._loader, templar=self._templar
        )
        values: list[str] = password.run(
            files,
            variables=variables,
            length=self.get_option("length"),
            chars=self.get_option("chars"),
        )
        return values
