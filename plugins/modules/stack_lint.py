#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_lint
short_description: Find what in a compose file will hurt on this swarm
version_added: 0.1.0
description:
  - Looks for what every tool accepts and what fails later. Restart rules that leave a service
    dead, updates that cannot start, health checks that prove nothing, volumes that get lost,
    reservations that find no room, secrets, images and ports that are not there or not free.
  - Compares with the swarm of the manager that it runs on. Changes nothing.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack. What it has already is no obstacle.
    type: str
    required: true
  compose:
    description: The compose file, parsed, preferably as C(docker stack config) normalises it.
    type: dict
    required: true
  images:
    description:
      - RV(monsterstack.swarm.image_digests#module:images), to find images that do not exist.
      - Without it no registry is considered.
    type: list
    elements: dict
    default: []
  updating:
    description: Names of the services that are about to be updated, for RV(room).
    type: list
    elements: str
    default: []
  secrets_to_come:
    description: Full names of secrets and configs that will be created before the deployment.
    type: list
    elements: str
    default: []
  fail:
    description: Fail when there are errors. Without it they are only returned.
    type: bool
    default: true
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Lint the stack
  monsterstack.swarm.stack_lint:
    stack: shop
    compose: "{{ __plan.compose }}"
"""

RETURN = r"""
errors:
  description: What will not work, one text each.
  returned: always
  type: list
  elements: str
warnings:
  description: What may hurt. Ansible prints them too. Absent when there are none.
  returned: when there are any
  type: list
  elements: str
room:
  description: What the updates of O(updating) need for a while, and where that is free.
  returned: always
  type: list
  elements: str
findings:
  description: All of them in parts, with C(level), C(where), C(problem) and C(remedy).
  returned: always
  type: list
  elements: dict
"""

import dataclasses
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import (
    compose,
    compose_lint,
    host,
    placement,
    preflight,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline


def references_of(image: dict[str, Any]) -> list[str]:
    """What a compose file may call an image that image_digests was asked for."""
    names = [f"{image.get('name')}:{image.get('tag')}", image.get("reference"), image.get("ref")]
    return [name for name in names if name]


def look(engine: Engine, module: AnsibleModule) -> compose_lint.Swarm:
    """The swarm as the lint wants it."""
    stack = module.params["stack"]
    services = engine.get("/services")
    tasks = engine.get("/tasks", filters={"desired-state": ["running"]})
    reserved = host.summarise_reserved(tasks, services)
    free: list[placement.Node] = []
    for entry in engine.get("/nodes"):
        node = placement.node_from_api(entry)
        others = [use for name, use in reserved.get(node.node_id, {}).items() if name != stack]
        free.append(
            dataclasses.replace(
                node,
                cpus=node.cpus - sum(use["cpus"] for use in others),
                memory=int(node.memory - sum(use["memory_bytes"] for use in others)),
            )
        )
    taken = {
        (port["published"], port["protocol"]): f"the service {name} of the stack {other}"
        for other, body in host.summarise_services(services).items()
        if other != stack
        for name, service in body["services"].items()
        for port in service["ports"]
    }
    coming = frozenset(module.params["secrets_to_come"])
    return compose_lint.Swarm(
        free=free,
        taken_ports=taken,
        secrets=coming | {item["Spec"]["Name"] for item in engine.get("/secrets")},
        configs=coming | {item["Spec"]["Name"] for item in engine.get("/configs")},
        networks={
            item["Name"]: item for item in engine.get("/networks", filters={"scope": ["swarm"]})
        },
        images={
            reference: image.get("error")
            for image in module.params["images"]
            for reference in references_of(image)
        },
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "compose": {"type": "dict", "required": True},
            "images": {"type": "list", "elements": "dict", "default": []},
            "updating": {"type": "list", "elements": "str", "default": []},
            "secrets_to_come": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "fail": {"type": "bool", "default": True},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    stack = module.params["stack"]
    try:
        document = compose.parse(module.params["compose"])
        swarm = look(Engine(module.params["docker_host"]), module)
    except (compose.ComposeError, EngineError) as problem:
        module.fail_json(msg=f"the stack {stack} cannot be checked: {problem}")
    findings = compose_lint.lint(document, stack, swarm)
    errors = [str(finding) for finding in findings if finding.level == "error"]
    has_workers = any(node.role == "worker" for node in swarm.free)
    updating = module.params["updating"]
    result: dict[str, Any] = {
        "changed": False,
        "errors": errors,
        "room": preflight.room_lines(document, swarm.free, has_workers, updating),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    for finding in findings:
        if finding.level == "warning":
            module.warn(str(finding))
    if errors and module.params["fail"]:
        module.fail_json(msg=headline(errors), **{**result, "findings": as_lines(errors)})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
