# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role docker_engine: thin over module_utils/firewall.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_rules
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The rules of a node's firewall, as nftables reads them
description:
  - Closes the host to all but SSH, ICMP, answers of DHCP and, for the nodes, the ports of Swarm.
  - Of what is published, some ports are for nodes alone and the others for the networks named.
  - A name instead of an address is an error, since nftables would look it up at each boot.
positional: _input
options:
  _input:
    description: Addresses of all nodes.
    type: list
    elements: str
    required: true
  ssh_ports:
    description: Ports that SSH comes in by.
    type: list
    elements: int
    required: true
  data_port:
    description: UDP port of the overlay networks.
    type: int
    required: true
  node_ports:
    description: Published TCP ports that nodes alone may reach.
    type: list
    elements: int
    default: []
  published_from:
    description: Networks that may reach the other published ports.
    type: list
    elements: str
    default: [0.0.0.0/0, "::/0"]
  extra:
    description: Rules of nftables for what comes in, before the others.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Rules
  ansible.builtin.debug:
    msg: "{{ ['192.0.2.11'] | monsterstack.swarm.firewall_rules(ssh_ports=[22], data_port=port) }}"
"""

RETURN = r"""
_value:
  description: The file.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.module_utils import firewall


def firewall_rules(nodes: list[str], **more: Any) -> str:
    """The rules; what is no address is an error of the filter."""
    try:
        return firewall.rules(nodes, **more)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_rules": firewall_rules}
