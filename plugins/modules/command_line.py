#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: command_line
short_description: Refuse a command line that cannot be meant, before any of it is used
version_added: 0.1.0
description:
  - The first task of every playbook of this collection.
  - Words (C(-e volumes=true)) count only where they are typed. One that the inventory or a playbook
    around this one sets is refused. So are words with braces, without a value, or with a value that
    they cannot have.
  - Refuses a C(--limit) that leaves out nodes, or the controller, where most checks are made.
  - Refuses tags that the playbook does not have, and such as would leave out half of a release.
  - Evaluates none of the words. Runs on the controller and contacts no host.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  tags:
    description: Tags that the playbook has.
    type: list
    elements: str
    default: []
  services:
    description: Every typed variable is a word, such as the services' names of C(scale.yml).
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Refuse what cannot be meant
  monsterstack.swarm.command_line:
    tags: [docker_engine, swarm]
"""

RETURN = r"""
typed:
  description: The words that were typed.
  returned: when nothing is refused
  type: list
  elements: str
findings:
  description: Why the command line is refused.
  returned: when refused
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tags": {"type": "list", "elements": "str", "default": []},
            "services": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="command_line runs on the controller: its action plugin was not found.")


if __name__ == "__main__":
    main()
