#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cis_checks
short_description: The checks of the CIS Docker Benchmark that a node can answer
version_added: 0.1.0
description:
  - Looks at the engine, its files, the running containers and their processes, and at the Swarm.
  - What a container may do is read from its process in the kernel, not from what was asked for.
  - Changes nothing. Returns no environment and no secrets.
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
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Check every node
  monsterstack.swarm.cis_checks:
  become: true
  register: __cis_checks
"""

RETURN = r"""
checks:
  description:
    - By check its C(number), C(title) and C(problems).
    - No problems means that it passes, null that it does not apply to this node.
  returned: always
  type: list
  elements: dict
"""

import glob
import grp
import os
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import cis, host
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)

FILES = (
    cis.UNIT,
    cis.SOCKET_UNIT,
    "/etc/docker",
    "/etc/docker/certs.d/*/*",
    "/etc/docker/daemon.json",
    "/etc/default/docker",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
)


def read(path: str) -> str | None:
    """A file's text, or None when it is missing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def name_of(number: int, group: bool) -> str:
    """The name of a user or group, or its number."""
    try:
        return grp.getgrgid(number).gr_name if group else pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def file_facts() -> dict[str, dict[str, Any]]:
    """Owner and mode of the engine's files."""
    found: dict[str, dict[str, Any]] = {}
    for pattern in FILES:
        for path in glob.glob(pattern):
            state = os.stat(path)
            owner = f"{name_of(state.st_uid, False)}:{name_of(state.st_gid, True)}"
            found[path] = {"owner": owner, "mode": state.st_mode & 0o7777}
    return found


def engine_ports() -> list[int]:
    """TCP ports of an engine's interface that anything listens on, on any address."""
    tables = (read(f"/proc/net/tcp{suffix}") or "" for suffix in ("", "6"))
    ports = {port for table in tables for port, _a, _i in host.parse_sockets(table, "tcp")}
    return sorted(ports & set(cis.API_PORTS))


def containers(engine: Engine) -> list[dict[str, Any]]:
    """The running containers, with what the kernel says of their first processes."""
    found: list[dict[str, Any]] = []
    for listed in engine.get("/containers/json"):
        container = engine.get(f"/containers/{listed['Id']}/json")
        status = read(f"/proc/{container['State']['Pid']}/status")
        if status:  # else it has just ended
            found.append({**container, **cis.status_of(status)})
    return found


def main() -> None:
    module = AnsibleModule(argument_spec=dict(ENGINE_OPTIONS), supports_check_mode=True)
    engine = Engine(module.params["docker_host"])
    try:
        info = engine.get("/info")
        swarm = info.get("Swarm") or {}
        manager = bool(swarm.get("ControlAvailable"))
        services = engine.get("/services") if manager else []
        facts = {
            "info": info,
            "manager": manager,
            "managers": swarm.get("Managers") or 0,
            "spec": (swarm.get("Cluster") or {}).get("Spec") or {},
            "daemon_json": cis.settings_of(read("/etc/docker/daemon.json")),
            "files": file_facts(),
            "engine_ports": engine_ports(),
            "containers": containers(engine),
            "networks": engine.get("/networks"),
            "mesh_ports": [
                port["PublishedPort"]
                for service in services
                for port in (service.get("Endpoint") or {}).get("Ports") or []
            ],
        }
    except EngineError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, checks=cis.evaluate(facts))


if __name__ == "__main__":
    main()
