#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Refuse what cannot work, before anything is touched
version_added: 0.1.0
description:
  - Stage V(inventory) looks at the inventory and the compose file alone. It checks the number of
    managers, groups, addresses, zones, ports, image tags, and variables that nothing reads.
  - Stage V(hosts) also uses what M(monsterstack.swarm.host_info) registered on every host. It
    checks systems, memory, clocks, host names, engine settings, ports that are taken, and whether
    the services' reservations find room beside those of other stacks.
  - Every finding has its place, what is wrong and what to do, and all come at once.
  - Runs on the controller and contacts no host.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stage:
    description: What to check.
    type: str
    choices: [inventory, hosts]
    required: true
  managers:
    description: Hosts that are to be managers. Default is the group C(managers).
    type: list
    elements: str
  workers:
    description: Hosts that are to be workers. Default is the group C(workers).
    type: list
    elements: str
  info_variable:
    description: Name of the variable in which every host has its M(monsterstack.swarm.host_info).
    type: str
    default: __host_info
  stack:
    description: Name of the stack, whose own ports and reservations are no obstacle.
    type: str
    default: ''
  compose:
    description: The compose file, rendered and parsed.
    type: dict
  spread_by_zone:
    description:
      - Whether every host that does work needs a zone.
      - By default it does if the compose file spreads over C(node.labels.zone), or another has one.
    type: bool
  published_ports:
    description: TCP ports that are published beside the compose file's.
    type: list
    elements: int
    default: []
  data_port:
    description: UDP port of the overlay networks. Swarm's own where it is not given.
    type: int
  address_pool:
    description:
      - Networks that a new swarm's overlay networks are cut from. They must be none of the hosts'.
      - Those of a swarm that exists count instead.
    type: list
    elements: str
    default: []
  subnet_size:
    description: Length of the prefix of each overlay network.
    type: int
    default: 24
  pins:
    description:
      - Labels that exactly one node has or will get, with the hosts that may get it.
      - Constraints on them are then checked for the node that will have it.
    type: dict
    default: {}
  overrides:
    description: Dictionaries that lie over a stack's defaults; a key not there is refused.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the variable.
        type: str
        required: true
      given:
        description: What the inventory says.
        type: raw
        required: true
      defaults:
        description: What it lies over.
        type: dict
        required: true
  tags:
    description: Image tags to check, by the name of the variable that they came from.
    type: dict
    default: {}
  conditions:
    description: What else must hold, with what to say where it does not.
    type: list
    elements: dict
    default: []
    suboptions:
      where:
        description: Name of the variable or host.
        type: str
        required: true
      holds:
        description: Whether it holds.
        type: bool
        required: true
      problem:
        description: What is wrong.
        type: str
        required: true
      remedy:
        description: What to do.
        type: str
        required: true
  stack_folders:
    description:
      - Folders on the controller that hold stacks, each a folder with a C(stack.yml).
      - What an inventory says of any of them, C(NAME_settings) and the like, is no mistake.
    type: list
    elements: str
    default: []
  known_variables:
    description: Names of variables that are read beside the inputs of the collection's roles.
    type: list
    elements: str
    default: []
  words:
    description:
      - Words of the command line (C(-e)), each with its C(kind) (text, bool, number or whole), for
        numbers C(least) and C(most), for texts C(one_of).
      - A word of the command line that nothing reads and that looks like one that is read is
        refused. M(monsterstack.swarm.command_line) judges their values.
    type: dict
    default: {}
  memory_min_mb:
    description: How many MiB a host must have.
    type: int
    default: 400
  fail:
    description: Fail when there are errors. Without it they are only returned.
    type: bool
    default: true
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Refuse what cannot work
  monsterstack.swarm.preflight:
    stage: inventory
    stack: shop
    compose: "{{ lookup('ansible.builtin.template', 'compose.yml.j2')
      | monsterstack.swarm.compose_document }}"
    tags: {tag: "{{ tag }}"}
  run_once: true
"""

RETURN = r"""
errors:
  description: What cannot work, one text each.
  returned: always
  type: list
  elements: str
warnings:
  description: What may not be meant. Ansible prints them too. Absent when there are none.
  returned: when there are any
  type: list
  elements: str
notices:
  description: What a person should know.
  returned: always
  type: list
  elements: str
findings:
  description: All of them in parts, with C(level), C(where), C(problem) and C(remedy).
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stage": {"type": "str", "choices": ["inventory", "hosts"], "required": True},
            "managers": {"type": "list", "elements": "str"},
            "workers": {"type": "list", "elements": "str"},
            "info_variable": {"type": "str", "default": "__host_info"},
            "stack": {"type": "str", "default": ""},
            "compose": {"type": "dict"},
            "spread_by_zone": {"type": "bool"},
            "published_ports": {"type": "list", "elements": "int", "default": []},
            "data_port": {"type": "int"},
            "address_pool": {"type": "list", "elements": "str", "default": []},
            "subnet_size": {"type": "int", "default": 24},
            "pins": {"type": "dict", "default": {}},
            "overrides": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "given": {"type": "raw", "required": True},
                    "defaults": {"type": "dict", "required": True},
                },
            },
            "tags": {"type": "dict", "default": {}},
            "conditions": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "where": {"type": "str", "required": True},
                    "holds": {"type": "bool", "required": True},
                    "problem": {"type": "str", "required": True},
                    "remedy": {"type": "str", "required": True},
                },
            },
            "stack_folders": {"type": "list", "elements": "str", "default": []},
            "known_variables": {"type": "list", "elements": "str", "default": []},
            "words": {"type": "dict", "default": {}},
            "memory_min_mb": {"type": "int", "default": 400},
            "fail": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="preflight runs on the controller: its action plugin was not found.")


if __name__ == "__main__":
    main()
