"""Each trap of a compose file, and a good file without findings."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import compose
from ansible_collections.monsterstack.swarm.plugins.module_utils.compose_lint import Swarm, lint
from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import Node

GOOD: dict[str, Any] = {
    "image": "shop/web:1",
    "ports": ["5000:80"],
    "environment": {"DRAIN_SECONDS": "3"},
    "stop_grace_period": "20s",
    "secrets": ["db"],
    "networks": {"net": None},
    "healthcheck": {"test": ["CMD", "check"], "interval": "5s", "timeout": "2s", "retries": 2},
    "deploy": {
        "replicas": 3,
        "update_config": {"order": "start-first", "failure_action": "rollback", "monitor": "40s"},
        "rollback_config": {"parallelism": 1, "order": "start-first"},
        "restart_policy": {"condition": "any"},
        "resources": {"reservations": {"cpus": "0.25", "memory": "64M"}},
        "placement": {"constraints": ["node.role == worker"]},
    },
}
FILE: dict[str, Any] = {
    "secrets": {"db": {"name": "shop_db_1", "external": True}},
    "networks": {"net": {"driver": "overlay", "driver_opts": {"encrypted": "true"}}},
}
NODES = [
    Node("m1", "manager", 1, 2**30),
    Node("w1", "worker", 1, 2**30),
    Node("w2", "worker", 1, 2**30, labels={"db": "true"}),
]
SWARM = Swarm(free=NODES, secrets=frozenset({"shop_db_1"}), configs=frozenset())


def changed(**paths: Any) -> dict[str, Any]:
    """GOOD with things replaced: deploy__replicas=1 sets deploy.replicas."""
    body = copy.deepcopy(GOOD)
    for path, value in paths.items():
        *parents, last = path.split("__")
        place = body
        for parent in parents:
            place = place[parent]
        place[last] = value
    return body


def swarm(**more: Any) -> Swarm:
    return Swarm(**{**SWARM.__dict__, **more})


def network(**options: Any) -> Swarm:
    entry = {"Options": {"vxlanid_list": "4097", **options}, "Attachable": False, "Internal": False}
    return swarm(networks={"shop_net": entry})


def volume(**more: Any) -> dict[str, Any]:
    one_at_a_time = {"order": "stop-first", "failure_action": "rollback", "monitor": "40s"}
    return changed(
        volumes=["data:/data"], deploy__replicas=1, deploy__update_config=one_at_a_time, **more
    )


HEALTH = {"interval": "5s", "timeout": "2s", "retries": 2}
# Each row: the service, the swarm, and the start of each finding's level and text.
CASES: dict[str, tuple[dict[str, Any], Swarm, list[str]]] = {
    "good": (GOOD, SWARM, []),
    "good, and the swarm is unknown": (GOOD, Swarm(), []),
    "no image": (changed(image=None), SWARM, ["error service web: has no image."]),
    "image not there": (
        GOOD,
        swarm(images={"shop/web:1": "not_found"}),
        ["error service web: the registry has no shop/web:1."],
    ),
    "no login": (
        GOOD,
        swarm(images={"shop/web:1": "unauthorized"}),
        ["error service web: the registry of shop/web:1 is unauthorized."],
    ),
    "image there": (GOOD, swarm(images={"shop/web:1": None}), []),
    "no health check": (
        changed(healthcheck=None),
        SWARM,
        ["warning service web: has no health check here"],
    ),
    "curl": (
        changed(healthcheck={**HEALTH, "test": ["CMD-SHELL", "curl -f http://localhost || false"]}),
        SWARM,
        ["warning service web: its health check calls curl"],
    ),
    "curl with a path": (
        changed(healthcheck={**HEALTH, "test": ["CMD", "/usr/bin/curl", "x"]}),
        SWARM,
        ["warning service web: its health check calls curl"],
    ),
    "curly is not curl": (
        changed(healthcheck={**HEALTH, "test": ["CMD", "curly"]}),
        SWARM,
        [],
    ),
    "redis ping": (
        changed(healthcheck={**HEALTH, "test": ["CMD", "redis-cli", "ping"]}),
        SWARM,
        ["warning service web: its health check takes any answer of 'redis-cli ping'"],
    ),
    "redis ping that asks for PONG": (
        changed(healthcheck={**HEALTH, "test": "redis-cli -e ping | grep -q PONG"}),
        SWARM,
        [],
    ),
    "monitor too short": (
        changed(deploy__update_config__monitor="10s"),
        SWARM,
        ["warning service web: its update is monitored for 10 s, but a task that turns unhealthy"],
    ),
    "on-failure": (
        changed(deploy__restart_policy={"condition": "on-failure"}),
        SWARM,
        ["error service web: a task that ends with exit code 0 is never replaced"],
    ),
    "a job may end": (
        changed(deploy__mode="replicated-job", deploy__restart_policy={"condition": "on-failure"}),
        SWARM,
        [],
    ),
    "max_attempts without a window": (
        changed(deploy__restart_policy={"condition": "any", "max_attempts": 3}),
        SWARM,
        ["warning service web: max_attempts: 3 without a window"],
    ),
    "max_attempts with a window": (
        changed(deploy__restart_policy={"condition": "any", "max_attempts": 3, "window": "2m"}),
        SWARM,
        [],
    ),
    "start-first and a port of the host": (
        changed(ports=[{"target": 80, "published": 5000, "mode": "host"}]),
        SWARM,
        ["error service web: start-first cannot start beside the old task"],
    ),
    "start-first and max_replicas_per_node": (
        changed(deploy__placement__max_replicas_per_node=1),
        SWARM,
        [
            "error service web: 3 tasks reserve",
            "warning service web: start-first needs a place more than max_replicas_per_node",
        ],
    ),
    "start-first and max_replicas_per_node that leaves a place": (
        changed(deploy__placement__max_replicas_per_node=2),
        SWARM,
        [],
    ),
    "start-first and a place on a node that may not take it": (
        changed(deploy__placement__max_replicas_per_node=2, deploy__replicas=4),
        SWARM,
        [
            "warning service web: start-first needs a place more than max_replicas_per_node",
            "warning service web: an update starts 1 more before it stops the old",
        ],
    ),
    "spread by a label that no node has": (
        changed(deploy__placement__preferences=[{"spread": "node.labels.rack"}]),
        SWARM,
        ["warning service web: is to be spread by the label rack, which no node has."],
    ),
    "spread by a label that is there": (
        changed(deploy__placement__preferences=[{"spread": "node.labels.db"}]),
        SWARM,
        [],
    ),
    "pause": (
        changed(deploy__update_config__failure_action="pause"),
        SWARM,
        ["warning service web: a failed update stops half-way"],
    ),
    "a rollback that stops two of three": (
        changed(deploy__rollback_config={"parallelism": 2, "order": "stop-first"}),
        SWARM,
        ["warning service web: a rollback stops 2 of 3 tasks at once."],
    ),
    "a rollback that stops all": (
        changed(deploy__rollback_config={"parallelism": 0}),
        SWARM,
        ["warning service web: a rollback stops 3 of 3 tasks at once."],
    ),
    "killed while draining": (
        changed(stop_grace_period="4s"),
        SWARM,
        ["error service web: is killed after 4 s (stop_grace_period)"],
    ),
    "a volume that stays behind": (
        volume(),
        SWARM,
        ["warning service web: can move to another node, where its volume data is empty."],
    ),
    "a pinned volume": (
        volume(deploy__placement={"constraints": ["node.labels.db==true"]}),
        SWARM,
        [],
    ),
    "a volume, the swarm is unknown": (
        volume(),
        Swarm(),
        ["warning service web: can move to another node"],
    ),
    "reserved port": (
        changed(ports=["22:80"]),
        SWARM,
        ["error service web: port 22/tcp belongs to SSH."],
    ),
    "port of another stack": (
        GOOD,
        swarm(taken_ports={(5000, "tcp"): "the service x of the stack y"}),
        ["error service web: port 5000/tcp is published by the service x of the stack y already."],
    ),
    "secret that the swarm lacks": (
        GOOD,
        swarm(secrets=frozenset()),
        ["error service web: uses the secret shop_db_1, which the swarm does not have."],
    ),
    "secret that the file lacks": (
        changed(secrets=["db", "other"]),
        SWARM,
        ["error service web: uses the secret other, which the file does not define."],
    ),
    "the same network": (GOOD, network(encrypted="true"), []),
    "encryption that would not be applied": (
        GOOD,
        network(),
        ["error network shop_net: exists with another value of encrypted"],
    ),
    "no room": (
        changed(deploy__resources={"reservations": {"memory": "2G"}}),
        SWARM,
        ["error service web: 3 tasks reserve 0 CPU and 2048 MiB each"],
    ),
    "a label that no node has": (
        changed(deploy__placement={"constraints": ["node.labels.rack == r1"]}),
        SWARM,
        ["warning service web: needs a node with the label rack"],
    ),
}


@pytest.mark.parametrize(("body", "known", "expected"), CASES.values(), ids=CASES)
def test_lint(body: dict[str, Any], known: Swarm, expected: list[str]) -> None:
    document = compose.parse({**FILE, "services": {"web": body}})
    found = [f"{finding.level} {finding}" for finding in lint(document, "shop", known)]
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)
