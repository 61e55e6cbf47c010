# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role `images`: thin over module_utils/images.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: identified_builds
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: Builds with the identity of what they will give
description:
  - The identity is a hash of sources, arguments and digests of the base images. Where the registry
    has it, the same was built before.
positional: _input
options:
  _input:
    description: What P(monsterstack.swarm.planned_builds#filter) returned.
    type: list
    elements: dict
    required: true
  answers:
    description: RV(monsterstack.swarm.image_digests#module:images) for the base images.
    type: list
    elements: dict
    required: true
  local:
    description: What the builder's engine says of those that no registry has.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See what was built before
  monsterstack.swarm.image_digests:
    images: "{{ plans | monsterstack.swarm.identified_builds(answers=bases.images, local=[])
      | map(attribute='image') }}"
"""

RETURN = r"""
_value:
  description:
    - The entries with C(pull), whether the build takes the registries' base images, and
      C(image.source_hash). That one is missing where a base image is known nowhere.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import identified_builds


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"identified_builds": identified_builds}
