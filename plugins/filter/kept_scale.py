# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the release plays: thin over module_utils/release.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_scale
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The replicas that scale.yml set and that still hold
description:
  - A recorded number holds until the inventory names another number than it did then.
positional: _input
options:
  _input:
    description: The inventory's settings, with C(replicas) under each service's name.
    type: dict
    required: true
  recorded:
    description: What is recorded, C({service -> {replicas, instead_of}}).
    type: dict
    required: true
  asked:
    description: Replicas that are asked for now, by service.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep what was scaled
  ansible.builtin.debug:
    msg: "{{ {'frontend': {'replicas': 3}} | monsterstack.swarm.kept_scale(
      recorded={'frontend': {'replicas': 6, 'instead_of': 3}}, asked={}) }}"
"""

RETURN = r"""
_value:
  description: For each scaled service C(replicas), and C(instead_of) for what the inventory says.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.release import kept_scale


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kept_scale": kept_scale}
