#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_lock
short_description: Let one deployer at a time work on a stack
version_added: 0.1.0
description:
  - The lock is a Swarm config called C(<stack>_lock). The managers agree on its creation, so two
    deployers never both have it. It says who has it, from where and since when.
  - The lock of a playbook that has ended on the same controller is recovered at once, with a
    warning. One of another controller gives way after O(stale_after) seconds.
  - Taking and giving back leaves nothing behind, so neither counts as a change.
  - Whoever takes it learns what runs, at once and while nobody else changes it.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(taken) takes the lock or fails with the name of who has it.
      - V(released) gives it back. Never touches somebody else's.
    type: str
    choices: [taken, released]
    required: true
  stale_after:
    description: Seconds after which a lock counts as forgotten whose owner cannot be looked at.
    type: int
    default: 7200
  owner:
    description: Who takes it. Filled in by the action plugin.
    type: dict
  replace:
    description: ID of a lock to be removed first. Filled in by the action plugin.
    type: str
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Looks whether the lock could be taken, and takes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Deploy alone
  block:
    - name: Take the lock
      monsterstack.swarm.stack_lock:
        stack: shop
        state: taken
    # ... deploy ...
  always:
    - name: Give the lock back
      monsterstack.swarm.stack_lock:
        stack: shop
        state: released
"""

RETURN = r"""
held:
  description: Whether this playbook has the lock now.
  returned: always
  type: bool
holder:
  description: Who else has it, or null.
  returned: always
  type: dict
running:
  description:
    - Also C(current), C(last), C(previous), C(history), C(releases), C(secrets) and C(versions).
    - They are what M(monsterstack.swarm.stack_release) returns when it reads.
  returned: when O(state=taken) and nobody else has it
  type: dict
id:
  description: ID of the lock that is in the way.
  returned: when somebody else has it
  type: str
"""

import base64
import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import release
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import LABEL, config_name
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import look_at_releases


def find(engine: Engine, stack: str) -> dict[str, Any] | None:
    """The lock as it is."""
    name = config_name(stack)
    # Swarm's filter compares beginnings.
    found: list[dict[str, Any]] = engine.get("/configs", filters={"name": [name]})
    return next((config for config in found if config["Spec"]["Name"] == name), None)


def content(config: dict[str, Any]) -> dict[str, Any]:
    """What a lock says; empty when it says nothing that can be read."""
    try:
        value = json.loads(base64.b64decode(config["Spec"].get("Data") or ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both are the same process."""
    return all(one.get(key) == other.get(key) for key in ("host", "pid", "place", "begun"))


def busy(config: dict[str, Any]) -> dict[str, Any]:
    """The result when somebody else has it; what follows is the action plugin's to say."""
    return {"changed": False, "held": False, "holder": content(config), "id": config["ID"]}


def take(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Take the lock and see what runs, or tell who has it."""
    result = lock(module, engine)
    if result["holder"] is None:
        records, _ids, running = look_at_releases(engine, module.params["stack"])
        result |= release.summary(records, running, engine.get("/secrets"))
    return result


def lock(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Take the lock, or tell who has it."""
    stack, owner = module.params["stack"], module.params["owner"]
    there = find(engine, stack)
    if there and same(content(there), owner):
        return {"changed": False, "held": True, "holder": None}
    if there and there["ID"] == module.params["replace"]:
        if not module.check_mode:
            remove(engine, there["ID"])
        there = None
    if there:
        return busy(there)
    if module.check_mode:
        return {"changed": False, "held": False, "holder": None}
    data = base64.b64encode(json.dumps(owner).encode()).decode()
    labels = {"com.docker.stack.namespace": stack, LABEL: "1"}
    body = {"Name": config_name(stack), "Labels": labels, "Data": data}
    try:
        engine.post("/configs/create", body)
    except EngineError as error:
        # Somebody was quicker between the two questions.
        there = find(engine, stack) if error.status == 409 else None
        if not there:
            raise
        return busy(there)
    return {"changed": False, "held": True, "holder": None}


def unlock(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Give one's own lock back."""
    there = find(engine, module.params["stack"])
    mine = there is not None and same(content(there), module.params["owner"])
    if there and mine and not module.check_mode:
        remove(engine, there["ID"])
    return {
        "changed": False,
        "held": False,
        "holder": content(there) if there and not mine else None,
    }


def remove(engine: Engine, object_id: str) -> None:
    """Delete a config that somebody else may have deleted already."""
    try:
        engine.delete(f"/configs/{object_id}")
    except EngineError as error:
        if error.status != 404:
            raise


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["taken", "released"], "required": True},
            "stale_after": {"type": "int", "default": 7200},
            "owner": {"type": "dict"},
            "replace": {"type": "str"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    if not module.params["owner"]:
        module.fail_json(msg="stack_lock needs to know its owner: its action plugin was not found.")
    work = take if module.params["state"] == "taken" else unlock
    try:
        module.exit_json(**work(module, Engine(module.params["docker_host"])))
    except EngineError as error:
        module.fail_json(msg=f"the lock of the stack {module.params['stack']}: {error}")


if __name__ == "__main__":
    main()
