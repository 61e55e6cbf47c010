#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_absent
short_description: Remove a stack without leaving traces in the swarm
version_added: 0.1.0
description:
  - Removes the services, waits until their tasks' containers are gone, then removes networks,
    secrets and configs, its lock and its recorded releases among them. C(docker stack rm) does not
    wait, which leaks addresses of the ingress network (moby#37338).
  - Objects belong to a stack by the label that C(docker stack deploy) gives them.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  scope:
    description:
      - V(swarm) is all of the above, on one manager.
      - V(volumes) are the stack's local volumes on this very node, with all that is in them.
        What other volumes are there is said.
    type: str
    choices: [swarm, volumes]
    default: swarm
  keep:
    description: With O(scope=volumes), only say which there are.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for the containers' end, and for the networks to be free.
    type: int
    default: 120
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Tells what would be removed.
    support: full
"""

EXAMPLES = r"""
- name: Remove a stack
  monsterstack.swarm.stack_absent:
    stack: shop
"""

RETURN = r"""
removed:
  description: What was removed, each with its kind.
  returned: always
  type: list
  elements: str
left:
  description:
    - Volumes with a name that are still on this node, of whatever stack, each with its node.
  returned: when O(scope=volumes)
  type: list
  elements: str
"""

import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
    stack_filter,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.host import named_volumes
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import config_name

PAUSE = 0.5  # seconds between two looks
# What a task is when its container is gone; a lost node's containers cannot be waited for.
ENDED = frozenset(("complete", "shutdown", "failed", "rejected", "remove", "orphaned"))
# HTTP statuses by which the engine says that something is in use still.
BUSY = (400, 403, 409)


def running(engine: Engine, services: set[str]) -> list[str]:
    """Tasks of these services, on nodes that answer, whose containers are not gone yet."""
    ready = {
        node["ID"]
        for node in engine.get("/nodes")
        if (node.get("Status") or {})["State"] == "ready"
    }
    # Tasks whose service is gone keep its id; Swarm has no filter for services that are gone.
    return [
        task["ID"]
        for task in engine.get("/tasks")
        if task.get("ServiceID") in services
        and task.get("NodeID") in ready
        and task["Status"]["State"] not in ENDED
    ]


def wait(condition: Callable[[], bool], timeout: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def delete(engine: Engine, path: str) -> bool:
    """Delete; False while it is in use. What is gone already is deleted."""
    try:
        engine.delete(path)
    except EngineError as error:
        if error.status in BUSY:
            return False
        if error.status != 404:
            raise
    return True


def remove_stack(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Everything that the swarm has of the stack."""
    stack, timeout = module.params["stack"], module.params["timeout"]
    mine = stack_filter(stack)
    services = engine.get("/services", filters=mine)
    rest = {
        "network": engine.get("/networks", filters=mine),
        "secret": engine.get("/secrets", filters=mine),
        "config": engine.get("/configs", filters=mine),
    }
    removed = [f"service {service['Spec']['Name']}" for service in services]
    for kind, objects in rest.items():
        removed += [f"{kind} {item.get('Name') or item['Spec']['Name']}" for item in objects]
    # The lock goes, too, but whoever removes the stack has just made it.
    removed = [name for name in removed if name != f"config {config_name(stack)}"]
    result = {"changed": bool(removed), "removed": removed}
    if module.check_mode:
        return result
    for service in services:
        delete(engine, f"/services/{service['ID']}")
    ids = {service["ID"] for service in services}
    if not wait(lambda: not running(engine, ids), timeout):
        left = len(running(engine, ids))
        module.fail_json(
            msg=f"{left} tasks of the stack {stack} still run after {timeout} s: nothing else was "
            "removed. See 'docker ps' on their nodes, then run this again."
        )
    for kind, objects in rest.items():
        for item in objects:
            path = f"/{kind}s/{item.get('Id') or item['ID']}"
            if not wait(partial(delete, engine, path), timeout):
                name = item.get("Name") or item["Spec"]["Name"]
                module.fail_json(
                    msg=f"the {kind} {name} is still in use after {timeout} s. See what uses it "
                    "(another stack, a container by hand), then run this again."
                )
    return result


def remove_volumes(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """The stack's volumes on this node."""
    stack, keep, node = module.params["stack"], module.params["keep"], platform.node()
    every = [volume["Name"] for volume in engine.get("/volumes").get("Volumes") or []]
    names = [
        volume["Name"]
        for volume in (engine.get("/volumes", filters=stack_filter(stack)).get("Volumes") or [])
    ]
    # Those of stacks that went earlier and of the registry, too: nothing else tells of them.
    kept = [name for name in named_volumes(every) if keep or name not in names]
    left = [f"{name} on {node}" for name in kept]
    if keep:
        return {"changed": False, "removed": [], "left": left}
    if not module.check_mode:
        for name in names:
            # A container that has just ended may hold it for a moment.
            path = f"/volumes/{name}"
            if not wait(partial(delete, engine, path), module.params["timeout"]):
                module.fail_json(
                    msg=f"the volume {name} on {node} is in use. Remove the stack first, and what "
                    "else uses it, then run this again."
                )
    return {
        "changed": bool(names),
        "removed": [f"volume {name} on {node}" for name in names],
        "left": left,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "scope": {"type": "str", "choices": ["swarm", "volumes"], "default": "swarm"},
            "keep": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    work = remove_stack if module.params["scope"] == "swarm" else remove_volumes
    try:
        module.exit_json(**work(module, Engine(module.params["docker_host"])))
    except EngineError as error:
        module.fail_json(msg=f"the stack {module.params['stack']} cannot be removed: {error}")


if __name__ == "__main__":
    main()
