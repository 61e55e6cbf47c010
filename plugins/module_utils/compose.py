# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compose file as typed services; takes what `docker stack config` prints, and short forms."""

from __future__ import annotations

import functools
import importlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)


# What a plain word of YAML means to the Docker client (go-yaml, the core schema of YAML 1.2), and
# how it begins. Everything else is a text: `1e3` is a number and `=`, `12:30` and `yes` are texts.
# PyYAML follows YAML 1.1 and thinks otherwise.
_TAG = "tag:yaml.org,2002:"
PLAIN: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (_TAG + "merge", re.compile(r"<<"), "<"),
    (_TAG + "null", re.compile(r"~|null|Null|NULL|"), "~nN"),
    (_TAG + "bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    (
        _TAG + "int",
        re.compile(r"[-+]?(?:0b[01]+|0o?[0-7]+|0x[0-9a-fA-F]+|0|[1-9][0-9_]*)"),
        "-+0123456789",
    ),
    (
        _TAG + "float",
        re.compile(
            r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+.0123456789",
    ),
)
# What stands in JSON as it is and is a control character or the end of a line to YAML.
_NOT_PLAIN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class ComposeError(ValueError):
    """A compose file that cannot be understood; says where and what."""


@dataclass(frozen=True)
class Port:
    """A published port; `published` is 0 when Swarm is to choose, `mode` is ingress or host."""

    published: int
    target: int
    protocol: str = "tcp"
    mode: str = "ingress"


@dataclass(frozen=True)
class Volume:
    """A mount; `kind` is volume, bind, tmpfs or another of Docker's."""

    kind: str
    source: str
    target: str


@dataclass(frozen=True)
class Healthcheck:
    """Durations in seconds; Docker's own defaults where the file says nothing."""

    test: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    disabled: bool = False


@dataclass(frozen=True)
class Rollout:
    """update_config or rollback_config; durations in seconds, Swarm's own defaults."""

    parallelism: int = 1
    delay: float = 0.0
    failure_action: str = "pause"
    monitor: float = 5.0
    max_failure_ratio: float = 0.0
    order: str = "stop-first"


@dataclass(frozen=True)
class Restart:
    """restart_policy; durations in seconds, `max_attempts` None for no limit."""

    condition: str = "any"
    delay: float = 5.0
    max_attempts: int | None = None
    window: float = 0.0


@dataclass(frozen=True)
class Service:
    """One service. CPU in cores, memory in bytes, durations in seconds."""

    name: str
    image: str
    mode: str = "replicated"
    replicas: int = 1
    cpus: float = 0.0
    memory: int = 0
    cpu_limit: float = 0.0
    memory_limit: int = 0
    constraints: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    max_replicas_per_node: int = 0
    ports: tuple[Port, ...] = ()
    secrets: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    healthcheck: Healthcheck | None = None
    update: Rollout = field(default_factory=Rollout)
    rollback: Rollout = field(default_factory=Rollout)
    restart: Restart = field(default_factory=Restart)
    stop_grace_period: float = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compose:
    """A whole file. Secrets and configs map a short name to the full one, None if not external."""

    services: Mapping[str, Service]
    secrets: Mapping[str, str | None]
    configs: Mapping[str, str | None]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Mapping[str, Any]]


@functools.cache
def _loader() -> Any:
    """A loader of PyYAML that takes plain words as the Docker client does. Raises ImportError."""
    yaml = importlib.import_module("yaml")
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        yaml_implicit_resolvers: ClassVar[dict[str | None, list[Any]]] = {}

    for tag, pattern, firsts in PLAIN:
        whole = re.compile(rf"(?:{pattern.pattern})\Z")
        Loader.add_implicit_resolver(tag, whole, list(firsts) + ([""] if "null" in tag else []))

    def whole_number(loader: Any, node: Any) -> int:
        text = loader.construct_scalar(node).replace("_", "")
        # A leading 0 alone means octal to Go, and nothing to Python.
        return int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", text), 0)

    def number(loader: Any, node: Any) -> float:
        text = loader.construct_scalar(node).replace("_", "").lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))

    Loader.add_constructor(_TAG + "int", whole_number)
    Loader.add_constructor(_TAG + "float", number)
    # As a key it merges another mapping; as a value it is a text like another.
    Loader.add_constructor(_TAG + "merge", lambda loader, node: loader.construct_scalar(node))
    return Loader


def load(text: str) -> dict[str, Any]:
    """A compose file's text as the Docker client reads it, without its `version`.

    That line says nothing any more, and it would forbid keys that `docker stack config` itself
    prints, and files without it that are to lie over this one. Raises ComposeError, and ImportError
    where there is no PyYAML.
    """
    yaml = importlib.import_module("yaml")
    reader = _loader()(text)
    try:
        document = reader.get_single_data()
    # Of a number with thousands of digits Python itself complains.
    except (yaml.YAMLError, ValueError) as error:
        raise ComposeError(f"the compose file is no YAML: {error}") from error
    finally:
        reader.dispose()
    if not isinstance(document, dict):
        raise ComposeError("the compose file has no services.")
    return without_version(document)


