# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What cannot work is said before anything changes: all findings at once, each with its remedy."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import firewall
from ansible_collections.monsterstack.swarm.plugins.module_utils.addresses import (
    DOCKERS,
    is_ip,
    own_addresses,
    swarm_address,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.compose import Compose, Service
from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import TAG_PATTERN
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import (
    Constraint,
    ConstraintError,
    Demand,
    Node,
    Shortage,
    eligible,
    fit,
    mebibytes,
    parse_constraint,
    room_for_one_more,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import DATA_PORT

RESERVED_PORTS = {
    22: "SSH",
    2377: "Swarm's managers",
    7946: "Swarm's nodes",
}
AVAILABILITIES = ("active", "pause", "drain")
MOST_MANAGERS = 7
CLOCK_LIMIT = 5.0
DISK_MIN = 200 * 2**20  # bytes
PYTHON_MIN = (3, 11)  # for modules, on the hosts; tests/config.yml says the same to ansible-test
ON_WORKERS = Constraint("node.role", False, "worker")
LABEL = "node.labels."
ZONE = "zone"
# What an inventory lays over a stack's own values: NAME_settings and so on.
STACK_VARIABLES = ("settings", "images", "build_args", "secrets")


@dataclass(frozen=True)
class Finding:
    """`level` is error, warning or notice; `where` a host, `host/variable` or service."""

    level: str
    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}"
        text += "" if text.endswith((".", "?")) else "."
        return f"{text} {self.remedy}".strip()


@dataclass(frozen=True)
class InventoryHost:
    """A host as the inventory has it; `info` is host_info's result where it is known."""

    name: str
    group: str
    address: str | None = None
    local: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    availability: str | None = None
    variables: frozenset[str] = frozenset()
    ssh_port: int = 22
    advertise: str | None = None  # swarm_advertise_address
    published_from: tuple[str, ...] = ()  # where the firewall restricts published ports
    asked_from_here: bool = True  # whether smoke test and probe ask from the controller
    info: Mapping[str, Any] | None = None


def error(where: str, problem: str, remedy: str) -> Finding:
    return Finding("error", where, problem, remedy)


def warning(where: str, problem: str, remedy: str) -> Finding:
    return Finding("warning", where, problem, remedy)


def notice(where: str, problem: str) -> Finding:
    return Finding("notice", where, problem, "")


# The inventory alone


def check_groups(hosts: Sequence[InventoryHost]) -> list[Finding]:
    """Number of managers, and hosts that are named twice."""
    findings: list[Finding] = []
    managers = [host.name for host in hosts if host.group == "managers"]
    count = len(managers)
    if not count:
        text = "the group has no host, so there is nobody to lead the swarm"
        findings.append(error("managers", text, "Put 1, 3, 5 or 7 hosts into it."))
    elif count > MOST_MANAGERS:
        text = f"{count} managers agree slower and survive no more than people can look after"
        findings.append(error("managers", text, "Use at most 7, and make the others workers."))
    workers = {host.name for host in hosts if host.group == "workers"}
    for name in dict.fromkeys(managers):
        if name in workers:
            text = "the host stands in the groups managers and workers"
            findings.append(error(name, text, "Take it out of one of them."))
    return findings


def check_addresses(hosts: Sequence[InventoryHost]) -> list[Finding]:
    """Every host has an address of its own that can be one."""
    findings: list[Finding] = []
    owners: dict[str, str] = {}
    for host in {host.name: host for host in hosts}.values():
        where, address = f"{host.name}/ansible_host", host.address
        if not address:
            if not is_ip(host.name):
                text = "the host has no address"
                remedy = "Set ansible_host to the address that the other nodes reach it by."
                findings.append(error(where, text, remedy))
            continue
        if not is_ip(address) and set(address) <= set("0123456789."):
            text = f"{address} is no IP address"
            findings.append(error(where, text, "Correct it."))
        elif _leads_nowhere(address) and not host.local:
            text = f"{address} leads every host to itself"
            remedy = "Set it to the address that the other nodes reach it by."
            findings.append(error(where, text, remedy))
        # 2001:db8::1 and 2001:DB8:0::1 are one.
        same = str(ipaddress.ip_address(address)) if is_ip(address) else address.lower()
        if same in owners:
            text = f"{address} is the address of {owners[same]} too"
            findings.append(error(where, text, "Give each node its own."))
        owners.setdefault(same, host.name)
    return findings


def _leads_nowhere(address: str) -> bool:
    """Whether a literal address is no address that others reach: 127.0.0.1, 0.0.0.0, ff02::1."""
    if not is_ip(address):
        return False
    known = ipaddress.ip_address(address)
    return known.is_loopback or known.is_unspecified or known.is_multicast


def check_host_variables(name: str, variables: Mapping[str, Any]) -> list[Finding]:
    """Variables of one host that are of another kind than what is read of them."""
    findings: list[Finding] = []
    port = variables.get("ansible_port")
    if port not in (None, "") and not (
        re.fullmatch("[0-9]{1,5}", str(port)) and 0 < int(port) < 65536
    ):
        text = f"{port!r} is no port"
        findings.append(error(f"{name}/ansible_port", text, "Write a number from 1 to 65535."))
    labels = variables.get("node_labels")
    if labels and not isinstance(labels, Mapping):
        text = f"{labels!r} is no dictionary"
        remedy = "Write one, for example node_labels: {ssd: 'true'}."
        findings.append(error(f"{name}/node_labels", text, remedy))
    for variable in ("zone", "node_availability", "ansible_host", "swarm_advertise_address"):
        value = variables.get(variable)
        if isinstance(value, Mapping | list | tuple):
            text = f"{value!r} is no text"
            findings.append(error(f"{name}/{variable}", text, "Write one value."))
    networks = variables.get("docker_engine_published_from")
    if networks and not isinstance(networks, list | tuple):
        text = f"{networks!r} is no list"
        remedy = "Write one, for example [192.0.2.0/24]."
        findings.append(error(f"{name}/docker_engine_published_from", text, remedy))
    return findings


def check_pool(
    hosts: Sequence[InventoryHost], wished: Sequence[str], subnet_size: int
) -> list[Finding]:
    """Whether the networks that overlay networks are cut from leave the hosts' own alone.

    What the swarm was made with counts; before there is one, the wish of the inventory.
    """
    swarms = [(host.info or {}).get("swarm") or {} for host in hosts]
    made_with = next((swarm["address_pool"] for swarm in swarms if swarm.get("address_pool")), None)
    findings: list[Finding] = []
    pool: list[ipaddress.IPv4Network] = []
    for text in made_with or wished:
        try:
            pool.append(ipaddress.IPv4Network(text))
        except ValueError:
            where = "swarm_address_pool"
            findings.append(error(where, f"{text} is no network", "Write one like 10.201.0.0/16."))
            continue
        if not made_with and subnet_size < pool[-1].prefixlen:
            problem = f"a network of /{subnet_size} does not fit into {text}"
            remedy = f"Set it to {pool[-1].prefixlen} or more, up to 29."
            findings.append(error("swarm_subnet_size", problem, remedy))
    for host in hosts:
        for own, interface in _own_networks(host):
            hit = next((one for one in pool if one.overlaps(own)), None)
            if hit is None:
                continue
            problem = f"{hit}, which overlay networks are cut from, overlaps the host's network"
            problem += f" {own} ({interface}): tasks and hosts would not reach each other there"
            if not made_with:
                remedy = "Set swarm_address_pool to networks that no host has: it is fixed later."
                findings.append(error(host.name, problem, remedy))
                continue
            remedy = "The pool was fixed when the swarm was made; give the host another network."
            member = ((host.info or {}).get("swarm") or {}).get("state", "inactive") != "inactive"
            findings.append((warning if member else error)(host.name, problem, remedy))
    return findings


def _own_networks(host: InventoryHost) -> list[tuple[ipaddress.IPv4Network, str]]:
    """IPv4 networks of a host's interfaces and routes, each once, without Docker's own."""
    info = host.info or {}
    found: dict[ipaddress.IPv4Network, str] = {}
    for entry in info.get("addresses") or []:
        if entry.get("family") == "ipv4":
            text = f"{entry['address']}/{entry['prefix']}"
            found.setdefault(ipaddress.IPv4Network(text, strict=False), entry["interface"])
    for route in info.get("routes") or []:
        if ":" not in route["network"]:
            network = ipaddress.IPv4Network(route["network"], strict=False)
            found.setdefault(network, route["interface"])
    return [(network, name) for network, name in found.items() if not DOCKERS.fullmatch(name)]


def check_firewall(hosts: Sequence[InventoryHost]) -> list[Finding]:
    """Networks of the firewall that are none: the rules would not load."""
    findings: list[Finding] = []
    for host in hosts:
        try:
            firewall.networks(host.published_from, "docker_engine_published_from")
        except ValueError as problem:
            findings.append(error(host.name, str(problem), "Names are not looked up."))
    return findings


def check_placement_variables(
    hosts: Sequence[InventoryHost], spread_by_zone: bool
) -> list[Finding]:
    """Zones and availability."""
    findings: list[Finding] = []
    for host in hosts:
        if host.availability is not None and host.availability not in AVAILABILITIES:
            text = f"{host.availability!r} is no availability"
            where = f"{host.name}/node_availability"
            findings.append(error(where, text, f"Use one of {', '.join(AVAILABILITIES)}."))
    working = [host for host in hosts if host.group == "workers"] or list(hosts)
    zoned = {host.name for host in working if host.labels.get(ZONE)}
    if spread_by_zone or zoned:
        why = "tasks are to be spread by zone" if spread_by_zone else "other hosts have a zone"
        for host in working:
            if host.name not in zoned:
                text = f"the host has no zone, but {why}"
                remedy = "Set zone to the place where it stands, for example zone: a."
                findings.append(error(f"{host.name}/zone", text, remedy))
    return findings


def check_ports(
    compose: Compose | None,
    published: Sequence[int],
    hosts: Sequence[InventoryHost],
    data_port: int = DATA_PORT,
) -> list[Finding]:
    """Reserved ports, and ports that two services want."""
    findings: list[Finding] = []
    reserved = {**dict.fromkeys((host.ssh_port for host in hosts), "SSH"), **RESERVED_PORTS}
    reserved[data_port] = "Swarm's overlay networks"
    owners: dict[tuple[int, str], str] = {(port, "tcp"): "another service" for port in published}
    wanted = [(number, "tcp", "published_ports") for number in published]
    for service in compose.services.values() if compose else ():
        for port in service.ports:
            if not port.published:
                continue
            wanted.append((port.published, port.protocol, f"service {service.name}"))
            key = (port.published, port.protocol)
            if key in owners:
                text = f"publishes port {port.published}/{port.protocol}, as does {owners[key]}"
                remedy = "Give one of them another port."
                findings.append(error(f"service {service.name}", text, remedy))
            owners.setdefault(key, f"the service {service.name}")
    for number, protocol, where in wanted:
        if number in reserved:
            text = f"port {number}/{protocol} belongs to {reserved[number]}"
            remedy = "Publish another one: on this one the nodes would lock themselves out."
            findings.append(error(where, text, remedy))
        elif not 0 < number < 65536:
            findings.append(error(where, f"{number} is no port", "Use one of 1 to 65535."))
    return findings


def check_tags(tags: Mapping[str, Any]) -> list[Finding]:
    """Tags as Docker takes them, and as people meant them."""
    findings: list[Finding] = []
    for name, value in tags.items():
        if isinstance(value, bool | int | float):
            text = f"the tag came as the number {value}, so a zero at its end may be lost"
            remedy = f'Pass it as text: -e {name}=2.10, or -e \'{{"{name}": "2.10"}}\'.'
            findings.append(error(name, text, remedy))
        elif not isinstance(value, str) or not TAG_PATTERN.fullmatch(value):
            remedy = (
                "Use letters, digits, '_', '.' and '-', at most 128, and neither '.' nor '-' first."
            )
            findings.append(error(name, f"{value!r} cannot be an image tag", remedy))
    return findings


TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n")


@dataclass(frozen=True)
class Word:
    """What a word on the command line must be.

    Kinds are text, name, names (parted by commas), path, bool, number and whole (number). `least`
    and `most` bound a number, both included; `one_of` are the texts that it may be. `inventory` is
    true for settings that may stand in the inventory as well, `playbooks` are the files that read
    any other word.
    """

    kind: str
    least: float = 0.0
    most: float = float("inf")
    one_of: Sequence[str] = ()
    inventory: bool = False
    playbooks: Sequence[str] = ()


NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
NUMBER_PATTERN = re.compile(r"[0-9]{1,18}([.][0-9]{1,18})?", re.ASCII)


def check_words(given: Mapping[str, Any], words: Mapping[str, Word]) -> list[Finding]:
    """Words of the command line that are there and are not what they must be.

    Without this Ansible takes `canary=ture` for no, fails in the middle of a release for
    `canary_seconds=soon`, and takes `node=` for every node.
    """
    findings: list[Finding] = []
    for name, word in words.items():
        if name not in given:
            continue
        value = given[name]
        if value is None or (isinstance(value, str) and not value.strip()):
            text = "it was given without a value"
            findings.append(error(name, text, "Give it one, or leave the word away."))
        elif remedy := _misread(value, word):
            findings.append(error(name, f"{value!r} cannot be its value", remedy))
    return findings


def _misread(value: Any, word: Word) -> str | None:
    """What to write instead, or None when the value is right."""
    if word.kind == "bool":
        good = isinstance(value, bool) or str(value).lower() in TRUTHS
        return None if good else "Write true or false."
    if word.kind in ("number", "whole"):
        return _misread_number(value, word)
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "Write a text."
    # A tag may come as a number: what that does to it is said where tags are checked.
    if not isinstance(value, str) and word.kind != "text":
        return "Write a text: in JSON it stands in quotes."
    if not text.isprintable():
        return "Write a text of one line, without characters that print nothing."
    if word.one_of and text not in word.one_of:
        return f"Write {' or '.join(word.one_of)}."
    if word.kind == "name" and not NAME_PATTERN.fullmatch(text):
        return "Write a name: letters, digits, '_', '.' and '-', the first a letter or digit."
    if word.kind == "names" and not all(
        NAME_PATTERN.fullmatch(one.strip()) for one in text.split(",")
    ):
        return "Write names, parted by commas: letters, digits, '_', '.' and '-'."
    return None


def _misread_number(value: Any, word: Word) -> str | None:
    good = not isinstance(value, bool) and NUMBER_PATTERN.fullmatch(str(value))
    number = float(str(value)) if good else -1.0
    whole = word.kind != "whole" or number.is_integer()
    if good and whole and word.least <= number <= word.most:
        return None
    upper = f" to {word.most:g}" if word.most != float("inf") else " up"
    return f"Write a {'whole ' if word.kind == 'whole' else ''}number from {word.least:g}{upper}."


def stack_names(folders: Iterable[str]) -> set[str]:
    """The stacks that lie in these folders: each is a folder with a stack.yml."""
    return {path.parent.name for folder in folders for path in Path(folder).glob("*/stack.yml")}


def stack_variables(stacks: Iterable[str]) -> set[str]:
    """What an inventory may say of these stacks, whichever of them a run is about."""
    return {f"{stack}_{part}" for stack in stacks for part in STACK_VARIABLES}


def check_typed(typed: Iterable[str], known: Iterable[str]) -> list[Finding]:
    """Names of the command line that nothing reads and that look like one of ours: a release that
    was meant to begin with a canary must not run without one."""
    known = set(known)
    findings: list[Finding] = []
    for name in sorted(set(typed) - known):
        if close := difflib.get_close_matches(name, known, 1, 0.75):
            text = "nothing here reads this word of the command line"
            findings.append(error(name, text, f"Did you mean {close[0]}?"))
    return findings


def check_variables(
    hosts: Sequence[InventoryHost], known: Iterable[str], prefixes: Sequence[str]
) -> list[Finding]:
    """Near misses of our own names, and variables that only begin like ours.

    An inventory serves other playbooks too, so a prefix alone refuses nothing.
    """
    known = set(known)
    users: dict[str, list[str]] = {}
    for host in hosts:
        for variable in host.variables - known:
            # What a play before this one registered.
            if variable.startswith("__"):
                continue
            if host.name not in users.setdefault(variable, []):
                users[variable].append(host.name)
    everyone = len({host.name for host in hosts})
    findings: list[Finding] = []
    for variable, names in sorted(users.items()):
        ours = variable.startswith(tuple(prefixes))
        near = difflib.get_close_matches(variable, known, 1, 0.85 if ours else 0.88)
        close = near or (difflib.get_close_matches(variable, known, 1, 0.6) if ours else [])
        if not ours and not close:
            continue
        where = variable if len(names) == everyone else f"{', '.join(names)}/{variable}"
        hint = f"Did you mean {close[0]}?" if close else ""
        others = "If it belongs to another playbook, name it in other_variables."
        if ours and near:
            text = "nothing here has such a variable"
            findings.append(error(where, text, f"{hint} {others}"))
        elif ours:
            text = "it begins like a variable of this collection, and nothing here reads it"
            findings.append(warning(where, text, f"{hint} {others}".strip()))
        else:
            findings.append(warning(where, f"this looks like {close[0]}, but is not read", hint))
    return findings


def check_overrides(name: str, given: Any, defaults: Mapping[str, Any]) -> list[Finding]:
    """Keys of an inventory's dictionary that its default lacks; `name` has dots for the depth."""
    if not isinstance(given, Mapping):
        return [error(name, f"{given!r} is no dictionary", f"Give some of {_words(defaults)}.")]
    findings: list[Finding] = []
    for key, value in given.items():
        default = defaults.get(key)
        if key not in defaults:
            close = difflib.get_close_matches(str(key), [str(one) for one in defaults], 1)
            hint = f"Did you mean {name}.{close[0]}?" if close else f"Use {_words(defaults)}."
            findings.append(error(f"{name}.{key}", "nothing here has such a key", hint))
        elif isinstance(default, Mapping):
            findings += check_overrides(f"{name}.{key}", value, default)
    return findings


def _words(keys: Iterable[Any]) -> str:
    return ", ".join(sorted(str(key) for key in keys))


# With what the hosts say of themselves


def check_hosts(
    hosts: Sequence[InventoryHost],
    compose: Compose | None,
    stack: str,
    published: Sequence[int],
    memory_min: int,
    disk_min: int = DISK_MIN,
) -> list[Finding]:
    """System, memory, disk, clocks, names, settings of the engine and ports of each host."""
    known = [host for host in hosts if host.info]
    findings = [
        notice(host.name, "could not be looked at, and is left out of the checks")
        for host in hosts
        if not host.info
    ]
    for host in known:
        info = host.info or {}
        system, engine = info["os"], info["engine"]
        if not system["supported"]:
            text = f"{system['pretty_name'] or 'its system'} is not one that this is tested on"
            if engine["installed"]:
                findings.append(warning(host.name, text, "Its Docker Engine is used as it is."))
            else:
                remedy = "Use Debian 12 or 13, or install a Docker Engine on it yourself."
                findings.append(error(host.name, text, remedy))
        if _version(info["python"]) < PYTHON_MIN:
            text = f"its Python is {info['python']}"
            remedy = (
                "The modules need 3.11 or newer on the hosts: install one there and name it with "
                "ansible_python_interpreter."
            )
            findings.append(error(host.name, text, remedy))
        if info["memory_bytes"] < memory_min:
            text = f"has {mebibytes(info['memory_bytes'])} of memory"
            remedy = f"Give it {mebibytes(memory_min)} or more."
            findings.append(error(host.name, text, remedy))
        if info["disk_free_bytes"] < disk_min:
            # No error: nothing may have to be pulled, or the node is to be removed for that.
            text = f"has {mebibytes(info['disk_free_bytes'])} left where Docker keeps its data"
            remedy = "No image can be pulled there. docker system df shows what takes the room."
            findings.append(warning(host.name, text, remedy))
        if info.get("containerd_free_bytes", disk_min) < disk_min:
            text = f"has {mebibytes(info['containerd_free_bytes'])} left where containerd keeps its"
            text += f" data ({engine['containerd_root']})"
            remedy = "No image can be pulled there. docker system df shows what takes the room."
            findings.append(warning(host.name, text, remedy))
        if str(engine.get("firewall_backend") or "").startswith("nftables"):
            text = "firewall-backend is nftables, and Docker with it joins no swarm"
            remedy = "Remove firewall-backend from /etc/docker/daemon.json and restart Docker."
            findings.append(error(host.name, text, remedy))
        if engine["live_restore"]:
            text = "live-restore is on, and Docker then joins no swarm"
            remedy = "Remove live-restore from /etc/docker/daemon.json and restart Docker."
            findings.append(error(host.name, text, remedy))
        if engine["daemon_json_error"]:
            text = f"/etc/docker/daemon.json cannot be read: {engine['daemon_json_error']}"
            remedy = "Correct the file; the engine's own settings are in it."
            # An engine that cannot start because of it is left out, and holds nobody else up.
            left_out = engine["state"] not in ("running", "absent")
            level = warning if left_out else error
            findings.append(level(host.name, text, remedy))
        findings += _check_swarm_address(host)
        findings += _check_published_from(host)
        findings += _check_taken_ports(host, compose, published)
    findings += _check_names(known)
    findings += _check_clocks(known)
    return findings + _check_other_stacks(known, compose, stack)


def _version(text: str) -> tuple[int, ...]:
    """3.11.2 and 3.13.0rc1 as (3, 11) and (3, 13)."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _check_swarm_address(host: InventoryHost) -> list[Finding]:
    """Whether it is clear by which literal address the other nodes reach a host: Swarm takes no
    name, and says so only when it is made."""
    variables = {"ansible_host": host.address, "swarm_advertise_address": host.advertise}
    variable = "swarm_advertise_address" if host.advertise else "ansible_host"
    where = f"{host.name}/{variable}"
    wished = {"swarm_advertise_address": host.advertise}
    if host.advertise and not swarm_address("", wished, {**(host.info or {}), "swarm": {}}):
        text = f"{host.advertise} is neither an address nor an interface of the host"
        return [error(where, text, "Swarm takes no names here: give it a literal address.")]
    own = own_addresses(host.info)
    known = swarm_address(host.name, variables, host.info)
    if known is None:
        text = f"{host.address or host.name} is a name, and Swarm takes literal addresses only"
        text += f"; the host has {', '.join(own) or 'none that was found'}"
        remedy = "Set swarm_advertise_address to the one by which the nodes reach each other."
        return [error(where, text, remedy)]
    if own and known not in own and not host.local:
        text = f"none of its interfaces has the address {known}"
        remedy = (
            "Swarm needs one that the host itself has: set swarm_advertise_address to the one by "
            f"which the nodes reach each other ({', '.join(own)})."
        )
        return [warning(where, text, remedy)]
    return []


def _check_published_from(host: InventoryHost) -> list[Finding]:
    """Whether the controller may ask for what the nodes publish, as it is about to do."""
    connection = ((host.info or {}).get("ssh") or {}).get("connection") or {}
    client = connection.get("client")
    if not host.asked_from_here or not host.published_from or not client or not is_ip(client):
        return []
    address = ipaddress.ip_address(client)
    allowed = firewall.networks(host.published_from, "docker_engine_published_from")
    if any(address in ipaddress.ip_network(one) for one in allowed[address.version]):
        return []
    text = f"the networks leave out this computer, which the host knows as {client}"
    remedy = (
        "The smoke test and the probe will find published ports closed: add it, or its network, "
        "or let a manager ask, with probe_from: manager."
    )
    return [warning(f"{host.name}/docker_engine_published_from", text, remedy)]


def _check_names(hosts: Sequence[InventoryHost]) -> list[Finding]:
    by_name: dict[str, list[str]] = {}
    for host in hosts:
        by_name.setdefault((host.info or {})["hostname"], []).append(host.name)
    return [
        error(
            ", ".join(names),
            f"these hosts all call themselves {hostname}",
            "Give each its own host name (hostnamectl set-hostname): Swarm shows nodes by it.",
        )
        for hostname, names in by_name.items()
        if len(set(names)) > 1
    ]


def _check_clocks(hosts: Sequence[InventoryHost]) -> list[Finding]:
    # A host's clock was read between two readings of the controller's: its error is known only as
    # a range. Two ranges that lie further apart than the limit prove a skew.
    ranges: list[tuple[float, float, str]] = []
    for host in hosts:
        info = host.info or {}
        if "controller_before" in info and "controller_after" in info:
            clock = info["time_epoch"]
            early, late = clock - info["controller_after"], clock - info["controller_before"]
            ranges.append((early, late, host.name))
    if len(ranges) < 2:
        return []
    slowest = min(ranges, key=lambda item: item[1])
    fastest = max(ranges, key=lambda item: item[0])
    skew = fastest[0] - slowest[1]
    if skew <= CLOCK_LIMIT:
        return []
    text = f"their clocks are at least {skew:.0f} s apart"
    remedy = "Set them, and let systemd-timesyncd or chrony keep them."
    return [error(f"{slowest[2]}, {fastest[2]}", text, remedy)]


def _stacks(hosts: Sequence[InventoryHost]) -> Mapping[str, Any]:
    return next((h.info["stacks"] for h in hosts if h.info and h.info.get("stacks")), {})


def _check_taken_ports(
    host: InventoryHost, compose: Compose | None, published: Sequence[int]
) -> list[Finding]:
    info = host.info or {}
    in_swarm = info["swarm"].get("state", "inactive") != "inactive"
    wanted = {(number, "tcp"): "published_ports" for number in published}
    # A registry beside the swarm, and ports in host mode, are held by docker-proxy.
    proxied = set(wanted)
    for service in compose.services.values() if compose else ():
        for port in service.ports:
            wanted[port.published, port.protocol] = f"service {service.name}"
            if port.mode == "host":
                proxied.add((port.published, port.protocol))
    findings: dict[tuple[int, str], Finding] = {}
    for protocol in ("tcp", "udp"):
        for entry in info[f"listening_{protocol}"]:
            key, program = (entry["port"], protocol), entry["process"]
            # In a swarm the engine itself holds what is published, on behalf of any stack; without
            # root its name is not known. An engine that is silent, as for some seconds after the
            # loss of the quorum, does not tell whether it is in one.
            ours = (
                (in_swarm and program in ("dockerd", None))
                or (program == "dockerd" and not info["engine"]["running"])
                or (program == "docker-proxy" and key in proxied)
            )
            if key not in wanted or ours:
                continue
            program = program or "another program"
            text = f"port {key[0]}/{protocol}, which {wanted[key]} publishes, is taken by {program}"
            remedy = f"Stop {program} there, or use another port."
            findings[key] = error(host.name, text, remedy)
    return list(findings.values())


def _check_other_stacks(
    hosts: Sequence[InventoryHost], compose: Compose | None, stack: str
) -> list[Finding]:
    taken = {
        (port["published"], port["protocol"]): f"{name} of the stack {other}" if other else name
        for other, body in _stacks(hosts).items()
        if other != stack
        for name, service in body["services"].items()
        for port in service["ports"]
    }
    return [
        error(
            f"service {service.name}",
            f"port {port.published}/{port.protocol} is published by the service "
            f"{taken[port.published, port.protocol]} already",
            "Use another port.",
        )
        for service in (compose.services.values() if compose else ())
        for port in service.ports
        if port.published and (port.published, port.protocol) in taken
    ]


# Room for what the services reserve


def demands(services: Iterable[Service], has_workers: bool) -> tuple[list[Demand], list[Finding]]:
    """What the services ask of the scheduler; constraints that cannot be read are findings."""
    found: list[Demand] = []
    findings: list[Finding] = []
    for service in services:
        constraints: list[Constraint] = []
        for text in service.constraints:
            try:
                constraint = parse_constraint(text)
            except ConstraintError as problem:
                findings.append(error(f"service {service.name}", str(problem), "Correct it."))
                continue
            if constraint == ON_WORKERS and not has_workers:
                text = "is to run on workers, and there are none: the managers do the work"
                findings.append(notice(f"service {service.name}", text))
                continue
            constraints.append(constraint)
        found.append(
            Demand(
                service=service.name,
                replicas=None if service.mode.startswith("global") else service.replicas,
                cpus=service.cpus,
                memory=service.memory,
                constraints=tuple(constraints),
                max_per_node=service.max_replicas_per_node,
            )
        )
    return found, findings


def place_pins(
    nodes: Sequence[Node], hosts: Sequence[InventoryHost], pins: Mapping[str, Sequence[str]]
) -> list[Node]:
    """The nodes with the labels that exactly one of them has or will get: the first that may."""
    names = {host.name: (host.info or {}).get("hostname", host.name) for host in hosts}
    result = list(nodes)
    for label, candidates in pins.items():
        if any(node.labels.get(label) for node in result):
            continue
        chosen = next((names[name] for name in candidates if name in names), None)
        result = [
            replace(node, labels={**node.labels, label: "true"}) if node.name == chosen else node
            for node in result
        ]
    return result


def check_pins(hosts: Sequence[InventoryHost], pins: Mapping[str, Sequence[str]]) -> list[Finding]:
    """node_labels that would put a pin on a second node, or take it from its own.

    Before any node has it, they may choose the first.
    """
    listed = {
        node["id"]: node
        for host in hosts
        for node in ((host.info or {}).get("swarm") or {}).get("nodes") or []
    }
    findings: list[Finding] = []
    for label in pins:
        holders = [node for node in listed.values() if node["labels"].get(label) == "true"]
        for host in hosts:
            own = ((host.info or {}).get("swarm") or {}).get("node_id")
            given = host.labels.get(label)
            if given is None or not holders or not host.info:
                continue
            if (given.lower() == "true") == (own in [node["id"] for node in holders]):
                continue
            names = ", ".join(sorted(node["hostname"] for node in holders))
            text = f"{label} is a label of one node, {names}, whose disk has what it stands for"
            remedy = f"Take {label} out of node_labels: the label stays where it is."
            findings.append(error(f"{host.name}/node_labels", text, remedy))
    return findings


def free_nodes(hosts: Sequence[InventoryHost], stack: str) -> list[Node]:
    """The nodes as they will be: labels of the inventory over the swarm's own, and what is free
    when this stack's own tasks are not counted."""
    swarm_nodes: dict[str, Mapping[str, Any]] = {}
    reserved: Mapping[str, Any] = {}
    for host in hosts:
        for node in ((host.info or {}).get("swarm") or {}).get("nodes") or []:
            swarm_nodes.setdefault(node["id"], node)
        reserved = reserved or (host.info or {}).get("reserved") or {}
    nodes: list[Node] = []
    for host in hosts:
        if not host.info:
            continue
        node_id = host.info["swarm"].get("node_id") or ""
        known = swarm_nodes.get(node_id, {})
        others = [use for name, use in reserved.get(node_id, {}).items() if name != stack]
        # Whoever works on a node keeps in its label what it gets back: what needs the node waits
        # for the lock of that work, instead of being refused.
        was = (known.get("labels") or {}).get(MAINTENANCE) or known.get("availability")
        availability = host.availability or was or "active"
        nodes.append(
            Node(
                name=host.info["hostname"],
                role=host.group.removesuffix("s"),
                cpus=host.info["cpus"] - sum(use["cpus"] for use in others),
                memory=int(host.info["memory_bytes"] - sum(use["memory_bytes"] for use in others)),
                labels={**known.get("labels", {}), **host.labels},
                node_id=node_id,
                # What Swarm compares with node.ip; of a host that has not joined, what it will be.
                ip=known.get("addr") or host.info["swarm"].get("node_addr") or host.address or "",
                arch=host.info["os"]["arch"],
                available=availability == "active",
            )
        )
    return nodes


def check_capacity(
    compose: Compose,
    hosts: Sequence[InventoryHost],
    stack: str,
    pins: Mapping[str, Sequence[str]],
) -> list[Finding]:
    """Whether the nodes have room for every service, and for one more task of it in an update."""
    away = label_holders(hosts)
    unheld = {label: names for label, names in pins.items() if label not in away}
    nodes = place_pins(free_nodes(hosts, stack), hosts, unheld)
    has_workers = any(host.group == "workers" for host in hosts)
    silent = [host.name for host in hosts if not host.info]
    return check_room(compose, nodes, has_workers, away, silent) if nodes else []


def label_holders(hosts: Sequence[InventoryHost]) -> dict[str, list[str]]:
    """{label: host names of the nodes that have it in the swarm and that this run did not hear}.

    A machine that was installed anew counts as the node of its name.
    """
    infos = [host.info for host in hosts if host.info]
    heard = {info["swarm"].get("node_id") for info in infos} | {info["hostname"] for info in infos}
    away: dict[str, list[str]] = {}
    for info in infos:
        for node in info["swarm"].get("nodes") or []:
            name = node.get("hostname")
            for label in node["labels"] if not {node["id"], name} & heard else ():
                names = away.setdefault(label, [])
                names += [name] if name not in names else []
    return away


def check_room(
    compose: Compose,
    nodes: Sequence[Node],
    has_workers: bool,
    away: Mapping[str, Sequence[str]] | None = None,
    silent: Sequence[str] = (),
) -> list[Finding]:
    """The same for nodes whose free resources are known; `away` is as in `label_holders`, and
    `silent` are the hosts that might have room, too, and did not answer."""
    checked, findings = _demands_on(compose, nodes, has_workers, away)
    by_name = {demand.service: demand for demand in checked}
    shortages = fit(checked, nodes)
    for shortage in shortages:
        findings.append(_lack(by_name[shortage.service], shortage, nodes, silent))
    if shortages:
        return findings
    for service in compose.services.values():
        demand = by_name[service.name]
        more = _more_in_an_update(service)
        if not more or not demand.replicas:
            continue
        grown = replace(demand, replicas=demand.replicas + more)
        others = [other for other in checked if other.service != service.name]
        if fit([*others, grown], nodes):
            text = f"an update starts {more} more before it stops the old"
            text += ", and there is no room for that"
            remedy = "Its updates will wait for a place: lower the reservations, add a node, or "
            remedy += "use the order stop-first."
            findings.append(warning(f"service {service.name}", text, remedy))
    return findings


def room_lines(
    compose: Compose, nodes: Sequence[Node], has_workers: bool, names: Iterable[str]
) -> list[str]:
    """For people: what updates of these services need for a while, and where that is free."""
    checked, _findings = _demands_on(compose, nodes, has_workers)
    lines: list[str] = []
    for name in names:
        service = compose.services.get(name)
        more = _more_in_an_update(service) if service else 0
        if not service or not more:
            continue
        each = f"{service.cpus:g} CPU and {mebibytes(service.memory)}"
        free = room_for_one_more(checked, nodes, name)
        where = f"free on {', '.join(free)}" if free else "free nowhere"
        count = f"{more} more task{'s' if more > 1 else ''} for a while"
        lines.append(f"{name}: start-first needs {count}, {each} each: {where}")
    return lines


def _more_in_an_update(service: Service) -> int:
    """How many tasks an update of a service starts before it stops old ones."""
    if service.update.order != "start-first" or service.mode != "replicated":
        return 0
    return min(service.update.parallelism or service.replicas, service.replicas)


def _demands_on(
    compose: Compose,
    nodes: Sequence[Node],
    has_workers: bool,
    away: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[Demand], list[Finding]]:
    """The demands without labels that no node has yet; those are findings."""
    wanted, findings = demands(compose.services.values(), has_workers)
    labels = {label for node in nodes for label in node.labels}
    checked: list[Demand] = []
    for demand in wanted:
        unknown = {
            c.key.removeprefix(LABEL)
            for c in demand.constraints
            if c.key.startswith(LABEL) and not c.negated and c.key.removeprefix(LABEL) not in labels
        }
        for label in sorted(unknown):
            if away and label in away:
                # Another node with that label would begin without the data of this one.
                names = ", ".join(away[label])
                text = (
                    f"needs the node with the label {label}, {names}, which this run did not hear"
                )
                remedy = (
                    "Leave the label where it is: the data are there. While that node is down, its "
                    "tasks stay pending."
                )
            else:
                text = f"needs a node with the label {label}, and no node has it yet"
                remedy = "Until one gets it (node_labels), its tasks stay pending."
            findings.append(warning(f"service {demand.service}", text, remedy))
        rest = tuple(c for c in demand.constraints if c.key.removeprefix(LABEL) not in unknown)
        checked.append(replace(demand, constraints=rest))
    return checked, findings


def _lack(
    demand: Demand, shortage: Shortage, nodes: Sequence[Node], silent: Sequence[str]
) -> Finding:
    where = f"service {demand.service}"
    unheard = f"; {', '.join(silent)} did not answer, so nothing there counts" if silent else ""
    bring = "Bring back what did not answer (doctor.yml says what is wrong)"
    rules = " and ".join(str(constraint) for constraint in demand.constraints)
    if not shortage.reasons:
        text = f"no node that takes tasks meets {rules}" if rules else "no node takes tasks"
        idle = eligible([replace(node, available=True) for node in nodes], demand.constraints)
        if idle:
            # Another node with that label would begin without the data of this one.
            names = ", ".join(node.name for node in idle)
            text += f"; {names} would and takes none, paused or drained"
            remedy = (
                "Leave labels where they are: the data are there. Wait for whoever works on it "
                "(locks.yml shows who), or give it node_availability: active in the inventory and "
                "run site.yml."
            )
            return error(where, text, remedy)
        # Whoever gave another node that role or label would move work, or data, for a node that is
        # only switched off.
        remedy = "Correct the constraint, or give a node that label or role."
        return error(where, text + unheard, f"{bring}, or add a node." if silent else remedy)
    each = f"{demand.cpus:g} CPU and {mebibytes(demand.memory)}"
    text = (
        f"{shortage.wanted} tasks reserve {each} each, and only {shortage.placed} find room"
        f"{f' where {rules}' if rules else ''} ({'; '.join(shortage.reasons)})"
    )
    remedy = "Lower its reservations or replicas, or add a node."
    return error(where, text + unheard, f"{bring}. Else: {remedy.lower()}" if silent else remedy)
