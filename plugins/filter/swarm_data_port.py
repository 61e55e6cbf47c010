# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the playbooks: thin over module_utils/summary.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: swarm_data_port
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The UDP port of the cluster's overlay networks
description:
  - The one that the Swarm was made with, as its managers tell
    P(monsterstack.swarm.host_info#module). It never changes.
  - Before there is a Swarm, the one that the inventory wishes (C(swarm_data_path_port)), else
    Swarm's own.
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
- name: Port
  ansible.builtin.debug:
    msg: "{{ hostvars | monsterstack.swarm.swarm_data_port(groups['all']) }}"
"""

RETURN = r"""
_value:
  description: The port.
  type: int
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import swarm_data_port


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"swarm_data_port": swarm_data_port}
