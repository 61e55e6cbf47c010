# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a task sees: names and addresses of services, asked from inside its network namespace.

Nothing is run in the container, so it needs no shell, and nothing reaches the application: an
address is asked at a port where nobody listens, and the refusal is the answer of the other task's
kernel.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

DNS = ("127.0.0.11", 53)  # the engine's own name server, in every namespace of a network
CLOSED_PORT = 9  # discard: nobody listens there
CLONE_NEWNET = 0x40000000
T = TypeVar("T")


def dns_query(name: str, number: int) -> bytes:
    """A question for the IPv4 addresses of a name (RFC 1035)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return (
        struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
    )


def dns_answer(packet: bytes, number: int) -> list[str] | str:
    """The addresses of an answer, sorted, or in words why there are none."""
    if len(packet) < 12:
        return "an answer that is no DNS"
    got, flags, questions, answers = struct.unpack_from("!4H", packet)
    if got != number:
        return "an answer to another question"
    if flags & 15:
        return {2: "the name server failed", 3: "no such name", 5: "refused"}.get(
            flags & 15, f"DNS error {flags & 15}"
        )
    at, found = 12, []
    for _question in range(questions):
        at = _skip_name(packet, at) + 4
    for _answer in range(answers):
        at = _skip_name(packet, at)
        if at + 10 > len(packet):
            return "an answer that breaks off"
        kind, _class, _ttl, length = struct.unpack_from("!HHIH", packet, at)
        at += 10
        if (kind, length) == (1, 4):
            found.append(socket.inet_ntoa(packet[at : at + 4]))
        at += length
    return sorted(found) or "no address"


def _skip_name(packet: bytes, at: int) -> int:
    while at < len(packet) and packet[at]:
        if packet[at] & 0xC0:
            return at + 2
        at += packet[at] + 1
    return at + 1


def parse_services(network: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services of a network as this node knows them, from `docker network inspect --verbose`.

    {name: {vip, published: [port, …], tasks: {name: {address, host}}}}; `vip` is empty for DNS
    round robin.
    """
    services: dict[str, dict[str, Any]] = {}
    for name, service in (network.get("Services") or {}).items():
        if not name:
            continue  # containers that belong to no service
        services[name] = {
            "vip": service.get("VIP") or "",
            "published": [
                int(port)
                for text in service.get("Ports") or []
                for port in re.findall(r"Publish: (\d+)", text)
            ],
            "tasks": {
                task["Name"]: {
                    "address": task.get("EndpointIP", ""),
                    "host": (task.get("Info") or {}).get("Host IP", ""),
                }
                for task in service.get("Tasks") or []
            },
        }
    return services


# From here on sockets


def enter(pid: int) -> None:
    """Move this thread into the network namespace of a process. Raises OSError."""
    # os.setns is there since Python 3.12; Debian 12 has 3.11.
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)


def each_inside(pid: int | None, work: Callable[[str], T], items: Sequence[str]) -> dict[str, T]:
    """The result of `work` for each item, from threads in a process' network namespace.

    A namespace belongs to a thread: when it ends nothing is left of it. `pid` None stays outside.
    """

    def begin() -> None:
        if pid is not None:
            enter(pid)

    with ThreadPoolExecutor(max_workers=min(16, len(items) or 1), initializer=begin) as pool:
        return dict(zip(items, pool.map(work, items), strict=True))


def resolve(name: str, timeout: float = 2.0, tries: int = 2) -> list[str] | str:
    """The addresses of a name here, or in words why not."""
    for attempt in range(tries):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            try:
                sock.sendto(dns_query(name, attempt + 1), DNS)
                return dns_answer(sock.recv(4096), attempt + 1)
            except TimeoutError:
                continue
            except OSError as error:
                return error.strerror or str(error)
    return f"no answer within {timeout * tries:g} s"


def knock(address: str, port: int = CLOSED_PORT, timeout: float = 2.0, tries: int = 2) -> str:
    """open, closed (a kernel there refused: it can be reached), or why nobody answers."""
    problem = ""
    for _attempt in range(tries):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            try:
                sock.connect((address, port))
            except ConnectionRefusedError:
                return "closed"
            except TimeoutError:
                problem = "silent"
            except OSError as error:
                problem = error.strerror or str(error)
            else:
                return "open"
    return problem
