"""Compose files as typed services."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import compose
from ansible_collections.monsterstack.swarm.plugins.module_utils.compose import (
    ComposeError,
    Healthcheck,
    Port,
    Restart,
    Rollout,
    Volume,
)

SECONDS = {
    "seconds": ("10s", 10.0),
    "minutes and seconds": ("1m30s", 90.0),
    "milliseconds": ("500ms", 0.5),
    "hours": ("1.5h", 5400.0),
    "zero": ("0s", 0.0),
    "number": (3, 3.0),
}


@pytest.mark.parametrize(("text", "value"), SECONDS.values(), ids=SECONDS)
def test_seconds(text: Any, value: float) -> None:
    assert compose.seconds(text) == pytest.approx(value)


SIZES = {
    "bytes as text": ("268435456", 2**28),
    "M": ("256M", 2**28),
    "lower case with b": ("64mb", 2**26),
    "GiB": ("1GiB", 2**30),
    "half": ("0.5g", 2**29),
    "k": ("2k", 2048),
    "number": (512, 512),
}


@pytest.mark.parametrize(("text", "value"), SIZES.values(), ids=SIZES)
def test_size(text: Any, value: int) -> None:
    assert compose.size(text) == value


FULL: dict[str, Any] = {
    "services": {
        "web": {
            "image": "shop/web:1",
            "environment": {"A": "1", "B": None},
            "ports": [{"mode": "ingress", "target": 80, "published": "5000", "protocol": "tcp"}],
            "secrets": [{"source": "db", "target": "db"}],
            "configs": ["conf"],
            "networks": {"net": None},
            "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
            "stop_grace_period": "20s",
            "healthcheck": {"test": ["CMD", "check"], "interval": "5s", "retries": 2},
            "deploy": {
                "replicas": 3,
                "update_config": {"parallelism": 2, "order": "start-first", "monitor": "30s"},
                "restart_policy": {"condition": "on-failure", "max_attempts": 3, "window": "2m"},
                "resources": {
                    "limits": {"cpus": "0.5", "memory": "268435456"},
                    "reservations": {"cpus": "0.25", "memory": "128M"},
                },
                "placement": {
                    "constraints": ["node.role == worker"],
                    "preferences": [{"spread": "node.labels.zone"}],
                    "max_replicas_per_node": 2,
                },
            },
        }
    },
    "secrets": {"db": {"name": "shop_db_abc", "external": True}, "own": {"file": "x"}},
    "configs": {"conf": {"external": {"name": "shop_conf"}}},
    "networks": {"net": None},
    "volumes": {"data": {}},
}


def test_a_full_service() -> None:
    document = compose.parse(FULL)
    assert document.secrets == {"db": "shop_db_abc", "own": None}
    assert document.configs == {"conf": "shop_conf"}
    assert document.services["web"] == compose.Service(
        name="web",
        image="shop/web:1",
        replicas=3,
        cpus=0.25,
        memory=2**27,
        cpu_limit=0.5,
        memory_limit=2**28,
        constraints=("node.role == worker",),
        preferences=("node.labels.zone",),
        max_replicas_per_node=2,
        ports=(Port(5000, 80),),
        secrets=("db",),
        configs=("conf",),
        networks=("net",),
        volumes=(Volume("volume", "data", "/data"),),
        healthcheck=Healthcheck(("CMD", "check"), interval=5.0, retries=2),
        update=Rollout(parallelism=2, order="start-first", monitor=30.0),
        restart=Restart("on-failure", max_attempts=3, window=120.0),
        stop_grace_period=20.0,
        environment={"A": "1", "B": ""},
    )


def test_defaults_are_swarms() -> None:
    service = compose.parse({"services": {"web": {"image": "w"}}}).services["web"]
    assert (service.replicas, service.mode, service.healthcheck) == (1, "replicated", None)
    assert service.update.failure_action == "pause"
    assert service.restart.condition == "any"
    assert service.stop_grace_period == 10.0


PORTS: dict[str, tuple[Any, list[Port]]] = {
    "short": ("5000:80", [Port(5000, 80)]),
    "target only": ("80", [Port(0, 80)]),
    "number": (80, [Port(0, 80)]),
    "udp": ("53:53/udp", [Port(53, 53, "udp")]),
    "with an address": ("127.0.0.1:5000:80", [Port(5000, 80)]),
    "range": ("8000-8001:80-81", [Port(8000, 80), Port(8001, 81)]),
    "host mode": ({"target": 80, "published": 81, "mode": "host"}, [Port(81, 80, "tcp", "host")]),
}


@pytest.mark.parametrize(("item", "ports"), PORTS.values(), ids=PORTS)
def test_ports(item: Any, ports: list[Port]) -> None:
    document = compose.parse({"services": {"web": {"ports": [item]}}})
    assert list(document.services["web"].ports) == ports


VOLUMES: dict[str, tuple[Any, Volume]] = {
    "named": ("data:/data", Volume("volume", "data", "/data")),
    "anonymous": ("/data", Volume("volume", "", "/data")),
    "bind": ("./src:/src:ro", Volume("bind", "./src", "/src")),
    "tmpfs": ({"type": "tmpfs", "target": "/tmp"}, Volume("tmpfs", "", "/tmp")),
}


@pytest.mark.parametrize(("item", "volume"), VOLUMES.values(), ids=VOLUMES)
def test_volumes(item: Any, volume: Volume) -> None:
    document = compose.parse({"services": {"web": {"volumes": [item]}}})
    assert document.services["web"].volumes == (volume,)


HEALTH: dict[str, tuple[Any, bool | None]] = {
    "none": (None, None),
    "switched off": ({"disable": True}, True),
    "NONE": ({"test": ["NONE"]}, True),
    "shell": ({"test": "check"}, False),
}


@pytest.mark.parametrize(("body", "disabled"), HEALTH.values(), ids=HEALTH)
def test_healthcheck(body: Any, disabled: bool | None) -> None:
    found = compose.parse({"services": {"w": {"healthcheck": body}}}).services["w"].healthcheck
    assert (found.disabled if found else None) == disabled


def one(body: dict[str, Any]) -> dict[str, Any]:
    return {"services": {"web": body}}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no services": ({"services": {}}, "no services"),
    "duration": (one({"stop_grace_period": "soon"}), "web, stop_grace_period: 'soon'"),
    "size": (
        one({"deploy": {"resources": {"limits": {"memory": "much"}}}}),
        "web, memory limit: 'much' is no size",
    ),
    "replicas": (one({"deploy": {"replicas": "many"}}), "web, replicas: 'many' is no number"),
    "port": (one({"ports": ["http:80"]}), "web: 'http' is no port"),
    "ranges": (one({"ports": ["1-2:80"]}), "different lengths"),
}


@pytest.mark.parametrize(("document", "message"), BAD.values(), ids=BAD)
def test_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ComposeError, match=message):
        compose.parse(document)
