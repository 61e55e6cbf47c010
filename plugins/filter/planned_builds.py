# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role `images`: thin over module_utils/images.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: planned_builds
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: What building images needs
description:
  - Reads the sources and the Dockerfile of each image on the controller.
positional: _input
options:
  _input:
    description: Entries of P(monsterstack.swarm.wanted_images#filter) that have to be built.
    type: list
    elements: dict
    required: true
  build_args:
    description: Build arguments of all of them; C(VERSION), the tag, is added.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See what the images are built on
  ansible.builtin.debug:
    msg: "{{ missing | monsterstack.swarm.planned_builds({}) | map(attribute='bases') }}"
"""

RETURN = r"""
_value:
  description:
    - The entries with C(args), C(bases) (references of the images that the Dockerfile reads) and
      C(seed), a hash of the sources and of the arguments that the Dockerfile declares.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import planned_builds


def _planned_builds(
    missing: Iterable[Mapping[str, Any]], build_args: Mapping[str, Any]
) -> list[dict[str, Any]]:
    try:
        return planned_builds(missing, build_args)
    except (ValueError, OSError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"planned_builds": _planned_builds}
