# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role registry: thin over module_utils/addresses.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_address
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: An address that a host itself has
description:
  - The address given, where one of the host's interfaces has it. Else the one that the host has in
    its Swarm, else its first one.
  - The address by which the world reaches a host (NAT, a name) need not be one that it has.
positional: _input, given
options:
  _input:
    description: What P(monsterstack.swarm.host_info#module) said of the host.
    type: dict
    required: true
  given:
    description: The address wished for.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: An address of this host
  ansible.builtin.debug:
    msg: "{{ __host_info | monsterstack.swarm.local_address(ansible_host) }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.addresses import local_address


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"local_address": local_address}
