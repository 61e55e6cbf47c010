# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the work of one node gets to others, and where a service's tasks could be spread better.

Draining a node stops its tasks first and starts others afterwards (moby#34139). That loses nothing
as long as enough of the service runs elsewhere. A service that would be left with less than half is
therefore rolled over to other nodes first, in the order start-first that its updates have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import (
    Constraint,
    Demand,
    Node,
    eligible,
    fit,
    node_from_api,
    read_constraints,
    satisfies,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.verdict import (
    GONE,
    Snapshot,
    judge,
)

Api = Mapping[str, Any]

SPREAD = "node.labels."


@dataclass(frozen=True)
class Move:
    """What becomes of one service when a node goes.

    `how`: roll (to other nodes, start-first, before the drain), drain (stopped here, then started
    elsewhere), stays (no other node may have it: it is down as long as this one), ends (one task
    per node: the one here ends), job (a job's task ends and starts again elsewhere).
    """

    service: str
    service_id: str
    how: str
    here: int
    elsewhere: int

    def __str__(self) -> str:
        tasks = f"{self.here} task{'' if self.here == 1 else 's'}"
        return {
            "roll": f"{self.service}: {tasks} of {self.here + self.elsewhere} here, rolled over to "
            "other nodes, new ones first",
            "drain": f"{self.service}: {tasks} here, {self.elsewhere} elsewhere, moved by draining",
            "stays": f"{self.service}: may run on this node only, and is down as long as it is",
            "ends": f"{self.service}: one task per node, the one here ends",
            "job": f"{self.service}: a job, which is stopped and started again elsewhere",
        }[self.how]


def constraints_of(service: Api) -> list[Constraint]:
    """A service's constraints, as far as they can be read; `unread` says which cannot."""
    return read_constraints(_constraints(service))[0]


def unread(service: Api) -> list[str]:
    """What is wrong with the constraints that cannot be read: nobody knows the service's nodes."""
    problems = read_constraints(_constraints(service))[1]
    return [f"{name_of(service)}: the constraint {one.rstrip('.')}" for one in problems]


def _constraints(service: Api) -> Sequence[str]:
    placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
    return placement.get("Constraints") or []


def mode_of(service: Api) -> str:
    """Replicated, Global, ReplicatedJob or GlobalJob."""
    return str(next(iter(service["Spec"].get("Mode") or {"Replicated": {}})))


def replicas_of(service: Api) -> int:
    """How many tasks a replicated service wants."""
    body = (service["Spec"].get("Mode") or {}).get("Replicated") or {}
    count = body.get("Replicas")
    return 1 if count is None else int(count)


def starts_first(service: Api) -> bool:
    """Whether an update starts the new task before it stops the old one."""
    return (service["Spec"].get("UpdateConfig") or {}).get("Order") == "start-first"


def name_of(service: Api) -> str:
    """A service's full name."""
    return str(service["Spec"]["Name"])


def is_there(task: Api) -> bool:
    """Whether a task has, or may still get, a container."""
    return task["Status"]["State"] not in GONE


def stays_on(task: Api, node_id: str) -> bool:
    """Whether a task is on a node and meant to stay there."""
    return (
        task.get("NodeID") == node_id and task.get("DesiredState") == "running" and is_there(task)
    )


def places(service: Api, nodes: Sequence[Api]) -> list[Node]:
    """The nodes that may have a service's tasks."""
    return eligible(map(node_from_api, nodes), constraints_of(service))


def only_here(service: Api, node: Api, nodes: Sequence[Api]) -> bool:
    """Whether a service may run on this node, drained or not, and on no other."""
    others = [other for other in nodes if other["ID"] != node["ID"]]
    here = node_from_api(node)
    fits = all(satisfies(here, constraint) for constraint in constraints_of(service))
    return fits and not places(service, others)


def away(service: Api, node: Api, nodes: Sequence[Api]) -> list[str]:
    """The other nodes that may have a service and take nothing now: down, or worked on.

    A node that somebody drained for good is no such place.
    """
    back = [
        replace(node_from_api(other), available=True)
        for other in nodes
        if other["ID"] != node["ID"]
        and (
            other["Status"]["State"] != "ready"
            or MAINTENANCE in (other["Spec"].get("Labels") or {})
        )
    ]
    return [one.name for one in eligible(back, constraints_of(service))]


def without_place(moves: Sequence[Move], snapshot: Snapshot, node: Api) -> list[str]:
    """What would be down as long as this node, only because others are away."""
    found: list[str] = []
    stay = {move.service_id for move in moves if move.how == "stays"}
    for service in snapshot.services:
        names = away(service, node, snapshot.nodes) if service["ID"] in stay else []
        if names:
            found.append(
                f"{name_of(service)} would be down as long as this node: {', '.join(names)} may "
                "have it, too, and takes no tasks now"
            )
    return found


def plan_moves(snapshot: Snapshot, node: Api) -> list[Move]:
    """What becomes of each service that has something on this node, by name."""
    moves: list[Move] = []
    for service in snapshot.services:
        tasks = [task for task in snapshot.tasks if task["ServiceID"] == service["ID"]]
        here = sum(stays_on(task, node["ID"]) for task in tasks)
        elsewhere = sum(
            task.get("NodeID") not in (None, node["ID"])
            and task.get("DesiredState") == "running"
            and task["Status"]["State"] == "running"
            for task in tasks
        )
        how = _how(service, node, snapshot.nodes, here, elsewhere)
        if how:
            moves.append(Move(name_of(service), service["ID"], how, here, elsewhere))
    return sorted(moves, key=lambda move: move.service)


def _how(service: Api, node: Api, nodes: Sequence[Api], here: int, elsewhere: int) -> str | None:
    mode = mode_of(service)
    if mode.endswith("Job"):
        return "job" if here else None
    if mode == "Global":
        return "ends" if here else None
    if only_here(service, node, nodes):
        return "stays" if replicas_of(service) else None
    if not here:
        return None
    return "roll" if starts_first(service) and 2 * elsewhere < here + elsewhere else "drain"


def without_room(services: Sequence[Api], nodes: Sequence[Api], node: Api) -> list[str]:
    """What finds no room when this node takes no tasks, though it does while it takes some."""
    wanted = [
        _demand(service)
        for service in services
        if not mode_of(service).endswith("Job") and not only_here(service, node, nodes)
    ]
    free = [node_from_api(entry) for entry in nodes]
    before = {short.service: short.placed for short in fit(wanted, free)}
    found: list[str] = []
    for short in fit(wanted, [one for one in free if one.node_id != node["ID"]]):
        # One task per node: it simply has one node less.
        if short.placed < before.get(short.service, short.wanted):
            why = "; ".join(short.reasons) or "no other node may have them"
            found.append(
                f"{short.service}: of {short.wanted} tasks only {short.placed} find room on the "
                f"other nodes ({why})"
            )
    return found


def _demand(service: Api) -> Demand:
    template = service["Spec"]["TaskTemplate"]
    reserved = (template.get("Resources") or {}).get("Reservations") or {}
    return Demand(
        service=name_of(service),
        replicas=None if mode_of(service) == "Global" else replicas_of(service),
        cpus=reserved.get("NanoCPUs", 0) / 1e9,
        memory=reserved.get("MemoryBytes", 0),
        constraints=tuple(constraints_of(service)),
        max_per_node=int((template.get("Placement") or {}).get("MaxReplicas") or 0),
    )


def left_on(node_id: str, tasks: Sequence[Api]) -> list[Api]:
    """Tasks that still have a container on a node, or may get one."""
    return [task for task in tasks if task.get("NodeID") == node_id and is_there(task)]


def not_whole(names: Sequence[str], snapshot: Snapshot, settle: float = 3.0) -> list[str]:
    """Which of these services do not have all of their tasks running and healthy, each with why.

    Whatever spec the tasks have: whether an update is through is not asked here.
    """
    found: list[str] = []
    for service in snapshot.services:
        if name_of(service) not in names:
            continue
        tasks = [task for task in snapshot.tasks if task["ServiceID"] == service["ID"]]
        result = judge(service, tasks, [], snapshot, unchanged=True, settle=settle)
        if result.verdict != "converged":
            error = f" ({result.last_error})" if result.last_error else ""
            found.append(
                f"{name_of(service)}: {result.running}/{result.desired}, {result.message}{error}"
            )
    return found


def is_uneven(service: Api, snapshot: Snapshot) -> bool:
    """Whether a replicated service's tasks could be spread better over the nodes that may have it.

    As Swarm's scheduler does: first over the values of its spread label, then over the nodes.
    """
    nodes = places(service, snapshot.nodes)
    if mode_of(service) != "Replicated" or len(nodes) < 2:
        return False
    counts = Counter(
        task.get("NodeID")
        for task in snapshot.tasks
        if task["ServiceID"] == service["ID"]
        and task.get("DesiredState") == "running"
        and is_there(task)
    )
    # What is on a node that takes no tasks is none of the spread.
    groups: dict[str, list[int]] = {}
    for node in nodes:
        groups.setdefault(_spread_value(service, node), []).append(counts[node.node_id])
    totals = [sum(group) for group in groups.values()]
    return _differ(totals) or any(_differ(group) for group in groups.values())


def _differ(counts: Sequence[int]) -> bool:
    return max(counts) - min(counts) > 1


def _spread_value(service: Api, node: Node) -> str:
    placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
    for preference in placement.get("Preferences") or []:
        key = (preference.get("Spread") or {}).get("SpreadDescriptor", "")
        if key.startswith(SPREAD):
            return node.labels.get(key.removeprefix(SPREAD), "")
    return ""


def places_line(service: Api, snapshot: Snapshot) -> str:
    """`w1 x2, w3`: where a service's tasks are."""
    names = {node["ID"]: node["Description"]["Hostname"] for node in snapshot.nodes}
    counts = Counter(
        names.get(task.get("NodeID", ""), "?")
        for task in snapshot.tasks
        if task["ServiceID"] == service["ID"]
        and task.get("DesiredState") == "running"
        and task["Status"]["State"] == "running"
    )
    return ", ".join(
        name if count == 1 else f"{name} x{count}" for name, count in sorted(counts.items())
    )
