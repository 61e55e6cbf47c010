# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role `images`: thin over module_utils/images.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_references
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: References with tag and digest from what the registries answered
description:
  - Joins the list of wanted images with the answers of P(monsterstack.swarm.image_digests#module).
  - An image without a digest (a dry run builds none) gets its name and tag.
positional: _input, found, pushed
options:
  _input:
    description: The result of P(monsterstack.swarm.wanted_images#filter).
    type: list
    elements: dict
    required: true
  found:
    description: RV(monsterstack.swarm.image_digests#module:by_name) of the first question.
    type: dict
    default: {}
  pushed:
    description: RV(monsterstack.swarm.image_digests#module:by_name) after the builds.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: What will run
  ansible.builtin.debug:
    msg: "{{ wanted | monsterstack.swarm.image_references(found.by_name, pushed.by_name) }}"
"""

RETURN = r"""
_value:
  description: For each key of the wanted images its reference.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import image_references


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"image_references": image_references}
