# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to a manager that several modules make: looking at all of it or at a stack's releases,
changing a node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import release
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    Engine,
    EngineError,
    stack_filter,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.verdict import Snapshot

# Each try reads the object again, so one more writer is enough for one more try.
UPDATE_TRIES = 8
PAUSE = 1.0


def look(engine: Engine, filters: Mapping[str, Any] | None = None) -> Snapshot:
    """One look at the swarm, or at what a filter leaves of it."""
    mine = dict(filters or {})
    # The current ones first: a task made between the two calls is then an old one for one look,
    # which can delay a verdict but never give a wrong one.
    current = engine.get("/tasks", filters={**mine, "_up-to-date": ["true"]})
    return Snapshot(
        services=engine.get("/services", filters=mine),
        tasks=engine.get("/tasks", filters=mine),
        current=frozenset(task["ID"] for task in current),
        nodes=engine.get("/nodes"),
        now=time.time(),
    )


def look_at_releases(
    engine: Engine, stack: str
) -> tuple[list[release.Record], dict[str, str], dict[str, dict[str, Any]]]:
    """(records newest first, config ids by name, what runs)."""
    mine = stack_filter(stack)
    configs = engine.get("/configs", filters=mine)
    ids = {config["Spec"]["Name"]: config["ID"] for config in configs}
    services = engine.get("/services", filters=mine)
    return release.read_records(configs), ids, release.running_state(services, stack)


def update(
    engine: Engine, path: str, wanted: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Write the wanted spec of `/swarm`, `/nodes/ID` or `/services/ID`, made from the present one.

    Reads it again when somebody else was quicker; writes nothing when nothing is to change.
    Returns the spec. Raises EngineError.
    """
    for attempt in range(UPDATE_TRIES):
        there = engine.get(path)
        spec = wanted(there["Spec"])
        if spec == there["Spec"]:
            break
        try:
            engine.post(f"{path}/update", spec, version=str(there["Version"]["Index"]))
            break
        except EngineError as error:
            if "out of sequence" not in str(error) or attempt == UPDATE_TRIES - 1:
                raise
            time.sleep(0.2 * (attempt + 1))
    return spec


def rewrite(
    engine: Engine, path: str, why_not: Callable[[dict[str, Any]], str], headers: dict[str, str]
) -> str:
    """Write the spec of `/services/ID` that is there once more, for what only the headers carry.

    `why_not` looks at the service and says why it must be left alone, or "". Returns that text.
    Raises EngineError.
    """
    for attempt in range(UPDATE_TRIES):
        there = engine.get(path)
        if why := why_not(there):
            return why
        version = {"version": str(there["Version"]["Index"])}
        try:
            engine.raw("POST", f"{path}/update", version, there["Spec"], headers)
            break
        except EngineError as error:
            if "out of sequence" not in str(error) or attempt == UPDATE_TRIES - 1:
                raise
            time.sleep(0.2 * (attempt + 1))
    return ""


def roll(engine: Engine, service_id: str) -> None:
    """Let Swarm replace all tasks of a service, in the order and pace of its updates."""

    def forced(spec: dict[str, Any]) -> dict[str, Any]:
        template = spec["TaskTemplate"]
        count = int(template.get("ForceUpdate") or 0) + 1
        return {**spec, "TaskTemplate": {**template, "ForceUpdate": count}}

    update(engine, f"/services/{service_id}", forced)


def wait(
    condition: Callable[[], str], deadline: float, keep: Callable[[], None] = lambda: None
) -> str:
    """Ask until there is nothing to complain of ("") or the time is over; the last complaint.

    A change of the leader interrupts the interface for a few seconds: that is a complaint too.
    `keep` is called in every round (`lock.Renewal.keep`).
    """
    while True:
        keep()
        try:
            complaint = condition()
        except EngineError as error:
            complaint = f"a manager does not answer: {error}"
        if not complaint or time.monotonic() >= deadline:
            return complaint
        time.sleep(PAUSE)


def same_node(node: Mapping[str, Any], wanted: str) -> bool:
    """Whether a node has this ID or host name."""
    return wanted in (node["ID"], (node.get("Description") or {}).get("Hostname"))
