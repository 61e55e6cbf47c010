# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the site playbook: thin over module_utils/summary.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_specs
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: What the inventory says of every node
description:
  - Makes the list that P(monsterstack.swarm.swarm_nodes#module) takes from the host variables
    C(zone), C(node_labels) and C(node_availability), and from what each host called itself.
positional: _input, nodes, pins, replaced
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  nodes:
    description: Inventory names of the nodes.
    type: list
    elements: str
    required: true
  pins:
    description: Labels of which exactly one node has each, with the nodes that may have it.
    type: dict
    required: true
  replaced:
    description: Hosts that were installed anew, with C(name) and the C(id) of the earlier node.
    type: list
    elements: dict
    default: []
  info_variable:
    description: Name of the variable with the result of P(monsterstack.swarm.host_info#module).
    type: str
    default: __host_info
"""

EXAMPLES = r"""
- name: Every node
  ansible.builtin.debug:
    msg: "{{ hostvars | monsterstack.swarm.node_specs(groups['all'], pins={}) }}"
"""

RETURN = r"""
_value:
  description: For each node what P(monsterstack.swarm.swarm_nodes#module) takes.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import node_specs


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_specs": node_specs}
