# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role `images`: thin over module_utils/images.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_refusals
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: Why a release cannot have its images
description:
  - Turns what the registries answered into sentences, all at once. Empty when all can be had.
positional: _input
options:
  _input:
    description: RV(monsterstack.swarm.image_digests#module:images).
    type: list
    elements: dict
    required: true
  may_build:
    description: Names of the images that are built when they are missing.
    type: list
    elements: str
    required: true
  host:
    description: Who asked.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be had
  monsterstack.swarm.say:
    lines: "{{ __refused }}"
    refuse: true
  vars:
    __refused: "{{ found.images | monsterstack.swarm.image_refusals(may_build=[], host='m1') }}"
"""

RETURN = r"""
_value:
  description: Sentences.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import refusals


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"image_refusals": refusals}
