# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the release plays: thin over module_utils/images.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_images
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The running references that a release keeps
description:
  - What is built stays as long as the tag stays; what others build as long as its name and tag do.
positional: _input
options:
  _input:
    description: References that run now, C({name -> reference with digest}).
    type: dict
    required: true
  running_tag:
    description: The tag that runs now, empty when there is none.
    type: str
    required: true
  tag:
    description: The tag of this release.
    type: str
    required: true
  build:
    description: Names of the images that are built from sources.
    type: list
    elements: str
    required: true
  upstream:
    description: Images that others build, C({name -> reference}).
    type: dict
    required: true
  asked:
    description: Whether the tag was named for this run. What has another tag is not kept then.
    type: bool
    default: false
  only:
    description: Names of the images that alone may change.
    type: list
    elements: str
    default: []
  load:
    description: Whether images come from archives, so that what others build lies in our registry.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Keep what runs
  ansible.builtin.debug:
    msg: "{{ running.images | monsterstack.swarm.kept_images(running_tag=running.tag, tag='1.0',
      build=['frontend'], upstream={'redis': 'docker.io/library/redis:8.0'}) }}"
"""

RETURN = r"""
_value:
  description: For each kept name its reference.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.images import kept_images


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kept_images": kept_images}
