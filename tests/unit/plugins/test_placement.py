"""Constraints and room for reservations."""

from __future__ import annotations

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import (
    Constraint,
    ConstraintError,
    Demand,
    Node,
    eligible,
    fit,
    node_from_api,
    parse_constraint,
    satisfies,
)

PARSE = {
    "role": ("node.role == worker", Constraint("node.role", False, "worker")),
    "no spaces": ("node.role==worker", Constraint("node.role", False, "worker")),
    "not": ("node.hostname != w1", Constraint("node.hostname", True, "w1")),
    "label": ("node.labels.zone == eu-west-1", Constraint("node.labels.zone", False, "eu-west-1")),
    "label with dots": ("node.labels.a.b-c==x", Constraint("node.labels.a.b-c", False, "x")),
    "the prefix has no case, the label has": (
        "Node.Labels.Zone == a",
        Constraint("node.labels.Zone", False, "a"),
    ),
    "engine label": ("engine.labels.disk==ssd", Constraint("engine.labels.disk", False, "ssd")),
    "platform": ("node.platform.os == linux", Constraint("node.platform.os", False, "linux")),
}


@pytest.mark.parametrize(("text", "constraint"), PARSE.values(), ids=PARSE)
def test_parse(text: str, constraint: Constraint) -> None:
    assert parse_constraint(text) == constraint


