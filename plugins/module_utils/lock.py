# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who deploys a stack right now, and whether that is still true."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABEL = "monsterstack.swarm.lock"


def config_name(stack: str) -> str:
    """The Swarm config that is the lock: the managers give a name once, whoever asks."""
    return f"{stack}_lock"


@dataclass(frozen=True)
class Owner:
    """A deployer: a process on a controller.

    `place` names the running system that process ids belong to, `begun` when the process began
    there (both opaque; empty where they cannot be known); `at` is seconds since 1970.
    """

    user: str
    host: str
    pid: int
    place: str
    begun: str
    at: float

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.at))
        return f"{self.user}@{self.host}, process {self.pid}, since {when}"


def owner_from(data: Mapping[str, Any]) -> Owner:
    """The owner that a lock names. Raises ValueError for what is no lock of ours."""
    try:
        return Owner(
            user=str(data["user"]),
            host=str(data["host"]),
            pid=int(data["pid"]),
            place=str(data["place"]),
            begun=str(data["begun"]),
            at=float(data["at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the lock cannot be read ({error!r})") from error


def this_owner(pid: int, proc: Path = Path("/proc")) -> Owner:
    """The process `pid` of this host as an owner."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Owner(user, platform.node(), pid, place(proc), begun(pid, proc), time.time())


def place(proc: Path = Path("/proc")) -> str:
    """This boot of this system and its process ids: another container has others."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(proc / 'self/ns/pid')}"
    except OSError:
        return ""


def begun(pid: int, proc: Path = Path("/proc")) -> str:
    """When a process began, in ticks since the boot (proc(5), field 22 of stat); empty if gone."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return ""
    # The name in parentheses may hold spaces and parentheses itself.
    return stat.rpartition(")")[2].split()[19]


def stale(
    lock: Owner, here: str, begun_now: str, host: str, now: float, stale_after: float
) -> str | None:
    """Why a lock holds no longer, or None while it may.

    `here` is this system's place, `begun_now` when the process with the lock's id began here
    (empty if there is none), `host` this system's name. What happens on another controller cannot
    be seen: such a lock holds for `stale_after` seconds.
    """
    if lock.place and lock.place == here:
        return None if begun_now == lock.begun else "that process has ended"
    if lock.place and here and lock.host == host and lock.place.split()[0] != here.split()[0]:
        return "that host has been started anew since"
    age = now - lock.at
    if age > stale_after:
        return f"that is {age / 60:.0f} minutes ago, more than the {stale_after / 60:.0f} allowed"
    return None


def refusal(stack: str, lock: Owner, stale_after: float) -> str:
    """What the second deployer is told."""
    return (
        f"the stack {stack} is being deployed by {lock}. Wait until that run is over. If it is "
        f"gone for good: its lock gives way by itself after {stale_after / 60:.0f} minutes, or at "
        f"once with 'docker config rm {config_name(stack)}' on a manager."
    )
