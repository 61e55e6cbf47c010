# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the doctor playbook: thin over module_utils/summary.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_addresses
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The address by which each node is known
description:
  - In the Swarm, from what P(monsterstack.swarm.host_info#module) registered. A host that is in no
    Swarm goes by the inventory's C(swarm_advertise_address) or C(ansible_host). Hosts that were
    not looked at are left out.
  - With O(known_to=controller) the address or name by which Ansible reaches each.
  - With O(known_to=nodes) the same as in the Swarm, and a host that was not looked at goes by the
    inventory.
positional: _input, nodes
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
  known_to:
    description: Who knows the nodes by it.
    type: str
    choices: [swarm, controller, nodes]
    default: swarm
  info_variable:
    description: Name of the variable with the result of P(monsterstack.swarm.host_info#module).
    type: str
    default: __host_info
"""

EXAMPLES = r"""
- name: Addresses
  ansible.builtin.debug:
    msg: "{{ hostvars | monsterstack.swarm.node_addresses(groups['all']) }}"
"""

RETURN = r"""
_value:
  description: Addresses by inventory name.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import node_addresses


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_addresses": node_addresses}
