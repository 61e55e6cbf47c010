"""What the tests of the scenario `firewall` share: a cluster whose nodes have a firewall and two
networks, seen from outside and between nodes."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import subprocess
from functools import cache
from typing import Any

from tests.cluster import PROJECT, Run, cluster, environment, open_ports

PAGE, REGISTRY = 5000, 5443
SSH = {"m1": 22, "w1": 2222}


@cache
def variables(name: str) -> dict[str, Any]:
    """A host's variables as the inventory has them."""
    done = subprocess.run(
        ["ansible-inventory", "-i", str(cluster().inventory), "--host", name],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def private(name: str) -> str:
    return str(variables(name)["lab_private"])


def controller() -> str:
    """This computer's address in the lab's network: its last one."""
    return str(ipaddress.ip_network(variables("m1")["lab_subnet"])[-2])


def on(name: str, command: str) -> str:
    """What a command prints on a node, as root, over a connection of its own."""
    done = subprocess.run(
        [
            *("ansible", "-i", str(cluster().inventory), name, "--become"),
            *("-m", "ansible.builtin.shell", "-a", command),
        ],
        cwd=PROJECT,
        env={**environment(), "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{name}: {command}\n{done.stdout}{done.stderr}"
    return done.stdout.partition("\n")[2]


def scan(address: str, ports: set[int]) -> set[int]:
    return asyncio.run(open_ports(address, ports, 6))


def guard(**more: Any) -> Run:
    """site.yml as far as the engine and its host are concerned, with other inputs."""
    return cluster().playbook("site.yml", "--tags", "docker_engine", "-e", json.dumps(more))
