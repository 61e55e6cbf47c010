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


ODD: dict[str, Any] = {
    "not a number": float("nan"),
    "infinite": float("inf"),
    "infinite and negative": float("-inf"),
    "negative": -1,
    "huge": 10**400,
    "a huge fraction": 1e300,
    "a huge text": "9" * 400,
    "nan as a text": "nan",
    "inf as a text": "inf",
    "a negative text": "-5",
    "a digit of another script": "\u00b2",
    "all ports and more": "0-99999999999",
    "empty": "",
    "a text": "text",
    "nothing": None,
    "true": True,
    "a list": [1, None, {}],
    "a mapping": {"x": [None]},
    "a list of texts": ["a"],
}


def replaced(part: Any, odd: Any) -> list[Any]:
    """The document with the odd value in the place of each of its values, one after the other."""
    keys: Any = list(part) if isinstance(part, dict) else ()
    if isinstance(part, list):
        keys = range(len(part))
    found = [odd]
    for key in keys:
        for inner in replaced(part[key], odd):
            copy = part.copy()
            copy[key] = inner
            found.append(copy)
    return found


@pytest.mark.fault("B3")
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_whatever_stands_in_a_file_it_is_read_or_refused_in_words(odd: Any) -> None:
    for document in replaced(FULL, odd)[1:]:
        try:
            found = compose.parse(document)
        except ComposeError:
            continue  # any other error would end in a traceback
        for service in found.services.values():
            numbers = [
                *(service.replicas, service.cpus, service.memory, service.max_replicas_per_node),
                *(service.cpu_limit, service.memory_limit, service.stop_grace_period),
                *(service.update.monitor, service.update.parallelism, service.restart.window),
                service.restart.max_attempts or 0,
            ]
            assert all(0 <= number < 2**63 for number in numbers), (document, numbers)


ODD_NUMBERS = {n: ODD[n] for n in list(ODD)[: list(ODD).index("empty")]}


@pytest.mark.fault("B3")
@pytest.mark.parametrize("odd", ODD_NUMBERS.values(), ids=ODD_NUMBERS)
def test_an_odd_number_is_refused_where_it_stands(odd: Any) -> None:
    documents = {
        "web, replicas": one({"deploy": {"replicas": odd}}),
        "web, memory limit": one({"deploy": {"resources": {"limits": {"memory": odd}}}}),
        "web, stop_grace_period": one({"stop_grace_period": odd}),
        "web, update_config, delay": one({"deploy": {"update_config": {"delay": odd}}}),
        "web": one({"ports": [{"target": odd}]}),
    }
    for where, document in documents.items():
        with pytest.raises(ComposeError, match=f"^service {where}: "):
            compose.parse(document)


# What `docker stack config` (26.1) prints plainly is a text to it unless it is one of these.
PLAIN: dict[str, tuple[str, Any]] = {
    "a short git hash": ("1234e56x", "1234e56x"),
    "a value of YAML 1.1": ("=", "="),
    "a time": ("12:30", "12:30"),
    "minutes of YAML 1.1": ("190:20:30", "190:20:30"),
    "a day": ("2001-01-01", "2001-01-01"),
    "a yes of YAML 1.1": ("yes", "yes"),
    "an off of YAML 1.1": ("off", "off"),
    "a merge as a value": ("<<", "<<"),
    "a number with an exponent": ("1e-05", 1e-05),
    "an integer": ("12", 12),
    "octal": ("0o17", 15),
    "octal of YAML 1.1": ("0400", 256),
    "an underscore": ("1_000", 1000),
    "true": ("true", True),
    "nothing": ("", None),
    "null": ("~", None),
    "quoted": ('"1e3"', "1e3"),
}


@pytest.mark.fault("B3")
@pytest.mark.parametrize(("text", "value"), PLAIN.values(), ids=PLAIN)
def test_plain_words_mean_what_they_mean_to_docker(text: str, value: Any) -> None:
    found = compose.load(f"services: {{}}\nvalue: {text}\n")["value"]
    assert (found, type(found)) == (value, type(value))


TEXTS = [
    *("1234e56", "0o17", "1e3", "=", "<<", "yes", "12:30", "2001-01-01", "~", "", "0x1f", ".5"),
    *("null", "1_000", "{{.Task.Slot}}", "# none", "- a", "a: b", "'\"", "\\", "*a", "&a", "!a"),
    *("two\nlines", "tab\tend ", "\x85", "\u2028", "\ufeff", "\x7f", "\U0001f600", "%", "@", "`"),
]


@pytest.mark.fault("B3")
@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_no_value_changes_on_its_way_to_a_file_and_back(text: str) -> None:
    document = {"services": {"web": {"labels": {"x": text, text or "empty": "y"}}}}
    written = compose.dump(document)
    assert compose.load(written) == document
    assert not any(char in written for char in "\x7f\x85\u2028\ufeff")


def test_a_merge_is_still_one() -> None:
    text = "x-base: &base {a: 1}\nservices: {web: {<<: *base, b: 2}}\n"
    assert compose.load(text)["services"]["web"] == {"a": 1, "b": 2}


@pytest.mark.fault("B11")
def test_the_version_is_left_out() -> None:
    assert compose.load('version: "3.8"\nservices: {}\n') == {"services": {}}


NO_FILES = {
    "broken": "a: [",
    "a list": "- a",
    "a text": "just words",
    "a number that is too long": f"services: {'9' * 5000}",
}


@pytest.mark.fault("B3")
@pytest.mark.parametrize("text", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_compose_file(text: str) -> None:
    with pytest.raises(ComposeError):
        compose.load(text)
