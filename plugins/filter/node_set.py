# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the playbooks: thin over module_utils/addresses.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_set
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: Every address by which a packet of a node may come
description:
  - Takes the inventory's C(ansible_host) and C(swarm_advertise_address), and from what
    P(monsterstack.swarm.host_info#module) registered the addresses of the hosts' interfaces and
    those that the Swarm uses.
  - Only literal addresses, never a name.
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
  info_variable:
    description: Name of the variable with the result of P(monsterstack.swarm.host_info#module).
    type: str
    default: __host_info
"""

EXAMPLES = r"""
- name: Addresses
  ansible.builtin.debug:
    msg: "{{ hostvars | monsterstack.swarm.node_set(groups['all']) }}"
"""

RETURN = r"""
_value:
  description: Addresses, IPv4 first.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.addresses import node_set


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_set": node_set}
