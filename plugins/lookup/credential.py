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
  - The playbooks' variable C(__credentials), registered by
    M(monsterstack.swarm.credentials_plan), says what a running cluster has and this controller does
    not. Nothing is made for that. What the inventory gives and what stays as it is in Swarm gets a
    text in its place, which nobody uses. What is missing is an error.
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

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The builtin lookup `password`, which writes in check mode too, with another place there."""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[str]:
        """One value for each name. Raises AnsibleError where a file cannot be read or written."""
        self.set_options(var_options=variables, direct=kwargs)
        state = (variables or {}).get("__credentials") or {}
        withheld = state.get("withheld") or []
        if missing := [name for name in terms if name in (state.get("missing") or [])]:
            raise AnsibleError(
                f"{', '.join(missing)}: the cluster has it and this controller does not: run "
                "site.yml, which says what to do."
            )
        made = self._made([name for name in terms if name not in withheld], variables)
        for name in withheld:
            # Of a kept one there are two stand-ins: whatever differs with them needs its value.
            other = state.get("stand_in") if name in (state.get("kept") or {}) else None
            made.setdefault(name, f"not on this controller {other or ''}".strip())
        return [made[name] for name in terms]

    def _made(self, terms: Sequence[str], variables: Mapping[str, Any] | None) -> dict[str, str]:
        """The value by name, from its file, which is made where it is missing."""
        files = [os.path.join(self.get_option("folder"), name) for name in terms]
        if (variables or {}).get("ansible_check_mode"):
            files = [name if os.path.exists(name) else os.devnull for name in files]
        password = lookup_loader.get(
            "ansible.builtin.password", loader=self._loader, templar=self._templar
        )
        values = password.run(
            files,
            variables=variables,
            length=self.get_option("length"),
            chars=self.get_option("chars"),
        )
        return dict(zip(terms, values, strict=True))
