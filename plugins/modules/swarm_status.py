#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_status
short_description: The whole Swarm as one manager sees it
version_added: 0.1.0
description:
  - Nodes, services, tasks, overlay networks and recorded releases, in one call.
  - Returns no environment, no labels of containers and nothing of secrets.
  - A manager that cannot answer, such as one without quorum, is no failure. The answer says why.
author: The monsterstack.swarm contributors (@monsterstack)
options:
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
- name: Ask every manager
  monsterstack.swarm.swarm_status:
  register: __swarm_status
"""

RETURN = r"""
answers:
  description: Whether the host is a manager whose Swarm answers. Without it the rest is empty.
  returned: always
  type: bool
error:
  description: Why it does not answer, or null.
  returned: always
  type: str
node_id:
  description: The host's own node ID.
  returned: always
  type: str
certificate_seconds:
  description: How long a node's certificate lasts.
  returned: always
  type: int
nodes:
  description: All nodes with role, availability, status, labels, resources and engine version.
  returned: always
  type: list
  elements: dict
services:
  description: All services with image, release, running and desired tasks, ports and update state.
  returned: always
  type: list
  elements: dict
tasks:
  description: Tasks that are to run, then the newest that failed.
  returned: always
  type: list
  elements: dict
networks:
  description: Overlay networks with C(encrypted) and C(mtu), which is 0 when it is Docker's own.
  returned: always
  type: list
  elements: dict
locks:
  description: The locks that deployers have, each as M(monsterstack.swarm.stack_lock) shows it.
  returned: always
  type: list
  elements: dict
releases:
  description: Recorded releases by stack, newest first.
  returned: always
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import host, lock, status
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)


def look(engine: Engine) -> dict[str, Any]:
    """The Swarm; raises EngineError."""
    info = (engine.get("/info").get("Swarm")) or {}
    if not info.get("ControlAvailable"):
        raise EngineError(0, info.get("Error") or "this host is no manager of a Swarm")
    services = engine.get("/services", status="true")
    names = {service["ID"]: service["Spec"]["Name"] for service in services}
    networks = engine.get("/networks", filters={"driver": ["overlay"]})
    spec = (info.get("Cluster") or {}).get("Spec") or {}
    return {
        "node_id": info.get("NodeID") or "",
        "certificate_seconds": ((spec.get("CAConfig") or {}).get("NodeCertExpiry") or 0) // 10**9,
        "nodes": [host.summarise_node(node) for node in engine.get("/nodes")],
        "services": sorted(
            (status.summarise_service(service) for service in services),
            key=lambda service: (service["stack"], service["name"]),
        ),
        "tasks": status.summarise_tasks(engine.get("/tasks"), names),
        "networks": sorted(map(status.summarise_network, networks), key=lambda one: one["name"]),
        "locks": [one.describe(time.time()) for one in lock.find_all(engine)],
        "releases": status.summarise_releases(engine.get("/configs")),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=dict(ENGINE_OPTIONS), supports_check_mode=True)
    empty = {
        "node_id": "",
        "certificate_seconds": 0,
        "nodes": [],
        "services": [],
        "tasks": [],
        "networks": [],
        "locks": [],
    }
    try:
        # Other managers are asked too, and one of them may be well: nobody waits for this one long.
        found = look(Engine(module.params["docker_host"], within=12))
        module.exit_json(changed=False, answers=True, error=None, **found)
    except EngineError as error:
        module.exit_json(changed=False, answers=False, error=str(error), releases={}, **empty)


if __name__ == "__main__":
    main()
