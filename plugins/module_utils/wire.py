# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real packets between all nodes at once: VXLAN and ESP as a firewall sees them, and the engines'
own gossip.

A raw IPv4 socket gets its copy of a packet after the host's input filter has let it pass, and
before whoever owns the port sees it. So the ports that the engine and the kernel hold can be
probed, and a firewall on either side counts. The packets are ones that nobody takes: VXLAN without
its I flag (RFC 7348, 5: "MUST be ignored"), ESP with an SPI that no association has.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import selectors
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAGIC = 0x6D737731
CLUSTER_PORT, GOSSIP_PORT = 2377, 7946
DATA_PORT = 4789  # of the overlay networks (VXLAN), unless the Swarm was made with another one
SOURCE_PORT = 47891
ESP = 50
LONG_EVERY = 4  # long packets in every fourth burst: they are to be seen, not to fill the line
IP_HEADER, UDP_HEADER, VXLAN_HEADER, ESP_HEADER = 20, 8, 8, 8
# Where tunnels usually end: PPPoE 1492, GRE 1476, cloud networks 1450 and 1460, WireGuard 1420 …
USUAL_MTUS = (
    8900,
    1500,
    1492,
    1476,
    1460,
    1450,
    1440,
    1420,
    1400,
    1380,
    1350,
    1300,
    1280,
    1200,
    576,
)

_BODY = struct.Struct("!I4sHB")  # magic, sender, burst, done


@dataclass(frozen=True)
class Probe:
    """What one packet says: the address that its sender goes by, the how manieth burst, and whether
    the sender has heard everything that it waits for."""

    sender: str
    burst: int
    done: bool

    def body(self) -> bytes:
        return _BODY.pack(MAGIC, socket.inet_aton(self.sender), self.burst % 65536, self.done)


def read_body(data: bytes) -> Probe | None:
    """The probe in a packet's body, or None when it is something else."""
    if len(data) < _BODY.size:
        return None
    magic, sender, burst, done = _BODY.unpack_from(data)
    return Probe(socket.inet_ntoa(sender), burst, bool(done)) if magic == MAGIC else None


def vxlan_packet(probe: Probe, port: int, size: int = 0) -> bytes:
    """UDP header, VXLAN header and body; filled up to `size` bytes with the IP header."""
    payload = struct.pack("!II", 0, 0) + probe.body()
    payload += bytes(max(0, size - IP_HEADER - UDP_HEADER - len(payload)))
    # Checksum 0 means none, as VXLAN itself has it.
    return struct.pack("!HHHH", SOURCE_PORT, port, UDP_HEADER + len(payload), 0) + payload


def esp_packet(probe: Probe) -> bytes:
    """An ESP header whose SPI is the magic number, and the body."""
    return struct.pack("!II", MAGIC, probe.burst) + probe.body()


@dataclass(frozen=True)
class Seen:
    """A packet that came in: `kind` is vxlan, esp or gossip."""

    kind: str
    source: str
    length: int
    probe: Probe | None = None


def read_packet(packet: bytes, data_port: int) -> Seen | None:
    """A packet from a raw socket, IP header included; None when it is none of those looked for."""
    if len(packet) < IP_HEADER:
        return None
    start = (packet[0] & 15) * 4
    source, protocol = socket.inet_ntoa(packet[12:16]), packet[9]
    if protocol == ESP:
        probe = read_body(packet[start + ESP_HEADER :])
        return Seen("esp", source, len(packet), probe) if probe else None
    if protocol != socket.IPPROTO_UDP or len(packet) < start + UDP_HEADER:
        return None
    (port,) = struct.unpack_from("!H", packet, start + 2)
    if port == GOSSIP_PORT:
        return Seen("gossip", source, len(packet))
    probe = read_body(packet[start + UDP_HEADER + VXLAN_HEADER :]) if port == data_port else None
    return Seen("vxlan", source, len(packet), probe) if probe else None


def sizes_for(mtu: int) -> list[int]:
    """The packet lengths to try on a link with this MTU, largest first."""
    return [mtu, *(size for size in USUAL_MTUS if size < mtu)]


@dataclass
class Peer:
    """What came in from one other node, by kind; `largest` is a packet's length with its IP header.

    `source` is the address that its packets bear, `refused` why the own host did not send.
    """

    gossip: int = 0
    vxlan: int = 0
    esp: int = 0
    largest: int = 0
    bursts: int = 0
    done: bool = False
    source: str | None = None
    refused: dict[str, str] = field(default_factory=dict)
    _last_burst: int = field(default=-1, repr=False)

    def note(self, seen: Seen) -> None:
        """Count one packet."""
        setattr(self, seen.kind, getattr(self, seen.kind) + 1)
        if seen.probe is None:
            return
        self.source = seen.source
        self.done = self.done or seen.probe.done
        if seen.kind == "vxlan":
            self.largest = max(self.largest, seen.length)
        if seen.probe.burst != self._last_burst:
            self._last_burst = seen.probe.burst
            self.bursts += 1

    def send(self, sock: socket.socket, address: str, kind: str, packet: bytes) -> None:
        """Send one packet; a refusal of the own host is remembered."""
        try:
            sock.sendto(packet, (address, 0))
        except OSError as error:
            # Too long for the own link is what the sizes are there to find.
            if error.errno not in (errno.EMSGSIZE, errno.EAGAIN, errno.ENOBUFS):
                self.refused[kind] = error.strerror or str(error)

    def complete(self) -> bool:
        """Whether all came that can: of five bursts one held the long packets."""
        return bool(self.gossip and self.vxlan and self.esp) and self.bursts > LONG_EVERY


