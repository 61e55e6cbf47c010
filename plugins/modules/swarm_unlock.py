#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_unlock
short_description: Give a locked manager its key
version_added: 0.1.0
description:
  - With autolock a manager whose engine restarts waits for the swarm's unlock key.
  - The key goes over the engine's socket. It never stands in a result or a command.
  - An engine that got its key while the swarm had no leader may become active without the swarm's
    network (seen on 26.1.5). RV(gossip) says so. It is to be started and unlocked again.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  key:
    description: The key, as C(docker swarm unlock-key) shows it.
    type: str
    required: true
  timeout:
    description: How many seconds to wait until the manager takes part in the swarm again.
    type: int
    default: 60
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts the change, without trying the key.
    support: full
"""

EXAMPLES = r"""
- name: Unlock this manager
  monsterstack.swarm.swarm_unlock:
    key: "{{ vault_unlock_key }}"
"""

RETURN = r"""
state:
  description: >-
    The node's state afterwards: active; pending while there is no quorum, which is for the other
    managers to mend; locked in check mode.
  returned: success
  type: str
gossip:
  description: Whether the engine has opened the swarm's network (7946/tcp), within 15 seconds.
  returned: when the state is active
  type: bool
"""

import socket
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import GOSSIP_PORT


def state_of(engine: Engine) -> str:
    """LocalNodeState of the engine."""
    return str((engine.get("/info").get("Swarm") or {}).get("LocalNodeState") or "inactive")


def gossips(engine: Engine, seconds: float = 15) -> bool:
    """Whether the swarm's gossip port answers on the node's own address within that time."""
    address = str(engine.get("/info")["Swarm"]["NodeAddr"])
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address, GOSSIP_PORT), timeout=2).close()
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.5)
        else:
            return True


def run(module: AnsibleModule, engine: Engine) -> None:
    state = state_of(engine)
    if state != "locked" or module.check_mode:
        module.exit_json(changed=state == "locked", state=state)
    end = time.monotonic() + module.params["timeout"]
    try:
        engine.post("/swarm/unlock", {"UnlockKey": module.params["key"].strip()})
    except EngineError as error:
        # The engine takes the key at once, and answers when the manager has found a leader: never,
        # where this one is the only manager of a quorum that is lost (seen in a restore).
        if error.status == 0 and state_of(engine) == "pending":
            module.exit_json(changed=True, state="pending")
        if "invalid key" not in str(error):
            raise
        module.fail_json(
            msg="the manager does not accept this key: it is another swarm's, or an older one. "
            "'docker swarm unlock-key' on a manager that is not locked shows the right one."
        )
    while (state := state_of(engine)) in ("locked", "pending") and time.monotonic() < end:
        time.sleep(0.5)
    if state != "active":
        module.exit_json(changed=True, state=state)
    module.exit_json(changed=True, state=state, gossip=gossips(engine))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "key": {"type": "str", "required": True, "no_log": True},
            "timeout": {"type": "int", "default": 60},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        run(module, Engine(module.params["docker_host"]))
    except EngineError as error:
        module.fail_json(msg=f"the manager could not be unlocked: {error}")


if __name__ == "__main__":
    main()