def dump(document: Mapping[str, Any]) -> str:
    """A compose file's text, in which every value keeps its type: JSON, which is YAML too."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # These stand inside of texts only.
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def without_version(document: Mapping[str, Any]) -> dict[str, Any]:
    """A compose file without its `version`."""
    return {key: value for key, value in document.items() if key != "version"}


def parse(document: Mapping[str, Any]) -> Compose:
    """Raises ComposeError."""
    services = document.get("services")
    if not isinstance(services, Mapping) or not services:
        raise ComposeError("the compose file has no services.")
    return Compose(
        services={name: _service(name, body) for name, body in services.items()},
        secrets=_externals(_section(document, "secrets")),
        configs=_externals(_section(document, "configs")),
        networks=_section(document, "networks"),
        volumes=_section(document, "volumes"),
    )


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    """A mapping, or an empty one where nothing is said. Raises ComposeError."""
    if isinstance(value, Mapping):
        return value
    if value:
        raise ComposeError(f"{where}: {value!r} is no mapping; write names and values there.")
    return {}


def _items(value: Any, where: str) -> Sequence[Any]:
    """The items of a list, or the names of a mapping. Raises ComposeError."""
    if isinstance(value, list | tuple | Mapping):
        return tuple(value)
    if value:
        raise ComposeError(f"{where}: {value!r} is no list.")
    return ()


def _section(document: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    bodies = _mapping(document.get(name), f"the section {name}")
    return {one: _mapping(body, f"{name}, {one}") for one, body in bodies.items()}


def seconds(value: Any, where: str = "duration") -> float:
    """'1m30s' as 90.0; a bare number counts as seconds. Raises ComposeError."""
    if isinstance(value, int | float):
        return _number(value, where)
    text = str(value).strip()
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ComposeError(f"{where}: {value!r} is no duration; write it like 90s or 1m30s.")
    return sum(_number(number, where) * SECONDS[unit] for number, unit in parts)


def size(value: Any, where: str = "memory") -> int:
    """'256M' as bytes, units of 1024 as Docker counts them. Raises ComposeError."""
    if isinstance(value, int | float):
        return int(_number(value, where))
    match = SIZE.fullmatch(str(value).strip())
    if not match:
        raise ComposeError(f"{where}: {value!r} is no size; write it like 256M or 1G.")
    number, unit = match.groups()
    return int(_number(number, where) * 1024 ** (" kmgtp".index(unit.lower()) if unit else 0))


def _number(value: Any, where: str) -> float:
    """A number of 0 or more that is finite: no other is meant anywhere. Raises ComposeError."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ComposeError(f"{where}: {value!r} is no number.") from None
    # Whoever counts with it later expects a number as the engine has them: 64 bits.
    if not (math.isfinite(number) and 0 <= number < 2**63):
        raise ComposeError(f"{where}: {value!r} is no number of 0 or more that can be counted.")
    return number


def _whole(value: Any, where: str) -> int:
    number = _number(value, where)
    if not number.is_integer():
        raise ComposeError(f"{where}: {value!r} is no whole number.")
    return int(number)


def _service(name: str, given: Any) -> Service:
    where = f"service {name}"
    body = _mapping(given, where)
    deploy = _mapping(body.get("deploy"), f"{where}, deploy")
    resources = _mapping(deploy.get("resources"), f"{where}, resources")
    placement = _mapping(deploy.get("placement"), f"{where}, placement")
    reserved = _mapping(resources.get("reservations"), f"{where}, reservations")
    limits = _mapping(resources.get("limits"), f"{where}, limits")
    replicas = deploy.get("replicas")
    return Service(
        name=name,
        image=str(body.get("image") or ""),
        mode=str(deploy.get("mode") or "replicated"),
        replicas=1 if replicas is None else _whole(replicas, f"{where}, replicas"),
        cpus=_number(reserved.get("cpus") or 0, f"{where}, reserved cpus"),
        memory=size(reserved.get("memory") or 0, f"{where}, reserved memory"),
        cpu_limit=_number(limits.get("cpus") or 0, f"{where}, cpus limit"),
        memory_limit=size(limits.get("memory") or 0, f"{where}, memory limit"),
        constraints=tuple(
            str(text) for text in _items(placement.get("constraints"), f"{where}, constraints")
        ),
        preferences=tuple(
            str(item["spread"])
            for item in _items(placement.get("preferences"), f"{where}, preferences")
            if isinstance(item, Mapping) and item.get("spread")
        ),
        max_replicas_per_node=_whole(
            placement.get("max_replicas_per_node") or 0, f"{where}, max_replicas_per_node"
        ),
        ports=tuple(
            port
            for item in _items(body.get("ports"), f"{where}, ports")
            for port in _ports(item, where)
        ),
        secrets=_sources(body.get("secrets"), f"{where}, secrets"),
        configs=_sources(body.get("configs"), f"{where}, configs"),
        networks=tuple(str(one) for one in _items(body.get("networks"), f"{where}, networks")),
        volumes=tuple(_volume(item) for item in _items(body.get("volumes"), f"{where}, volumes")),
        healthcheck=_healthcheck(body.get("healthcheck"), where),
        update=rollout(deploy.get("update_config"), f"{where}, update_config"),
        rollback=rollout(deploy.get("rollback_config"), f"{where}, rollback_config"),
        restart=_restart(deploy.get("restart_policy"), f"{where}, restart_policy"),
        stop_grace_period=seconds(body.get("stop_grace_period", 10), f"{where}, stop_grace_period"),
        environment=_environment(body.get("environment"), f"{where}, environment"),
    )


