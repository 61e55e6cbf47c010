# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who works on a stack or on the whole cluster right now, and whether that is still true.

A lock is a Swarm config: the managers give a name once, whoever asks. Its content, the owner, never
changes; its labels do, so that the owner can renew it. Every time of a lock (created, updated) is
the managers' own clock: the clocks of two controllers are never compared.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import EngineError, epoch
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import update

# On every lock.
LABEL = "monsterstack.swarm.lock"
# Seconds that a lock holds after it was renewed. Locks of older versions have no such label: they
# are never renewed, and hold for OLD_SECONDS.
LEASE = "monsterstack.swarm.lease"
# When it was renewed: a label that changes, because the time that counts is the config's own.
RENEWED = "monsterstack.swarm.renewed"
STACK = "com.docker.stack.namespace"
# No stack's lock is called like this: those end with _lock.
CLUSTER = "monsterstack.swarm.lock"

# Renewed often enough to survive the loss of a manager's leader or a slow connection.
LEASE_SECONDS = 120
RENEW_SECONDS = 20.0
# A lease that has run out is believed to be over only after nobody has renewed it for this long
# before our eyes: the clock of one manager may be wrong.
WATCH_SECONDS = 45.0
OLD_SECONDS = 7200


class LockLostError(Exception):
    """This run had a lock and has it no more; the text is for people."""


def config_name(stack: str | None) -> str:
    """The Swarm config that is the lock of a stack, or of the cluster for None."""
    return f"{stack}_lock" if stack else CLUSTER


@dataclass(frozen=True)
class Owner:
    """A deployer: a process on a controller.

    `place` names the running system that process ids belong to, `machine` its installation,
    `begun` when the process began (all opaque; empty where they cannot be known, `machine` also in
    locks of older versions). `at` is that controller's clock, in seconds since 1970: to be shown,
    never compared.
    """

    user: str
    host: str
    pid: int
    place: str
    begun: str
    at: float
    machine: str = ""
    playbook: str = ""  # what it plays, to be shown; empty in locks of older versions

    def __str__(self) -> str:
        machine = f" (machine {self.machine[:8]})" if self.machine else ""
        plays = f", {self.playbook}" if self.playbook else ""
        return f"{self.user}@{self.host}{machine}, process {self.pid}{plays}"


