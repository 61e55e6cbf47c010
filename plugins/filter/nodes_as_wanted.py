# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the nodes that a manager lists are what they are to be."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes_as_wanted
short_description: Whether P(monsterstack.swarm.swarm_nodes#module) would find nothing to do
version_added: 0.1.0
description:
  - Says so without a call to a manager, from what P(monsterstack.swarm.host_info#module) saw there.
author: The monsterstack.swarm contributors (@monsterstack)
positional: _input, listed
options:
  _input:
    description: The nodes as P(monsterstack.swarm.swarm_nodes#module) takes them.
    type: list
    elements: dict
    required: true
  listed:
    description: The nodes as P(monsterstack.swarm.host_info#module) lists them on a manager.
    type: list
    elements: dict
    required: true
  purge_labels:
    description: Whether labels that are not named are to go.
    type: bool
    default: false
  protected:
    description: Labels that stay all the same, because they stand for data on a node's disk.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Set labels where one differs
  monsterstack.swarm.swarm_nodes:
    nodes: "{{ nodes_wanted }}"
  when: not nodes_wanted | monsterstack.swarm.nodes_as_wanted(host_seen.swarm.nodes)
"""

RETURN = r"""
_value:
  description: Whether labels, availability and pins are right and every node is ready.
  type: bool
"""

from collections.abc import Callable

from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import as_wanted


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., bool]]:
        return {"nodes_as_wanted": as_wanted}
