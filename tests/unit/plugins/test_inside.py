"""DNS by hand, and what an engine says of a network."""

from __future__ import annotations

import socket
import struct

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import inside

QUERY = inside.dns_query("redis", 7)
NAME = b"\x05redis\0"


def answer(flags: int = 0x8180, records: tuple[bytes, ...] = (), number: int = 7) -> bytes:
    head = struct.pack("!6H", number, flags, 1, len(records), 0, 0)
    return head + QUERY[12:] + b"".join(records)


def record(address: str, name: bytes = b"\xc0\x0c", kind: int = 1) -> bytes:
    data = socket.inet_aton(address) if kind == 1 else b"\x04else\0"
    return name + struct.pack("!HHIH", kind, 1, 600, len(data)) + data


ANSWERS: dict[str, tuple[bytes, list[str] | str]] = {
    "one": (answer(records=(record("10.0.1.2"),)), ["10.0.1.2"]),
    "two, sorted": (
        answer(records=(record("10.0.1.9"), record("10.0.1.2"))),
        ["10.0.1.2", "10.0.1.9"],
    ),
    "the name written out": (answer(records=(record("10.0.1.2", NAME),)), ["10.0.1.2"]),
    "an alias first": (
        answer(records=(record("", kind=5), record("10.0.1.2"))),
        ["10.0.1.2"],
    ),
    "no such name": (answer(0x8183), "no such name"),
    "failed": (answer(0x8182), "the name server failed"),
    "another error": (answer(0x8184), "DNS error 4"),
    "empty": (answer(), "no address"),
    "another question's": (answer(number=8), "an answer to another question"),
    "cut off": (answer(records=(record("10.0.1.2"),))[:-12], "an answer that breaks off"),
    "no DNS": (b"hello", "an answer that is no DNS"),
}


@pytest.mark.parametrize(("packet", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_answers(packet: bytes, expected: list[str] | str) -> None:
    assert inside.dns_answer(packet, 7) == expected


def test_the_question() -> None:
    assert QUERY == b"\0\7\1\0\0\1\0\0\0\0\0\0" + NAME + b"\0\1\0\1"
    assert inside.dns_query("a.bc", 1)[12:-4] == b"\1a\2bc\0"


def test_services_of_a_network() -> None:
    network = {
        "Services": {
            "": {"VIP": "<nil>", "Tasks": [{"Name": "ingress-endpoint"}]},
            "shop_page": {
                "VIP": "10.0.1.2",
                "Ports": ["Target: 5000, Publish: 80"],
                "Tasks": [
                    {
                        "Name": "shop_page.1.abc",
                        "EndpointIP": "10.0.1.3",
                        "Info": {"Host IP": "198.18.7.21"},
                    }
                ],
            },
            "shop_db": {"VIP": "", "Ports": [], "Tasks": None},
        }
    }
    assert inside.parse_services(network) == {
        "shop_page": {
            "vip": "10.0.1.2",
            "published": [80],
            "tasks": {"shop_page.1.abc": {"address": "10.0.1.3", "host": "198.18.7.21"}},
        },
        "shop_db": {"vip": "", "published": [], "tasks": {}},
    }
    assert inside.parse_services({}) == {}


def test_knocking() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert inside.knock("127.0.0.1", port) == "open"
    assert inside.knock("127.0.0.1", port) == "closed"


def test_outside_every_item_has_its_answer() -> None:
    assert inside.each_inside(None, len, ["a", "bb"]) == {"a": 1, "bb": 2}
    assert inside.each_inside(None, len, []) == {}