BAD = {
    "one equals sign": ("node.role = worker", "is no constraint"),
    "no operator": ("node.role", "is no constraint"),
    "no value": ("node.role ==", "is no constraint"),
    "unknown key": ("node.zone == a", "'node.zone', which Swarm does not know"),
    "bare label prefix": ("node.labels. == a", "Swarm does not know"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(ConstraintError, match=message):
        parse_constraint(text)


W1 = Node(
    "w1",
    labels={"zone": "a"},
    engine_labels={"disk": "ssd"},
    node_id="id1",
    ip="198.18.0.21",
)
SATISFIES = {
    "role": ("node.role == worker", True),
    "another role": ("node.role == manager", False),
    "not another role": ("node.role != manager", True),
    "no case in values": ("node.role == Worker", True),
    "hostname": ("node.hostname == w1", True),
    "id": ("node.id == id1", True),
    "ip": ("node.ip == 198.18.0.21", True),
    "another ip": ("node.ip == 198.18.0.2", False),
    "not that ip": ("node.ip != 198.18.0.21", False),
    "a network": ("node.ip == 198.18.0.0/24", True),
    "a network with bits behind its prefix": ("node.ip == 198.18.0.77/24", True),
    "all addresses": ("node.ip == 0.0.0.0/0", True),
    "another network": ("node.ip == 10.0.0.0/8", False),
    "not another network": ("node.ip != 10.0.0.0/8", True),
    "not its network": ("node.ip != 198.18.0.0/15", False),
    "another family": ("node.ip == 2001:db8::/32", False),
    "not another family": ("node.ip != ::/0", True),
    "an IPv4 address written as IPv6": ("node.ip == ::ffff:198.18.0.21", True),
    "an IPv4 network written as IPv6": ("node.ip == ::ffff:198.18.0.0/120", True),
    "label": ("node.labels.zone == a", True),
    "another value": ("node.labels.zone == b", False),
    "missing label": ("node.labels.rack == r1", False),
    "missing label is not": ("node.labels.rack != r1", True),
    "label keys have case": ("node.labels.Zone == a", False),
    "engine label": ("engine.labels.disk == ssd", True),
    "platform": ("node.platform.arch == x86_64", True),
}


@pytest.mark.fault("B9")
@pytest.mark.parametrize(("text", "expected"), SATISFIES.values(), ids=SATISFIES)
def test_satisfies(text: str, expected: bool) -> None:
    assert satisfies(W1, parse_constraint(text)) == expected


V6 = Node("w2", ip="2001:db8:0:0::21")
SIX = {
    "the same address, written otherwise": ("node.ip == 2001:DB8::21", True),
    "its network": ("node.ip == 2001:db8::/64", True),
    "another network": ("node.ip == 2001:db9::/32", False),
    "all of the other family": ("node.ip == 0.0.0.0/0", False),
}


@pytest.mark.fault("B9")
@pytest.mark.parametrize(("text", "expected"), SIX.values(), ids=SIX)
def test_addresses_of_ipv6(text: str, expected: bool) -> None:
    assert satisfies(V6, parse_constraint(text)) == expected


@pytest.mark.fault("B9")
@pytest.mark.parametrize("value", ["10.0.0.0/8", "10.0.0.7", "::/0"])
@pytest.mark.parametrize("address", ["", "unknown"], ids=["none", "a name"])
def test_a_node_without_an_address_is_in_no_network(address: str, value: str) -> None:
    """As swarmkit: == holds for none, != for all."""
    nowhere = Node("w3", ip=address)
    assert not satisfies(nowhere, parse_constraint(f"node.ip == {value}"))
    assert satisfies(nowhere, parse_constraint(f"node.ip != {value}"))


NO_ADDRESS = [
    "10.0.0",
    "10.0.0.0/33",
    "10.0.0.0/255.0.0.0",
    "m1",
    "10.0.0.*",
    "010.0.0.1",
    "10.0.0.1/",
]


@pytest.mark.fault("B9")
@pytest.mark.parametrize("value", NO_ADDRESS)
@pytest.mark.parametrize("operator", ["==", "!="])
def test_what_is_no_address_fits_no_node(value: str, operator: str) -> None:
    with pytest.raises(ConstraintError, match="neither an address nor a network"):
        parse_constraint(f"node.ip {operator} {value}")
    assert not satisfies(W1, Constraint("node.ip", operator == "!=", value))


def test_drained_nodes_are_not_eligible() -> None:
    nodes = [W1, Node("w2", available=False)]
    assert [node.name for node in eligible(nodes, ())] == ["w1"]


def test_node_from_api() -> None:
    node = node_from_api(
        {
            "ID": "x",
            "Spec": {"Role": "manager", "Availability": "drain", "Labels": {"zone": "b"}},
            "Description": {
                "Hostname": "m1",
                "Platform": {"OS": "linux", "Architecture": "x86_64"},
                "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 1024},
                "Engine": {"Labels": {"disk": "ssd"}},
            },
            "Status": {"State": "ready", "Addr": "198.18.0.11"},
        }
    )
    expected = Node("m1", "manager", 2.0, 1024, {"zone": "b"}, {"disk": "ssd"}, "x", "198.18.0.11")
    assert node == Node(**{**expected.__dict__, "available": False})


WORKER = (parse_constraint("node.role == worker"),)
G = 2**30
NODES = [
    Node("m1", "manager", 1, G),
    Node("w1", "worker", 1, G),
    Node("w2", "worker", 1, G),
]
# Each row: demands, and (service, wanted, placed, a piece of the reasons) of what does not fit.
FIT: dict[str, tuple[list[Demand], list[tuple[str, int, int, str]]]] = {
    "room for all": ([Demand("web", 3, 0.25, G // 4, WORKER), Demand("db", 1, 0.5, G // 2)], []),
    "no reservations": ([Demand("web", 50)], []),
    "zero replicas": ([Demand("web", 0, 99, 99 * G)], []),
    "exactly full": ([Demand("web", 2, 1.0, G, WORKER)], []),
    "thirds of a CPU add up": ([Demand("web", 10, 0.1, 0, WORKER), Demand("b", 10, 0.1)], []),
    "one task is too big for every node": (
        [Demand("web", 1, 0, 2 * G)],
        [("web", 1, 0, "w1 has 1.00 CPU and 1024 MiB free")],
    ),
    "one too many": (
        [Demand("web", 3, 0.6, 0, WORKER)],
        [("web", 3, 2, "w2 takes 1 and then has 0.40 CPU")],
    ),
    "no node meets the constraints": (
        [Demand("web", 1, 0, 0, (parse_constraint("node.labels.zone == c"),))],
        [("web", 1, 0, "")],
    ),
    "max_replicas_per_node": (
        [Demand("web", 3, 0, 0, WORKER, max_per_node=1)],
        [("web", 3, 2, "w1 has 1, the most it may have")],
    ),
    "a global service fits on no full node": (
        [Demand("agent", None, 0.5, 0), Demand("pinned", 1, 1.0, 0, WORKER)],
        [("agent", 3, 2, "0.00 CPU")],
    ),
    "a global service that no node may have": (
        [Demand("agent", None, 0, 0, (parse_constraint("node.labels.zone == c"),))],
        [("agent", 1, 0, "")],
    ),
    "the service with the least choice goes first": (
        [
            Demand("any", 1, 1.0, 0),
            Demand("pinned", 1, 1.0, 0, (parse_constraint("node.hostname == w2"),)),
        ],
        [],
    ),
}


@pytest.mark.parametrize(("demands", "expected"), FIT.values(), ids=FIT)
def test_fit(demands: list[Demand], expected: list[tuple[str, int, int, str]]) -> None:
    found = fit(demands, NODES)
    assert [(s.service, s.wanted, s.placed) for s in found] == [row[:3] for row in expected]
    for shortage, row in zip(found, expected, strict=True):
        assert row[3] in "; ".join(shortage.reasons)
