# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the release plays: thin over module_utils/summary.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_summary
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The lines that a playbook ends with
description:
  - Says what runs where, by which digest, where to look at it, and what was kept or changed.
positional: _input
options:
  _input:
    description: The result of P(monsterstack.swarm.stack_verdict#module).
    type: dict
    required: true
  stack:
    description: Name of the stack.
    type: str
    required: true
  tag:
    description: Tag of the release.
    type: str
    required: true
  asked:
    description: Whether the tag was asked for on the command line.
    type: bool
    required: true
  running:
    description: The result of P(monsterstack.swarm.stack_release#module) before the release.
    type: dict
    required: true
  hostvars:
    description: The variable C(hostvars), for zones and addresses.
    type: dict
    required: true
  nodes:
    description: Inventory names of the nodes.
    type: list
    elements: str
    required: true
  port:
    description: The published port of the page; V(0) for a stack without one.
    type: int
    required: true
  cluster:
    description: Whether there are workers and zones.
    type: dict
    required: true
  scale:
    description: Replicas that scale.yml set, as P(monsterstack.swarm.kept_scale#filter) has them.
    type: dict
  dry:
    description: Whether this is a dry run, of which no line may say that something was released.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Summary
  ansible.builtin.debug:
    msg: "{{ stack_result | monsterstack.swarm.release_summary(stack='shop', tag='1.0', asked=false,
      running=before, hostvars=hostvars, nodes=groups['all'], port=80,
      cluster={'workers': true, 'zones': true}) }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import release_summary


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"release_summary": release_summary}
