"""Packets as they are built and read, and what counts as heard."""

from __future__ import annotations

import socket
import struct

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import wire
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import Peer, Probe, Seen

PORT = 4789
PROBE = Probe("198.18.7.11", 8, True)


def ip(protocol: int, payload: bytes, source: str = "198.18.7.11", options: bytes = b"") -> bytes:
    """A packet as a raw socket hands it over."""
    length = (20 + len(options)) // 4
    header = struct.pack("!BBHHHBBH", 0x40 | length, 0, 0, 0, 0, 64, protocol, 0)
    return header + socket.inet_aton(source) + bytes(4) + options + payload


def udp(port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", 1, port, 8 + len(payload), 0) + payload


PACKETS: dict[str, tuple[bytes, tuple[str, str, Probe | None] | None]] = {
    "our VXLAN": (
        ip(17, wire.vxlan_packet(PROBE, PORT)),
        ("vxlan", "198.18.7.11", PROBE),
    ),
    "with IP options": (
        ip(17, wire.vxlan_packet(PROBE, PORT), options=bytes(4)),
        ("vxlan", "198.18.7.11", PROBE),
    ),
    "from another address": (
        ip(17, wire.vxlan_packet(PROBE, PORT), source="10.0.0.9"),
        ("vxlan", "10.0.0.9", PROBE),
    ),
    "our ESP": (ip(50, wire.esp_packet(PROBE)), ("esp", "198.18.7.11", PROBE)),
    "gossip": (ip(17, udp(7946, b"whatever")), ("gossip", "198.18.7.11", None)),
    "real VXLAN": (ip(17, udp(PORT, struct.pack("!II", 0x08000000, 4097 << 8) + bytes(60))), None),
    "real ESP": (ip(50, bytes(80)), None),
    "another port": (ip(17, udp(53, bytes(40))), None),
    "cut off": (ip(17, wire.vxlan_packet(PROBE, PORT)[:-3]), None),
    "nothing": (b"", None),
}


@pytest.mark.parametrize(("packet", "expected"), PACKETS.values(), ids=PACKETS)
def test_packets(packet: bytes, expected: tuple[str, str, Probe | None] | None) -> None:
    seen = wire.read_packet(packet, PORT)
    assert (seen and (seen.kind, seen.source, seen.probe)) == expected


@pytest.mark.parametrize("size", [576, 1400, 1500, 9000])
def test_long_packets_have_their_length(size: int) -> None:
    packet = ip(17, wire.vxlan_packet(PROBE, PORT, size))
    assert len(packet) == size
    seen = wire.read_packet(packet, PORT)
    assert seen is not None
    assert seen.length == size


def test_nobody_takes_the_vxlan_packet() -> None:
    flags = wire.vxlan_packet(PROBE, PORT)[8]
    assert flags & 0x08 == 0


SIZES = {
    "ethernet": (1500, [1500, 1492]),
    "jumbo": (9000, [9000, 8900]),
    "a tunnel": (1420, [1420, 1400]),
    "odd": (1443, [1443, 1440]),
}


@pytest.mark.parametrize(("mtu", "first"), SIZES.values(), ids=SIZES)
def test_sizes(mtu: int, first: list[int]) -> None:
    sizes = wire.sizes_for(mtu)
    assert sizes[:2] == first
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 576


def bursts(*numbers: int, kinds: tuple[str, ...] = ("vxlan", "esp")) -> list[Seen]:
    return [Seen(k, "a", 60, Probe("a", number, False)) for number in numbers for k in kinds]


GOSSIP = Seen("gossip", "a", 90)
HEARD = {
    "everything": ([GOSSIP, *bursts(0, 1, 2, 3, 4)], True),
    "too few bursts to have seen the long ones": ([GOSSIP, *bursts(0, 1, 2, 3)], False),
    "one burst many times": ([GOSSIP, *bursts(3, 3, 3, 3, 3, 3)], False),
    "no gossip": (bursts(0, 1, 2, 3, 4), False),
    "no ESP": ([GOSSIP, *bursts(0, 1, 2, 3, 4, kinds=("vxlan",))], False),
    "no VXLAN": ([GOSSIP, *bursts(0, 1, 2, 3, 4, kinds=("esp",))], False),
    "a stranger's": ([Seen("gossip", "b", 90), *bursts(0, 1, 2, 3, 4)], False),
    "nothing": ([], False),
}


@pytest.mark.parametrize(("packets", "complete"), HEARD.values(), ids=HEARD)
def test_what_is_complete(packets: list[Seen], complete: bool) -> None:
    peers = {"a": Peer()}
    for packet in packets:
        wire.note(peers, packet)
    assert peers["a"].complete() == complete


def test_what_is_remembered_of_a_peer() -> None:
    peers = {"a": Peer()}
    wire.note(peers, Seen("vxlan", "10.0.0.9", 1400, Probe("a", 0, False)))
    wire.note(peers, Seen("vxlan", "10.0.0.9", 60, Probe("a", 1, True)))
    assert (peers["a"].largest, peers["a"].source, peers["a"].done) == (1400, "10.0.0.9", True)


def run_filter(code: list[tuple[int, int, int, int]], packet: bytes) -> bool:
    """A machine for the few instructions of the kernel's filter (bpf(4)) that are used here."""
    a = x = at = 0
    while True:
        op, jt, jf, k = code[at]
        at += 1
        if op == 0xB1:
            x = (packet[k] & 15) * 4
        elif op in (0x48, 0x40):
            width = 2 if op == 0x48 else 4
            if x + k + width > len(packet):
                return False  # as in the kernel: a read behind the end drops the packet
            a = int.from_bytes(packet[x + k : x + k + width], "big")
        elif op == 0x15:
            at += jt if a == k else jf
        else:
            return k > 0


@pytest.mark.parametrize("name", [name for name in PACKETS if name != "nothing"])
def test_the_kernels_filter_agrees(name: str) -> None:
    packet, expected = PACKETS[name]
    code = wire.ESP_FILTER if packet[9] == 50 else wire.udp_filter(PORT)
    passed = run_filter(code, packet)
    assert passed or expected is None, "a packet that counts must pass"
    if name != "cut off":
        assert passed == (expected is not None)
