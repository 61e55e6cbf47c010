# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Swarm may put a task: placement constraints, and whether reservations find room."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# swarmkit's manager/constraint accepts these and no other keys, values without quotes.
PATTERN = re.compile(r"\s*([a-zA-Z_][\w.-]+)\s*(==|!=)\s*([\w:\s.*()?+\[\]\\^$|/-]+?)\s*")
PLAIN_KEYS = (
    "node.id",
    "node.hostname",
    "node.ip",
    "node.role",
    "node.platform.os",
    "node.platform.arch",
)
LABEL_PREFIXES = ("node.labels.", "engine.labels.")


class ConstraintError(ValueError):
    """A constraint that Swarm would refuse or that can never be true."""


@dataclass(frozen=True)
class Constraint:
    """`key == value` or, negated, `key != value`; values compare without case, as in swarmkit."""

    key: str
    negated: bool
    value: str

    def __str__(self) -> str:
        return f"{self.key} {'!=' if self.negated else '=='} {self.value}"


@dataclass(frozen=True)
class Node:
    """What the scheduler looks at. CPU in cores, memory in bytes, both what is still free."""

    name: str
    role: str = "worker"
    cpus: float = 0.0
    memory: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    engine_labels: Mapping[str, str] = field(default_factory=dict)
    node_id: str = ""
    ip: str = ""
    os: str = "linux"
    arch: str = "x86_64"
    available: bool = True


@dataclass(frozen=True)
class Demand:
    """What a service asks of the scheduler; CPU in cores and memory in bytes per task.

    `replicas` is None for a global service: one task on every node that its constraints allow.
    """

    service: str
    replicas: int | None = 1
    cpus: float = 0.0
    memory: int = 0
    constraints: tuple[Constraint, ...] = ()
    max_per_node: int = 0


@dataclass(frozen=True)
class Shortage:
    """A service that does not fit: how many of its tasks found room, and why the others did not."""

    service: str
    wanted: int
    placed: int
    reasons: tuple[str, ...]


def parse_constraint(text: str) -> Constraint:
    """Raises ConstraintError, in the user's words."""
    match = PATTERN.fullmatch(text)
    if not match:
        raise ConstraintError(f"{text!r} is no constraint: write 'key == value' or 'key != value'.")
    key, operator, value = match.groups()
    lowered = key.lower()
    prefix = next((p for p in LABEL_PREFIXES if lowered.startswith(p) and len(key) > len(p)), None)
    if prefix:
        key = prefix + key[len(prefix) :]
    elif lowered in PLAIN_KEYS:
        key = lowered
    else:
        raise ConstraintError(
            f"{text!r} asks for {key!r}, which Swarm does not know, so it fits no node. Use one of "
            f"{', '.join(PLAIN_KEYS)}, node.labels.NAME or engine.labels.NAME."
        )
    if key == "node.ip" and _network(value) is None:
        raise ConstraintError(
            f"{text!r} asks for {value!r}, which is neither an address nor a network, so it fits "
            "no node. Write one such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."
        )
    return Constraint(key, operator == "!=", value)


def read_constraints(texts: Iterable[str]) -> tuple[list[Constraint], list[str]]:
    """(the constraints that can be read, what is wrong with the others)."""
    read: list[Constraint] = []
    problems: list[str] = []
    for text in texts:
        try:
            read.append(parse_constraint(text))
        except ConstraintError as problem:
            problems.append(str(problem))
    return read, problems


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """An address, or a network with a prefix length, as what node.ip means; None for all else.

    As Go's net.ParseIP and net.ParseCIDR read it, which swarmkit's manager/constraint calls: bits
    behind the prefix do not count, a netmask is none, and ::ffff:192.0.2.7 is an IPv4 address.
    """
    _address, slash, prefix = text.partition("/")
    if slash and not re.fullmatch(r"\d+", prefix, re.ASCII):
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    first = network.network_address
    if isinstance(first, ipaddress.IPv6Address) and network.prefixlen >= 96 and first.ipv4_mapped:
        network = ipaddress.ip_network(f"{first.ipv4_mapped}/{network.prefixlen - 96}")
    return network


def _same_ip(given: str, wanted: str) -> bool | None:
    """Whether a node's address is the wanted one or in the wanted network; None if that is none."""
    network, own = _network(wanted), _network(given)
    if network is None:
        return None
    return own is not None and own.network_address in network