def _sources(items: Any, where: str) -> tuple[str, ...]:
    found = []
    for item in _items(items, where):
        if isinstance(item, Mapping) and not item.get("source"):
            raise ComposeError(f"{where}: {dict(item)!r} names no source.")
        found.append(str(item["source"]) if isinstance(item, Mapping) else str(item))
    return tuple(found)


def _environment(items: Any, where: str) -> dict[str, str]:
    if isinstance(items, Mapping):
        return {str(k): "" if v is None else str(v) for k, v in items.items()}
    pairs = (str(item).partition("=") for item in _items(items, where))
    return {key: value for key, _equals, value in pairs}


def _ports(item: Any, where: str) -> Iterable[Port]:
    if isinstance(item, Mapping):
        published = _port_numbers(item.get("published") or 0, where)
        (target, *more) = _port_numbers(item.get("target"), where)
        if more:
            raise ComposeError(f"{where}: {item.get('target')!r} is no port's target.")
        protocol, mode = str(item.get("protocol") or "tcp"), str(item.get("mode") or "ingress")
        return [Port(number, target, protocol, mode) for number in published]
    text, _slash, protocol = str(item).partition("/")
    # HOST_IP:PUBLISHED:TARGET; Swarm ignores the address.
    *before, target_text = text.split(":")
    targets = _port_numbers(target_text, where)
    publish = _port_numbers(before[-1], where) if before else [0] * len(targets)
    if len(publish) != len(targets):
        raise ComposeError(f"{where}: the port ranges of {item!r} have different lengths.")
    pairs = zip(publish, targets, strict=True)
    return [Port(number, target, protocol or "tcp") for number, target in pairs]


def _port_numbers(value: Any, where: str) -> list[int]:
    match = PORTS.fullmatch(str(value))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last <= 65535:
        raise ComposeError(f"{where}: {value!r} is no port.")
    return list(range(first, last + 1))


def _volume(item: Any) -> Volume:
    if isinstance(item, Mapping):
        return Volume(
            str(item.get("type") or "volume"),
            str(item.get("source") or ""),
            str(item.get("target") or ""),
        )
    source, colon, rest = str(item).partition(":")
    if not colon:
        return Volume("volume", "", source)
    return Volume("bind" if source[:1] in "./~" else "volume", source, rest.partition(":")[0])


def _healthcheck(body: Any, where: str) -> Healthcheck | None:
    if not isinstance(body, Mapping):
        return None
    test = body.get("test") or ()
    items = ("CMD-SHELL", test) if isinstance(test, str) else test
    words = tuple(str(word) for word in _items(items, f"{where}, healthcheck test"))
    return Healthcheck(
        test=words,
        interval=seconds(body.get("interval", 30), f"{where}, healthcheck interval") or 30.0,
        timeout=seconds(body.get("timeout", 30), f"{where}, healthcheck timeout") or 30.0,
        retries=int(_number(body.get("retries") or 3, f"{where}, healthcheck retries")),
        start_period=seconds(body.get("start_period", 0), f"{where}, healthcheck start_period"),
        disabled=bool(body.get("disable")) or words[:1] == ("NONE",),
    )


def rollout(body: Any, where: str = "update_config") -> Rollout:
    """An update_config or rollback_config. Raises ComposeError."""
    body = _mapping(body, where)
    # 0 means "all at once" in a file, but "not set" for the monitor (swarmkit then takes 5 s).
    return Rollout(
        parallelism=int(_number(body.get("parallelism", 1), f"{where}, parallelism")),
        delay=seconds(body.get("delay", 0), f"{where}, delay"),
        failure_action=str(body.get("failure_action") or "pause"),
        monitor=seconds(body.get("monitor", 0), f"{where}, monitor") or 5.0,
        max_failure_ratio=_number(
            body.get("max_failure_ratio") or 0, f"{where}, max_failure_ratio"
        ),
        order=str(body.get("order") or "stop-first"),
    )


def _restart(body: Any, where: str) -> Restart:
    body = _mapping(body, where)
    attempts = body.get("max_attempts")
    return Restart(
        condition=str(body.get("condition") or "any"),
        delay=seconds(body.get("delay", 5), f"{where}, delay"),
        max_attempts=int(_number(attempts, f"{where}, max_attempts")) if attempts else None,
        window=seconds(body.get("window", 0), f"{where}, window"),
    )


def _externals(section: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    names: dict[str, str | None] = {}
    for name, body in section.items():
        external = body.get("external")
        if isinstance(external, Mapping):
            names[name] = str(external.get("name") or body.get("name") or name)
        else:
            names[name] = str(body.get("name") or name) if external else None
    return names
