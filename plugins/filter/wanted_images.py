# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of the role `images`: thin over module_utils/images.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: wanted_images
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The images of a release that have to be asked for
description:
  - Turns what a stack is made of into the list that the role C(images) works through.
  - Reads no sources; P(monsterstack.swarm.planned_builds#filter) does for what has to be built.
positional: _input
options:
  _input:
    description: Images made from sources, C({name -> {context, repository}}).
    type: dict
    required: true
  upstream:
    description: Images that others build, C({name -> reference}).
    type: dict
    required: true
  known:
    description: References that are known already, C({name -> reference}).
    type: dict
    required: true
  registry:
    description: Host and port of the registry that builds are pushed to.
    type: str
    required: true
  tag:
    description: The release's tag.
    type: str
    required: true
  sources:
    description: Folder on the controller below which the contexts are.
    type: path
    required: true
  load:
    description: Whether upstream images are kept in the registry too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What has to be asked for
  ansible.builtin.debug:
    msg: "{{ builds | monsterstack.swarm.wanted_images(
      upstream={}, known={}, registry='registry.example:5443', tag='1.0', sources='.') }}"
"""

RETURN = r"""
_value:
  description: One entry an image, with key, built, context or source, and image for the registry.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import wanted_images


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"wanted_images": wanted_images}
