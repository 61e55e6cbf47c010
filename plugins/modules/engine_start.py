#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_start
short_description: Start a Docker Engine that is stopped, and wait until its node is back
version_added: 0.1.0
description:
  - Starts C(docker.service) where the engine is installed and does not run, and lets it start with
    the machine.
  - Leaves an engine alone that runs and does not answer, because a restart ends its tasks.
  - An engine that cannot start is no failure of this module. M(monsterstack.swarm.host_info) says
    why, with the last lines of its journal.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  timeout:
    description:
      - How many seconds to wait until the engine answers, and until its node takes part in the
        swarm again.
    type: int
    default: 60
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts the change.
    support: full
"""

EXAMPLES = r"""
- name: Start the engine
  monsterstack.swarm.engine_start:
  become: true
"""

RETURN = r"""
running:
  description: Whether the engine answers now; false in check mode where it would be started.
  returned: always
  type: bool
state:
  description: The node's state in the swarm, or null while the engine does not answer.
  returned: always
  type: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import commands, host
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)


def node_of(docker_host: str) -> dict[str, Any] | None:
    """What an engine says of its swarm, or None while it does not answer."""
    try:
        return Engine(docker_host, timeout=20).get("/info").get("Swarm") or {}
    except EngineError:
        return None


def settled(engine: Engine, swarm: dict[str, Any]) -> bool:
    """Whether waiting longer changes nothing: a manager knows a leader, a worker is connected."""
    if swarm.get("LocalNodeState") in ("pending", None):
        return False
    if not swarm.get("ControlAvailable"):
        return True
    try:
        nodes = [host.summarise_node(node) for node in engine.get("/nodes")]
    except EngineError:
        return False
    return any(node["leader"] for node in nodes)


def run(module: AnsibleModule) -> dict[str, Any]:
    docker_host = module.params["docker_host"]
    systemctl = module.get_bin_path("systemctl", required=True)

    def unit() -> dict[str, str]:
        wanted = "--property=ActiveState,SubState,UnitFileState"
        return host.parse_unit(commands.run([systemctl, "show", "docker.service", wanted])[1])

    swarm = node_of(docker_host)
    before = unit()
    state = host.engine_state(True, swarm is not None, before)
    if state in ("running", "hung"):
        return {"changed": False, "running": swarm is not None, "state": _state(swarm)}
    if module.check_mode:
        return {"changed": True, "running": False, "state": None}
    # After too many starts systemd refuses one more, also when the cause is mended.
    commands.run([systemctl, "reset-failed", "docker.service", "docker.socket"])
    verb = ["enable", "--now"] if before.get("UnitFileState") == "disabled" else ["start"]
    # Not waited for: a start that hangs would hold this module longer than its time.
    commands.run([systemctl, *verb, "--no-block", "docker.service"])
    end = time.monotonic() + module.params["timeout"]
    swarm = None
    while time.monotonic() < end:
        time.sleep(0.5)
        state = host.engine_state(True, False, unit())
        if state == "failed":
            break
        # Before it is active its socket takes requests and keeps them waiting.
        if (
            state == "hung"
            and (swarm := node_of(docker_host)) is not None
            and settled(Engine(docker_host, timeout=10), swarm)
        ):
            break
    return {"changed": swarm is not None, "running": swarm is not None, "state": _state(swarm)}


def _state(swarm: dict[str, Any] | None) -> str | None:
    return None if swarm is None else str(swarm.get("LocalNodeState") or "inactive")


def main() -> None:
    module = AnsibleModule(
        argument_spec={"timeout": {"type": "int", "default": 60}, **ENGINE_OPTIONS},
        supports_check_mode=True,
    )
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
