# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the command line is judged: evaluated even where options pass over every task."""

from __future__ import annotations

DOCUMENTATION = r"""
name: judged_on
author: The monsterstack.swarm contributors (@monsterstack)
version_added: 0.1.0
short_description: The hosts of the play that judges the command line
description:
  - Is C(localhost), and with C(--limit) all that the limit leaves, since plays on C(localhost) are
    passed over then.
  - Refuses C(--start-at-task) and C(--skip-tags) with C(always), C(tagged) or C(all), which pass
    over the tasks that judge.
options:
  _terms:
    description: None.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Judge the command line
  hosts: "{{ lookup('monsterstack.swarm.judged_on') }}"
"""

RETURN = r"""
_raw:
  description: A pattern of hosts.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleOptionsError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, _terms: list[Any], **_variables: Any) -> list[str]:
        given = context.CLIARGS
        if given.get("start_at_task"):
            raise AnsibleOptionsError(
                "--start-at-task passes over the tasks that look at the hosts, which all others "
                "need. Leave it away: a run that was interrupted can be typed again as it was."
            )
        # Ansible's own words for many tasks, those that judge among them.
        for tag in {"always", "tagged", "all"} & set(given.get("skip_tags") or ()):
            raise AnsibleOptionsError(
                f"--skip-tags {tag} passes over the tasks that look at the hosts, which all others "
                "need. Leave it away."
            )
        return ["all:localhost" if given.get("subset") else "localhost"]