def note(peers: Mapping[str, Peer], seen: Seen) -> None:
    """Count one packet for the peer (by address) that sent it; strangers' do not count."""
    sender = seen.probe.sender if seen.probe else seen.source
    if sender in peers:
        peers[sender].note(seen)


# From here on sockets


class _Filter(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter))]


SO_ATTACH_FILTER = 26
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3


def _attach(sock: socket.socket, code: Sequence[tuple[int, int, int, int]]) -> None:
    # A busy overlay is VXLAN too: without a filter in the kernel the probes would drown in it.
    filters = (_Filter * len(code))(*(_Filter(*line) for line in code))
    program = _Program(len(code), filters)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setsockopt(
        sock.fileno(), socket.SOL_SOCKET, SO_ATTACH_FILTER, ctypes.byref(program),
        ctypes.sizeof(program),
    ):  # fmt: skip
        code_ = ctypes.get_errno()
        raise OSError(code_, f"socket filter: {errno.errorcode.get(code_, code_)}")


def udp_filter(data_port: int) -> list[tuple[int, int, int, int]]:
    """Classic BPF: gossip, and what bears the magic number on the overlay's port."""
    return [
        (0xB1, 0, 0, 0),  # X = length of the IP header
        (0x48, 0, 0, 2),  # A = destination port
        (0x15, 3, 0, GOSSIP_PORT),  # is it gossip's: take it
        (0x15, 0, 3, data_port),  # is it not the overlay's: drop it
        (0x40, 0, 0, UDP_HEADER + VXLAN_HEADER),
        (0x15, 0, 1, MAGIC),
        (0x06, 0, 0, 0xFFFF),
        (0x06, 0, 0, 0),
    ]


ESP_FILTER = [
    (0xB1, 0, 0, 0),
    (0x40, 0, 0, ESP_HEADER),
    (0x15, 0, 1, MAGIC),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
]


def _raw(protocol: int, code: Sequence[tuple[int, int, int, int]]) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    _attach(sock, code)
    sock.setblocking(False)
    # Never in pieces: each packet carries the flag "do not fragment".
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return sock


class Exchange:
    """One node's part in the check: sends to all peers and listens to all, at the same time.

    All nodes run it at about the same time. It ends when everything was heard on all sides, at the
    latest `seconds` after it began.
    """

    interval = 0.2  # between two bursts
    linger = 1.0  # so that the others hear that all is done here

    def __init__(self, own: str, addresses: Iterable[str], data_port: int, mtu: int) -> None:
        self.own, self.data_port, self.sizes = own, data_port, sizes_for(mtu)
        self.peers = {address: Peer() for address in addresses}

    def go(self, seconds: float) -> dict[str, Peer]:
        """Send and listen; what was heard from each. Raises OSError without root."""
        udp = _raw(socket.IPPROTO_UDP, udp_filter(self.data_port))
        esp = _raw(ESP, ESP_FILTER)
        with udp, esp, selectors.DefaultSelector() as selector:
            for sock in (udp, esp):
                selector.register(sock, selectors.EVENT_READ)
            began, burst, next_burst = time.monotonic(), 0, 0.0
            end = seconds
            while (now := time.monotonic() - began) < end:
                complete = all(peer.complete() for peer in self.peers.values())
                if complete and all(peer.done for peer in self.peers.values()):
                    end = min(end, now + self.linger)
                if now >= next_burst:
                    self._send(udp, esp, Probe(self.own, burst, complete))
                    burst, next_burst = burst + 1, now + self.interval
                for key, _events in selector.select(max(0.0, min(next_burst, end) - now)):
                    self._receive(key.fileobj)
        return self.peers

    def _send(self, udp: socket.socket, esp: socket.socket, probe: Probe) -> None:
        for address, peer in self.peers.items():
            peer.send(udp, address, "vxlan", vxlan_packet(probe, self.data_port))
            peer.send(esp, address, "esp", esp_packet(probe))
            for size in self.sizes if probe.burst % LONG_EVERY == 0 else ():
                peer.send(udp, address, "long", vxlan_packet(probe, self.data_port, size))

    def _receive(self, sock: Any) -> None:
        for _packet in range(500):  # then it is time to send again
            try:
                packet = sock.recv(65535)
            except (BlockingIOError, InterruptedError):
                return
            seen = read_packet(packet, self.data_port)
            if seen:
                note(self.peers, seen)
