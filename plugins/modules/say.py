#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: say
short_description: Print text for people, or refuse with it
version_added: 0.1.0
description:
  - Prints lines through Ansible's display, so that they can be read with any callback. Callbacks
    print a task's result as JSON, in which a text of many lines is one long string.
  - With a callback for machines (C(json), C(jsonl)) the lines go to stderr, so that stdout can be
    parsed.
  - Characters that print nothing are shown by their escape.
  - Runs on the controller and contacts no host.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  lines:
    description: A text, or a list of texts. A text may have several lines.
    type: raw
    required: true
  refuse:
    description:
      - Fail with these lines. Several lines are printed; a single one is printed by Ansible itself.
      - Without any line nothing is refused.
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: What was lost
  monsterstack.swarm.say:
    lines: "{{ __probed.lines }}"

- name: Refuse what failed
  monsterstack.swarm.say:
    lines: "{{ __failed_checks }}"
    refuse: true
"""

RETURN = r"""
msg:
  description: One line, the first, and how many there are beside it.
  returned: always
  type: str
lines:
  description: The lines as printed.
  returned: when nothing is refused
  type: list
  elements: str
findings:
  description: The lines of a refusal.
  returned: when refused
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "lines": {"type": "raw", "required": True},
            "refuse": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="say runs on the controller: its action plugin was not found.")


if __name__ == "__main__":
    main()
