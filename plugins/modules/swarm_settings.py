#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_settings
short_description: Change one of a swarm's own settings and keep all others
version_added: 0.1.0
description:
  - Reads the swarm's whole Spec, changes what is asked for, and posts the whole back, at the
    version that was read.
  - The engine takes what is posted as the whole, so a post of one setting alone sets the others to
    0 (task history, Raft snapshots, heartbeat, life of the certificates). That is what
    M(community.docker.docker_swarm) with C(state=present) does to a swarm that exists.
  - Runs on one manager.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  autolock:
    description: Whether the managers' keys are encrypted at rest. Without it that stays as it is.
    type: bool
  repair:
    description:
      - Give each setting that is 0, and that nobody sets to 0, the value that C(docker swarm init)
        gives it.
      - A task history of 0 alone is somebody's wish and stays.
    type: bool
    default: false
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts the change.
    support: full
  diff_mode:
    description: Shows the settings that change, before and after.
    support: full
"""

EXAMPLES = r"""
- name: Lock the managers
  monsterstack.swarm.swarm_settings:
    autolock: true

- name: Put back what an incomplete post has set to 0
  monsterstack.swarm.swarm_settings:
    repair: true
"""

RETURN = r"""
lines:
  description: One line per setting that changes, with its value before and after.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import swarm_spec
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import update


def run(module: AnsibleModule, engine: Engine) -> None:
    autolock, repair = module.params["autolock"], module.params["repair"]
    seen: dict[str, Any] = {}

    def wanted(spec: dict[str, Any]) -> dict[str, Any]:
        seen.update(before=spec)
        after = swarm_spec.repaired(spec) if repair else spec
        return after if autolock is None else swarm_spec.autolocked(after, autolock)

    if module.check_mode:
        after = wanted(engine.get("/swarm")["Spec"])
    else:
        after = update(engine, "/swarm", wanted)
    changes = {
        key: tuple(swarm_spec.in_words(key, value) for value in pair)
        for key, pair in swarm_spec.differences(seen["before"], after).items()
    }
    module.exit_json(
        changed=bool(changes),
        lines=[f"{key}: {old} -> {new}" for key, (old, new) in changes.items()],
        diff={
            side: {key: pair[place] for key, pair in changes.items()}
            for place, side in enumerate(("before", "after"))
        },
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "autolock": {"type": "bool"},
            "repair": {"type": "bool", "default": False},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        run(module, Engine(module.params["docker_host"]))
    except EngineError as error:
        module.fail_json(msg=f"the swarm's settings could not be changed: {error}")


if __name__ == "__main__":
    main()
