# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the role docker_engine: thin over module_utils/settings.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_settings
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: daemon.json as it should be
description:
  - What the host has stays. Defaults fill what is missing, inputs are added, O(config) is laid over
    all of it.
  - Options of a log driver other than json-file are left alone.
positional: _input, config
options:
  _input:
    description: The settings that the host has.
    type: dict
    required: true
  config:
    description: Keys that are set in any case; null removes a key.
    type: dict
    required: true
  mirrors:
    description: Mirrors of Docker Hub, before those of the host.
    type: list
    elements: str
    default: []
  insecure:
    description: Registries without TLS, before those of the host.
    type: list
    elements: str
    default: []
  log_max_size:
    description: Size of a log file. Empty keeps the host's, else 10m.
    type: str
    default: ""
  log_max_file:
    description: How many log files are kept. 0 keeps the host's, else 3.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Settings
  ansible.builtin.debug:
    msg: "{{ __host_info.engine.daemon_json | monsterstack.swarm.engine_settings({}) }}"
"""

RETURN = r"""
_value:
  description: The settings.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.settings import engine_settings


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"engine_settings": engine_settings}