def satisfies(node: Node, constraint: Constraint) -> bool:
    """Whether a node meets one constraint; a missing label counts as an empty one."""
    key = constraint.key
    if key == "node.ip":
        # What is no address fits no node, negated or not.
        same = _same_ip(node.ip, constraint.value)
        return same is not None and same != constraint.negated
    plain = {
        "node.id": node.node_id,
        "node.hostname": node.name,
        "node.role": node.role,
        "node.platform.os": node.os,
        "node.platform.arch": node.arch,
    }
    if key in plain:
        value = plain[key]
    elif key.startswith("node.labels."):
        value = node.labels.get(key.removeprefix("node.labels."), "")
    else:
        value = node.engine_labels.get(key.removeprefix("engine.labels."), "")
    return (value.lower() == constraint.value.lower()) != constraint.negated


def eligible(nodes: Iterable[Node], constraints: Iterable[Constraint]) -> list[Node]:
    """The nodes that may take tasks and meet all the constraints."""
    wanted = tuple(constraints)
    return [n for n in nodes if n.available and all(satisfies(n, c) for c in wanted)]


def node_from_api(node: Mapping[str, Any]) -> Node:
    """A Node from an entry of the engine's /nodes, with all its resources free."""
    spec, description = node.get("Spec") or {}, node.get("Description") or {}
    platform, resources = description.get("Platform") or {}, description.get("Resources") or {}
    status = node.get("Status") or {}
    return Node(
        name=description.get("Hostname", ""),
        role=spec.get("Role", "worker"),
        cpus=resources.get("NanoCPUs", 0) / 1e9,
        memory=resources.get("MemoryBytes", 0),
        labels=spec.get("Labels") or {},
        engine_labels=(description.get("Engine") or {}).get("Labels") or {},
        node_id=node["ID"],
        ip=status.get("Addr", ""),
        os=platform.get("OS", ""),
        arch=platform.get("Architecture", ""),
        available=status.get("State") == "ready" and spec.get("Availability") == "active",
    )


def fit(demands: Sequence[Demand], nodes: Sequence[Node]) -> list[Shortage]:
    """The services whose reservations find no room; empty when all do.

    Places like Swarm does (one task after the other on the node with the fewest tasks of that
    service), the services with the least choice first. Swarm takes them in no fixed order, so what
    does not fit here does not fit there; a very tight cluster may pass here and still be tight.
    """
    return _place(demands, nodes)[0]


def room_for_one_more(demands: Sequence[Demand], nodes: Sequence[Node], service: str) -> list[str]:
    """Names of the nodes that could take one more task of a service beside all the demands."""
    _shortages, left, counts = _place(demands, nodes)
    demand = next(one for one in demands if one.service == service)
    limit = demand.max_per_node
    return [
        node.name
        for node in eligible(nodes, demand.constraints)
        if _takes(demand, left[node.name]) and (not limit or counts[service][node.name] < limit)
    ]


Left = dict[str, tuple[float, int]]


def _takes(demand: Demand, left: tuple[float, int]) -> bool:
    return left[0] >= demand.cpus - 1e-9 and left[1] >= demand.memory


def _place(
    demands: Sequence[Demand], nodes: Sequence[Node]
) -> tuple[list[Shortage], Left, dict[str, dict[str, int]]]:
    """(what lacks room, CPU and memory left by node, tasks by service and node)."""
    left: Left = {node.name: (node.cpus, node.memory) for node in nodes}
    shortages: list[Shortage] = []
    counts: dict[str, dict[str, int]] = {}

    def choice(demand: Demand) -> tuple[int, int, float]:
        return (len(eligible(nodes, demand.constraints)), -demand.memory, -demand.cpus)

    for demand in sorted(demands, key=choice):
        places = eligible(nodes, demand.constraints)
        count = counts[demand.service] = dict.fromkeys((node.name for node in places), 0)
        # A global service that no node may have is no less without a place than another one.
        wanted = max(1, len(places)) if demand.replicas is None else demand.replicas
        limit = 1 if demand.replicas is None else demand.max_per_node
        placed = 0
        while placed < wanted:
            open_to = [
                name
                for name in count
                if (not limit or count[name] < limit) and _takes(demand, left[name])
            ]
            if not open_to:
                break
            best = min(open_to, key=lambda name: (count[name], -left[name][1], -left[name][0]))
            count[best] += 1
            left[best] = (left[best][0] - demand.cpus, left[best][1] - demand.memory)
            placed += 1
        if placed < wanted:
            reasons = [_reason(name, count[name], limit, *left[name]) for name in count]
            shortages.append(Shortage(demand.service, wanted, placed, tuple(reasons)))
    return shortages, left, counts


def _reason(name: str, count: int, limit: int, cpus: float, memory: int) -> str:
    if limit and count >= limit:
        return f"{name} has {count}, the most it may have"
    free = f"{max(cpus, 0):.2f} CPU and {mebibytes(max(memory, 0))} free"
    return f"{name} takes {count} and then has {free}" if count else f"{name} has {free}"


def mebibytes(size: int) -> str:
    """A size in bytes for people."""
    return f"{size // 2**20} MiB"