def owner_from(data: Mapping[str, Any]) -> Owner:
    """The owner that a lock names. Raises ValueError for what is no lock of ours."""
    try:
        owner = Owner(
            user=str(data["user"]),
            host=str(data["host"]),
            pid=int(data["pid"]),
            place=str(data["place"]),
            begun=str(data["begun"]),
            at=float(data["at"]),
            machine=str(data.get("machine") or ""),
            playbook=str(data.get("playbook") or ""),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its content cannot be read ({error!r})") from error
    # kill() means something else by 0 and below.
    if not 0 < owner.pid < 2**31:
        raise ValueError(f"its content cannot be read (process {owner.pid})")
    return owner


def this_owner(
    pid: int, proc: Path = Path("/proc"), etc: Path = Path("/etc"), playbook: str = ""
) -> Owner:
    """The process `pid` of this host, which plays `playbook`, as an owner."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Owner(
        user,
        platform.node(),
        pid,
        place(proc),
        begun(pid, proc),
        time.time(),
        machine(etc),
        playbook,
    )


def machine(etc: Path = Path("/etc")) -> str:
    """This installation: two controllers may have one host name. Empty where there is none."""
    try:
        return (etc / "machine-id").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def place(proc: Path = Path("/proc")) -> str:
    """This boot of this system and its process ids: another container has others."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(proc / 'self/ns/pid')}"
    except OSError:
        return ""


def begun(pid: int, proc: Path = Path("/proc")) -> str:
    """When a process began, in ticks since the boot (proc(5), field 22 of stat).

    Empty if it is gone, and for another user's where /proc hides those (hidepid).
    """
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return ""
    # The name in parentheses may hold spaces and parentheses itself.
    return stat.rpartition(")")[2].split()[19]


def exists(pid: int) -> bool:
    """Whether there is a process with this id, whosever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def runs(
    pid: int, since: str, proc: Path = Path("/proc"), there: Callable[[int], bool] = exists
) -> bool:
    """Whether the process `pid` that began at `since` still runs here.

    Where /proc is silent the kernel is asked by kill(pid, 0), which hides nobody.
    """
    now = begun(pid, proc)
    if now and since:
        return now == since
    return bool(now) or there(pid)


def gone(owner: Owner, here: Owner, still_runs: bool) -> str | None:
    """Why an owner is gone for certain, as far as `here` (this run) can see; None if it may live.

    A process can be looked for only where it was started: on the same boot, in the same process
    ids, of the same installation. Of all others the lease alone says whether they live.
    """
    if not owner.place or owner.place != here.place or still_runs:
        return None
    if owner.machine and owner.machine != here.machine:
        return None
    return "that process has ended"


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two owners, as locks hold them, are the same process."""
    keys = ("host", "pid", "place", "begun")
    return all(one.get(key) == other.get(key) for key in keys) and (
        (one.get("machine") or "") == (other.get("machine") or "")
    )


@dataclass(frozen=True)
class Lock:
    """A lock as the managers have it. Times are the managers', in seconds since 1970."""

    id: str
    name: str
    stack: str | None  # None: the cluster's
    content: Mapping[str, Any]  # the owner, as far as it can be read
    version: int
    created: float
    renewed: float
    lease: float | None  # None: made by an older version, never renewed

    @property
    def scope(self) -> str:
        return "cluster" if self.stack is None else f"stack {self.stack}"

    @property
    def end(self) -> float:
        """When it ends unless it is renewed."""
        return self.renewed + (OLD_SECONDS if self.lease is None else self.lease)

    def describe(self, now: float) -> dict[str, Any]:
        """For the controller and for people: what a refusal and the playbook locks.yml show."""
        try:
            owner = str(owner_from(self.content))
        except ValueError as problem:
            owner = f"unknown, {problem}"
        return {
            "id": self.id,
            "name": self.name,
            "scope": self.scope,
            "holder": dict(self.content),
            "owner": owner,
            "age": round(max(0.0, now - self.created)),
            "renewed": None if self.lease is None else round(max(0.0, now - self.renewed)),
            "ends": round(self.end - now),
        }


def from_config(config: Mapping[str, Any]) -> Lock:
    """A lock from an entry of the engine's /configs."""
    spec = config["Spec"]
    labels = spec.get("Labels") or {}
    name = spec["Name"]
    try:
        content = json.loads(base64.b64decode(spec.get("Data") or ""))
    except (ValueError, RecursionError):
        content = {}
    try:
        lease = float(labels[LEASE]) if LEASE in labels else None
    except (TypeError, ValueError):
        lease = None
    # A label is anybody's to write: what is no length of time, or longer than any that we write, is
    # none. The lock holds as one without the label, neither for ever nor for no time.
    if lease is not None and not 0 < lease <= OLD_SECONDS:
        lease = None
    created = epoch(config.get("CreatedAt") or "")
    return Lock(
        id=config["ID"],
        name=name,
        stack=None if name == CLUSTER else labels.get(STACK) or name.removesuffix("_lock"),
        content=content if isinstance(content, dict) else {},
        version=int((config.get("Version") or {}).get("Index") or 0),
        created=created,
        renewed=epoch(config.get("UpdatedAt") or "") or created,
        lease=lease,
    )


def new_config(stack: str | None, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request that takes a lock."""
    labels = {LABEL: "1", LEASE: str(LEASE_SECONDS)}
    if stack:
        labels[STACK] = stack
    data = base64.b64encode(json.dumps(dict(owner)).encode()).decode()
    return {"Name": config_name(stack), "Labels": labels, "Data": data}


def in_the_way(locks: Iterable[Lock], stack: str | None, owner: Mapping[str, Any]) -> list[Lock]:
    """The locks of others that forbid this one: for a stack its own and the cluster's, for the
    cluster every lock there is. Two stacks are no obstacle to each other."""
    return [
        lock
        for lock in locks
        if not same(lock.content, owner)
        and (stack is None or lock.name in (config_name(stack), CLUSTER))
    ]


def refusal(wanted: str, others: Sequence[Mapping[str, Any]], waited: float) -> str:
    """What is told to whoever finds other locks (as `Lock.describe` gives them) in the way."""
    held = "; ".join(map(held_by, others))
    still = f"after {waited:.0f} s of waiting " if waited else ""
    needs = (
        "" if wanted in [other["scope"] for other in others] else f"; this run needs the {wanted}"
    )
    return (
        f"{still}{held}{needs}. Nothing was changed. Wait until "
        "that run is over, or let this one wait for it with -e lock_wait=300. The playbook "
        "locks.yml shows all locks."
    )


def held_by(lock: Mapping[str, Any]) -> str:
    """Which lock that is and whose, as `Lock.describe` gives it."""
    return f"the {lock['scope']} is locked by {line(lock)}"


def line(lock: Mapping[str, Any]) -> str:
    """Owner, age and end of a lock, as `Lock.describe` gives it."""
    left = lock["ends"]
    end = f"ends in {left} s" if left > 0 else f"ended {-left} s ago"
    if lock["renewed"] is None:
        life = "without a lease that can be read, as an older version makes them"
    else:
        life = f"renewed {lock['renewed']} s ago"
        end += " unless it is renewed" if left > 0 else ""
    return f"{lock['owner']}, for {lock['age']} s, {life}, {end}"


def find_all(engine: Any) -> list[Lock]:
    """Every lock there is. Raises EngineError."""
    found = engine.get("/configs", filters={"label": [LABEL]})
    return sorted((from_config(config) for config in found), key=lambda lock: lock.name)


def renew(engine: Any, owner: Mapping[str, Any]) -> list[str]:
    """Renew every lock of this owner; their names. Raises EngineError."""
    names = []

    def renewed(spec: dict[str, Any]) -> dict[str, Any]:
        labels = {**(spec.get("Labels") or {}), LEASE: str(LEASE_SECONDS)}
        return {**spec, "Labels": {**labels, RENEWED: f"{time.time():.3f}"}}

    for lock in find_all(engine):
        if not same(lock.content, owner):
            continue
        try:
            update(engine, f"/configs/{lock.id}", renewed)
        except EngineError as error:
            if error.status == 404:  # somebody removed it a moment ago
                continue
            # Whoever was quicker is another part of this run: then it is renewed.
            if "out of sequence" not in str(error):
                raise
        names.append(lock.name)
    return names


class Renewal:
    """A module that waits on a manager renews the locks of its run: whatever becomes of the
    controller, they hold as long as this module works.

    `owner` is what the action plugin hands on; without one (nobody took a lock) nothing is done.
    """

    def __init__(self, engine: Any, owner: Mapping[str, Any] | None) -> None:
        self._engine, self._owner = engine, owner
        self._next = time.monotonic() + RENEW_SECONDS
        self._had = bool(owner)

    def keep(self) -> None:
        """To be called in every round of waiting. Raises LockLostError."""
        if not self._owner or time.monotonic() < self._next:
            return
        try:
            names = renew(self._engine, self._owner)
        except EngineError:
            return  # a change of the leader: asked again in the next round
        self._next = time.monotonic() + RENEW_SECONDS
        if not names:
            raise LockLostError(LOST)


LOST = (
    "this run has no lock any more: somebody freed it (playbook locks.yml), or it ran out while no "
    "manager could be reached. Somebody else may be at work on the cluster, so this run goes no "
    "further. Run it again: it goes on from what it finds."
)
