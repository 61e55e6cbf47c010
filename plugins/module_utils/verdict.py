# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a release: one verdict per service, from snapshots of the swarm.

Swarm has no such answer: an automatic rollback counts as success for `docker service update`, and
a task that fits nowhere is pending for ever. The rules below follow swarmkit's update and restart
supervisors; each has a row in the unit tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import parse_reference
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import epoch, short_name
from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import (
    ConstraintError,
    eligible,
    node_from_api,
    parse_constraint,
)

Api = Mapping[str, Any]

# From the worst to the best: the verdict of a stack is its worst service's.
VERDICTS = ("failed", "rolled_back", "paused", "pending", "converged")
# How a task ends by itself. "shutdown" and "remove" are the orchestrator's doing, and "orphaned"
# and a lost node's tasks say nothing of the release.
ENDED_BADLY = ("failed", "rejected")
GONE = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")
# An update that is moving now is no old story, whoever began it.
UNDER_WAY = ("updating", "rollback_started")
# Seconds that tasks must have been running of which no health check says more than that they run.
BLIND_SETTLE = 10.0
# Seconds after which what was not updated is believed to find no place: a node that comes back is
# given tasks at once.
PLACE_SECONDS = 30.0
# How often a task must have ended by itself, and in how many seconds, to be called ill though it
# may run at this moment.
ILL_ENDS, ILL_SECONDS = 2, 600.0
# A node's clock may be this far (seconds) ahead of the manager's before it is not believed.
CLOCK_SKEW = 5.0
TASK_IN_MESSAGE = re.compile(r"\btask ([a-z0-9]{20,})\b")


@dataclass(frozen=True)
class Snapshot:
    """One look at a stack: entries as the engine's interface returns them.

    `current` are the ids of the tasks that match their service's spec of now (the engine's own
    filter `_up-to-date`; the version of a task's spec is not shown), `now` is the manager's clock.
    """

    services: Sequence[Api]
    tasks: Sequence[Api]
    current: frozenset[str]
    nodes: Sequence[Api]
    now: float


@dataclass(frozen=True)
class Result:
    """The verdict on one service. `final`: it will not become a better one by waiting."""

    verdict: str
    final: bool
    desired: int
    running: int
    message: str
    nodes: tuple[str, ...] = ()
    image: str = ""
    update_state: str | None = None
    last_error: str | None = None
    failed_task: str | None = None
    # Every task that is missing waits for a place.
    placeless: bool = False

    @property
    def digest(self) -> str | None:
        return parse_reference(self.image).digest or None


@dataclass
class Watch:
    """Looks again and again, and remembers what later snapshots no longer show.

    `before` holds the version index of each service (short name) before the deployment: what has
    the same one was not updated, and its update status is an old story, unless an update was under
    way at a look (a run before this one was killed, or somebody else is at it). `started` is the
    manager's clock at the first look. `settle` (seconds) is how long new tasks of a service that
    Swarm does not monitor must have been running. Where tasks of the release have ended by
    themselves, all must have been running for the update's monitor time, whatever Swarm says: it
    may have called an update completed before it heard of them. The same holds for what has no
    health check, at least BLIND_SETTLE. `max_failures` of one slot are enough to give up once
    `patience` (seconds since the start) is over: a task may have to wait for another service. What
    was not updated and has had no place for PLACE_SECONDS waits for a node that is away.
    """

    stack: str
    before: Mapping[str, int] = field(default_factory=dict)
    wanted: Sequence[str] | None = None
    started: float = 0.0
    settle: float = 3.0
    max_failures: int = 5
    patience: float = 0.0
    _failures: dict[str, dict[Any, set[str]]] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)
    _moving: set[str] = field(default_factory=set)
    _placeless: dict[str, float] = field(default_factory=dict)

    def look(self, snapshot: Snapshot) -> dict[str, Result]:
        """The verdicts as they are now, by short service name."""
        there = {short_name(self.stack, s["Spec"]["Name"]): s for s in snapshot.services}
        results: dict[str, Result] = {}
        for name in self.wanted if self.wanted is not None else sorted(there):
            if name in there:
                results[name] = self._look_at(name, there[name], snapshot)
            else:
                text = "there is no such service in the stack"
                results[name] = Result("failed", True, 0, 0, text)
            # What is not final yet is as old as the watch.
            verdict = results[name].verdict if results[name].final else ""
            if not verdict or self._since.get(name, ("", 0.0))[0] != verdict:
                self._since[name] = (verdict, snapshot.now)
        return results

    def seconds(self, name: str) -> float:
        """How long after the start a service got its final verdict, or was looked at last."""
        return round(max(0.0, self._since[name][1] - self.started), 1)

    def _untouched(self, name: str, service: Api) -> bool:
        index = (service.get("Version") or {}).get("Index", -1)
        return name not in self._moving and self.before.get(name) == index

    def timeline(self, snapshot: Snapshot) -> list[str]:
        """What happened to the services that were touched, for people."""
        touched = [
            service
            for service in snapshot.services
            if not self._untouched(short_name(self.stack, service["Spec"]["Name"]), service)
        ]
        return timeline(self.stack, touched, snapshot)

    def _look_at(self, name: str, service: Api, snapshot: Snapshot) -> Result:
        tasks = [task for task in snapshot.tasks if task["ServiceID"] == service["ID"]]
        current = [task for task in tasks if task["ID"] in snapshot.current]
        slots = self._failures.setdefault(name, {})
        status = service.get("UpdateStatus") or {}
        since = self._since_deployed(name, service)
        for task in current:
            if _ended_badly(task, service) and epoch(task["CreatedAt"]) >= since:
                slots.setdefault(_slot(task), set()).add(task["ID"])
        if status.get("State") == "rollback_started" and status.get("Message"):
            # At the end Swarm says only "rollback completed".
            self._reasons[name] = status["Message"]
        if status.get("State") in UNDER_WAY:
            self._moving.add(name)
        unchanged = self._untouched(name, service)
        worst = max((len(ids) for ids in slots.values()), default=0)
        gave_up = worst >= self.max_failures and snapshot.now - self.started >= self.patience
        blind = _unhealthy_after(service) == float("inf")
        settle = self.settle
        if worst:
            settle = max(settle, _monitor(service))
        if blind:
            settle = max(settle, _monitor(service), BLIND_SETTLE)
        found = judge(
            service,
            tasks,
            current,
            snapshot,
            unchanged,
            self._reasons.get(name),
            settle,
            gave_up,
            doubted=worst > 0,
            blind=blind,
        )
        # Beside an update a place may be free again in a moment.
        quiet = all(
            self._untouched(short_name(self.stack, one["Spec"]["Name"]), one)
            for one in snapshot.services
        )
        if not (quiet and found.placeless):
            self._placeless.pop(name, None)
        elif snapshot.now - self._placeless.setdefault(name, snapshot.now) >= PLACE_SECONDS:
            found = replace(found, final=True)
        return found

    def _since_deployed(self, name: str, service: Api) -> float:
        """From when on a task can be one of this release: the watch begins a little later."""
        began = 0.0
        if not self._untouched(name, service):
            began = epoch((service.get("UpdateStatus") or {}).get("StartedAt") or "")
        if not began and name not in self.before:
            began = epoch(service.get("CreatedAt") or "")
        # The tasks of a service are made a moment before its update says that it has begun.
        return min(self.started, began - 1.0) if began else self.started


def judge(
    service: Api,
    tasks: Sequence[Api],
    current: Sequence[Api],
    snapshot: Snapshot,
    unchanged: bool = False,
    reason: str | None = None,
    settle: float = 3.0,
    gave_up: bool = False,
    doubted: bool = False,
    blind: bool = False,
) -> Result:
    """The verdict on one service from one look.

    `tasks` are all of the service's, `current` those of its present spec; `unchanged`: the
    deployment did not touch it; `reason`: why a rollback began, if that was seen; `gave_up`: one
    slot has failed too often since the watch began; `doubted`: tasks of this release have ended by
    themselves, so that Swarm's own "completed" is not enough; `blind`: nor is it where no health
    check says more than that a task runs.
    """
    update = service.get("UpdateStatus") or {}
    state = None if unchanged else update.get("State")
    ready = {node["ID"]: node["Description"]["Hostname"] for node in snapshot.nodes if _ready(node)}
    # A stale pause leaves tasks of two specs, and both do their work.
    counted = tasks if unchanged else current
    job = _is_job(service)
    good = _completed(service, counted) if job else [t for t in counted if _runs(t, ready)]
    places = _places(service, good, snapshot)
    old = [] if unchanged or job else [t for t in tasks if t not in current and _is_kept(t)]
    # Swarm leaves a global service's task on a paused node as it is until the node is active.
    left = [t for t in old if t.get("NodeID") in _paused(snapshot)] if _is_global(service) else []
    old = [t for t in old if t not in left]
    names = {node["ID"]: node["Description"]["Hostname"] for node in snapshot.nodes}
    # An update goes on waiting for a task that it gave to a node before that died.
    silent = sorted(
        {names.get(t.get("NodeID", ""), "") for t in current if _is_lost(t, ready)} - {""}
    )
    failure = _last_failure(service, tasks if state else current, update, reason, names)

    def result(verdict: str, final: bool, message: str, failed: bool = True) -> Result:
        shown = failure if failed and failure else (None, None)
        serving = sum(_runs(task, ready) for task in old)
        if serving and verdict != "converged":
            message += f"; {serving} of the release before it still run"
        if silent and verdict == "pending":
            message += f"; it has tasks on {', '.join(silent)}, which the swarm does not reach"
        return Result(
            verdict=verdict,
            final=final,
            desired=places.desired,
            running=places.running,
            message=message,
            nodes=tuple(sorted(names.get(task.get("NodeID", ""), "?") for task in good)),
            image=service["Spec"]["TaskTemplate"].get("ContainerSpec", {}).get("Image", ""),
            update_state=update.get("State"),
            failed_task=shown[0],
            last_error=shown[1],
        )

    told = update.get("Message") or ""
    if state == "rollback_completed":
        return result("rolled_back", True, reason or told or "the update was rolled back")
    if state == "rollback_paused":
        return result("paused", True, f"the rollback itself stopped: {told}")
    if state == "paused":
        return result("paused", True, told or "the update is paused")
    if state == "rollback_started":
        # Not final: the caller waits for its end, so that nothing is moving when it reports.
        return result("rolled_back", False, f"is being rolled back: {reason or told}")
    if places.enough and not old and state != "updating":
        fresh = (
            []
            if (state == "completed" and not doubted and not blind) or job
            else [t for t in good if _is_fresh(t, snapshot.now, settle)]
        )
        if fresh:
            text = "all tasks run, but not for long yet"
            text += ", and some of this release ended before" if doubted else ""
            return result("pending", False, text, failed=doubted)
        note = _stale_note(update) if unchanged else ""
        if left:
            where = sorted({names.get(t.get("NodeID", ""), "?") for t in left})
            note = f"; the task of the release before stays on {', '.join(where)} (paused)"
        return result("converged", True, f"all tasks run{note}", failed=False)
    if places.nowhere:
        found = result("pending", False, f"waits for a place: {places.nowhere}")
        return replace(found, placeless=True)
    dead = None if state == "updating" else _never_restarted(service, current, places.missing)
    if dead:
        return result("failed", True, dead)
    if gave_up:
        return result("failed", True, "its tasks fail again and again")
    return _unfinished(result, service, counted, old, state, ready, places.surplus)


def _unfinished(
    result: Any,
    service: Api,
    tasks: Sequence[Api],
    old: Sequence[Api],
    state: Any,
    ready: Any,
    surplus: bool,
) -> Result:
    # What this is when the time is over: failed if an open slot's tasks end by themselves, pending
    # if they wait for a place, an image or their health.
    newest: dict[Any, Api] = {}
    failed_slots: set[Any] = set()
    for task in sorted(tasks, key=_created):
        newest[_slot(task)] = task
        if _ended_badly(task, service):
            failed_slots.add(_slot(task))
    open_slots = {slot: task for slot, task in newest.items() if not _runs(task, ready)}
    stuck = [t for t in open_slots.values() if t["Status"]["State"] == "pending" and _error(t)]
    if stuck:
        found: Result = result("pending", False, f"waits for a place: {_error(stuck[0])}")
        found = replace(found, placeless=len(stuck) == len(open_slots))
    elif any(slot in failed_slots for slot in open_slots):
        found = result("failed", False, "its tasks fail")
    elif old and not open_slots:
        found = result("pending", False, "is not done yet", failed=False)
    elif surplus and state != "updating":
        found = result("pending", False, "more tasks run than it is to have", failed=False)
    else:
        states = sorted({task["Status"]["State"] for task in open_slots.values()})
        doing = f"; others are {', '.join(states)}" if states else ""
        moving = "is being updated" if state == "updating" else "not all tasks run yet"
        found = result("pending", False, f"{moving}{doing}")
    return found


def timeline(stack: str, services: Iterable[Api], snapshot: Snapshot) -> list[str]:
    """What happened to these services since their last update began, in the order of time.

    Seconds count from the first event, or from the making of a task where no update began. Swarm
    remembers a few tasks of each slot, so of a service that fails over and over only the last ones
    are there.
    """
    names = {node["ID"]: node["Description"]["Hostname"] for node in snapshot.nodes}
    events: list[tuple[float, str]] = []
    made: list[float] = []  # of a service that is scaled: no update begins there
    for service in services:
        name = short_name(stack, service["Spec"]["Name"])
        update = service.get("UpdateStatus") or {}
        begun = epoch(update.get("StartedAt") or "")
        since = begun or epoch(service.get("UpdatedAt") or service.get("CreatedAt") or "")
        if begun:
            events.append((begun, f"{name}: the update begins"))
        if ended := epoch(update.get("CompletedAt") or ""):
            events.append((ended, f"{name}: {str(update.get('State')).replace('_', ' ')}"))
        for task in snapshot.tasks:
            # The tasks of a service are made a moment before its update says that it has begun.
            if task["ServiceID"] == service["ID"] and _created(task) >= since - 1.0:
                event = (_changed_at(task), _event(name, task, service, names))
                events.append(event)
                made += [] if begun or not all(event) else [_created(task)]
    events = sorted(event for event in events if event[0] and event[1])
    first = min([at for at, _text in events] + made, default=0.0)
    return [f"{at - first:6.1f} s  {text}" for at, text in events]


def _event(name: str, task: Api, service: Api, names: Mapping[str, str]) -> str:
    node = names.get(task.get("NodeID", ""), "")
    what = f"{name}.{task['Slot']}" if task.get("Slot") else name
    where = f" on {node}" if node else ""
    if task["Status"]["State"] == "running" and task.get("DesiredState") != "running":
        return f"{what} is to stop{where}"
    if task["Status"]["State"] == "running":
        return f"{what} runs{where}, {_changed_at(task) - _created(task):.1f} s after its making"
    if _ended_badly(task, service):
        return f"{what} ended{where}: {_error(task) or _exit_text(task, service)}"
    if task["Status"]["State"] in ("shutdown", "remove"):
        return f"{what} was stopped{where}"
    reason = f": {_error(task)}" if _error(task) else ""
    return f"{what} is {task['Status']['State']}{where}{reason}"


def ill(stack: str, names: Iterable[str], snapshot: Snapshot) -> dict[str, str]:
    """Which of these services, that nobody touches, are not well, and how: {short name: reason}.

    One look is enough to see that tasks are missing. What runs just now and has ended again and
    again lately is ill too.
    """
    there = {short_name(stack, s["Spec"]["Name"]): s for s in snapshot.services}
    wanted = [name for name in names if name in there]
    versions = {name: (there[name].get("Version") or {}).get("Index", -1) for name in wanted}
    watch = Watch(stack, versions, wanted=wanted, started=snapshot.now)
    found: dict[str, str] = {}
    for name, one in watch.look(snapshot).items():
        if one.verdict != "converged":
            found[name] = describe(name, one, None)
            continue
        ends: dict[Any, int] = {}
        for task in snapshot.tasks:
            lately = snapshot.now - _changed_at(task) < ILL_SECONDS
            if task["ServiceID"] == there[name]["ID"] and lately:
                ends[_slot(task)] = ends.get(_slot(task), 0) + _ended_badly(task, there[name])
        if max(ends.values(), default=0) >= ILL_ENDS:
            found[name] = f"{name}: its tasks end again and again"
    return found


def overall(results: Iterable[Result]) -> str:
    """The verdict on a stack: its worst service's; converged when it has none."""
    return min((r.verdict for r in results), key=VERDICTS.index, default="converged")


def outcome(
    watch: Watch,
    results: Mapping[str, Result],
    logs: Mapping[str, tuple[Sequence[str], str | None]],
    story: Sequence[str],
    seconds: float,
    ill_before: Iterable[str] = (),
) -> dict[str, Any]:
    """What stack_verdict returns. `logs`: by service the last lines, or why there are none.

    `ill_before` were ill before and are not touched: the verdict is that on all others."""
    spared = set(ill_before)
    services: dict[str, dict[str, Any]] = {}
    summary: list[str] = []
    report: list[str] = []
    for name, result in results.items():
        lines, note = logs.get(name, ((), None))
        services[name] = {
            "verdict": result.verdict,
            "desired": result.desired,
            "running": result.running,
            "nodes": list(result.nodes),
            "image": result.image,
            "digest": result.digest,
            "update_state": result.update_state,
            "message": result.message,
            "last_error": result.last_error,
            "log_tail": list(lines),
            "log_note": note,
            "seconds": watch.seconds(name),
        }
        summary.append(describe(name, result, watch.seconds(name)))
        report.append(summary[-1])
        report += [f"    {name} | {line}" for line in lines]
    return {
        "changed": False,
        "verdict": overall(one for name, one in results.items() if name not in spared),
        "ill_before": [
            name for name, one in results.items() if name in spared and one.verdict != "converged"
        ],
        "services": services,
        "summary": summary,
        "report": report,
        "timeline": list(story),
        "seconds": round(seconds, 1),
    }


def settled(watch: Watch, snapshot: Snapshot) -> dict[str, Any] | None:
    """The outcome where one look says for good that all is well; None where more are needed."""
    results = watch.look(snapshot)
    if any(not one.final or one.verdict != "converged" for one in results.values()):
        return None
    return outcome(watch, results, {}, watch.timeline(snapshot), 0.0)


def describe(name: str, result: Result, seconds: float | None) -> str:
    """One line for people; `seconds` it took, if that is known."""
    reference = parse_reference(result.image)
    image = f", {reference.tag or reference.name}"
    image += f"@{reference.digest[:19]}" if reference.digest else ""
    where = _count(result.nodes)
    line = f"{name}: {result.verdict}, {result.running}/{result.desired}"
    line += f" on {where}" if where else ""
    line += image if result.image else ""
    line += "" if seconds is None else f", after {seconds:.0f} s"
    if result.verdict != "converged" or result.message != "all tasks run":
        line += f": {result.message}"
    if result.last_error and result.last_error not in line:
        line += f"; last error: {result.last_error}"
    return line


def _count(nodes: Sequence[str]) -> str:
    return ", ".join(
        f"{nodes.count(node)} x {node}" if nodes.count(node) > 1 else node
        for node in dict.fromkeys(nodes)
    )


def demultiplex(data: bytes) -> str:
    """The text of the engine's log stream: frames of 1 byte stream, 3 zero, 4 length (big endian).

    A container with a terminal has no frames; its bytes are returned as they are.
    """
    if not (data[:1] in (b"\0", b"\1", b"\2") and data[1:4] == b"\0\0\0"):
        return data.decode("utf-8", "replace")
    text = b""
    while len(data) >= 8:
        length = int.from_bytes(data[4:8], "big")
        text += data[8 : 8 + length]
        data = data[8 + length :]
    return text.decode("utf-8", "replace")


def _ready(node: Api) -> bool:
    return bool((node.get("Status") or {}).get("State") == "ready")


def _runs(task: Api, ready: Mapping[str, str]) -> bool:
    # With a health check, "running" is reached only when it is healthy. A lost node's tasks keep
    # that state until the manager has given up the node.
    return bool(
        task["Status"]["State"] == "running"
        and task.get("DesiredState") == "running"
        and task.get("NodeID") in ready
    )


def _is_lost(task: Api, ready: Mapping[str, str]) -> bool:
    node = task.get("NodeID")
    return bool(node and node not in ready and task["Status"]["State"] not in GONE)


def _is_kept(task: Api) -> bool:
    return task.get("DesiredState") == "running" and task["Status"]["State"] not in GONE


def _slot(task: Api) -> Any:
    return task.get("Slot") or task.get("NodeID") or ""


def _created(task: Api) -> float:
    return epoch(task.get("CreatedAt", ""))


def _changed_at(task: Api) -> float:
    return epoch(task["Status"].get("Timestamp", ""))


def _is_fresh(task: Api, now: float, settle: float) -> bool:
    age = now - _changed_at(task)
    return -CLOCK_SKEW <= age < settle


def _mode(service: Api) -> tuple[str, Api]:
    mode = service["Spec"].get("Mode") or {"Replicated": {"Replicas": 1}}
    kind = next(iter(mode))
    return kind, mode[kind] or {}


def _is_job(service: Api) -> bool:
    return _mode(service)[0] in ("ReplicatedJob", "GlobalJob")


@dataclass(frozen=True)
class _Places:
    """The places of a service: the slots of a replicated one, the nodes of a global one.

    `desired` are those which are to have a task that runs (of a job: that is complete), `running`
    those which have one, `missing` those without. `surplus`: it has more tasks than it is to have.
    `nowhere`: why no node may have a global service's task; empty if one may.
    """

    desired: int
    running: int
    missing: int
    surplus: bool = False
    nowhere: str = ""

    @property
    def enough(self) -> bool:
        return not (self.missing or self.surplus or self.nowhere)


def _places(service: Api, good: Sequence[Api], snapshot: Snapshot) -> _Places:
    kind, body = _mode(service)
    if kind.startswith("Global"):
        return _node_places(service, {task.get("NodeID", "") for task in good}, snapshot)
    if kind == "ReplicatedJob":
        total = body.get("TotalCompletions")
        desired = int(body.get("MaxConcurrent") or 1) if total is None else int(total)
    else:
        desired = int(body.get("Replicas", 1) if body.get("Replicas") is not None else 1)
    # Two tasks of one slot, of which one has not been told to stop yet, do the work of one.
    slots = len({task.get("Slot") or 0 for task in good})
    surplus = kind == "Replicated" and len(good) > desired
    return _Places(desired, slots, max(0, desired - slots), surplus)


def _node_places(service: Api, have: set[str], snapshot: Snapshot) -> _Places:
    placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
    rules = placement.get("Constraints") or []
    try:
        constraints = [parse_constraint(text) for text in rules]
        may = {node.node_id for node in eligible(map(node_from_api, snapshot.nodes), constraints)}
    except ConstraintError:
        may = set()
    # A paused node keeps its task and gets none: it may have one more than is asked for, and that
    # makes up for none that another node lacks.
    nowhere = ""
    if not may | have:
        nowhere = "no node takes tasks"
        if rules:
            nowhere = f"no node that takes tasks meets {' and '.join(rules)}"
    return _Places(len(may | have), len(have), len(may - have), nowhere=nowhere)


def _is_global(service: Api) -> bool:
    return _mode(service)[0] == "Global"


def _paused(snapshot: Snapshot) -> set[str]:
    return {n["ID"] for n in snapshot.nodes if (n.get("Spec") or {}).get("Availability") == "pause"}


def _completed(service: Api, tasks: Sequence[Api]) -> list[Api]:
    run = ((service.get("JobStatus") or {}).get("JobIteration") or {}).get("Index", 0)
    return [
        task
        for task in tasks
        if task["Status"]["State"] == "complete"
        and (task.get("JobIteration") or {}).get("Index", 0) == run
    ]


def _ended_badly(task: Api, service: Api) -> bool:
    state = task["Status"]["State"]
    # Whoever exits with 0 without having been asked is "complete": right for a job only.
    return state in ENDED_BADLY or (state == "complete" and not _is_job(service))


def _restart_condition(service: Api) -> str:
    policy = service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
    return str(policy.get("Condition") or "any")


def _never_restarted(service: Api, current: Sequence[Api], missing: int) -> str | None:
    """Why Swarm will not start a missing task again, if that is so."""
    condition = _restart_condition(service)
    if condition == "any" or missing <= 0:
        return None
    newest: dict[Any, Api] = {}
    for task in sorted(current, key=_created):
        newest[_slot(task)] = task
    for task in newest.values():
        state = task["Status"]["State"]
        if state == "complete" and not _is_job(service):
            return (
                f"a task exited with 0, and the restart condition {condition!r} never starts it "
                "again; use 'any'"
            )
        if state in ENDED_BADLY and condition == "none":
            return "a task failed, and the restart condition 'none' never starts it again"
    return None


def _error(task: Api) -> str:
    status = task["Status"]
    return str(status.get("Err") or "")


def _last_failure(
    service: Api, tasks: Sequence[Api], update: Api, reason: str | None, names: Mapping[str, str]
) -> tuple[str | None, str] | None:
    """(task id if it has a log, what went wrong and where) of the task that explains it best.

    Swarm names the task that stopped an update in its message; otherwise the youngest failure
    counts, of the time since the update began if there was one.
    """
    named = TASK_IN_MESSAGE.search(reason or "") or TASK_IN_MESSAGE.search(
        update.get("Message") or ""
    )
    since = epoch(update.get("StartedAt") or "") if update else 0.0
    bad = [t for t in tasks if _ended_badly(t, service) or (_error(t) and not _is_gone(t))]
    chosen = [t for t in tasks if named and t["ID"] == named.group(1)]
    chosen += sorted((t for t in bad if _created(t) >= since), key=_changed_at, reverse=True)
    if not chosen:
        return None
    task = chosen[0]
    text = _error(task) or _exit_text(task, service)
    node = names.get(task.get("NodeID", ""))
    # What never had a container has no log.
    ran = bool((task["Status"].get("ContainerStatus") or {}).get("ContainerID"))
    return task["ID"] if ran else None, f"{text} (on {node})" if node else text


def _is_gone(task: Api) -> bool:
    return task["Status"]["State"] in GONE


def _unhealthy_after(service: Api) -> float:
    """Seconds before which no health check can have failed often enough; infinite without one."""
    check = service["Spec"]["TaskTemplate"].get("ContainerSpec", {}).get("Healthcheck") or {}
    if not check.get("Test") or check["Test"][0] == "NONE":
        return float("inf")
    # Docker's own defaults where nothing is said: 30 s, three times.
    return float((check.get("Interval") or 30e9) / 1e9 * (check.get("Retries") or 3))


def _monitor(service: Api) -> float:
    """Seconds for which Swarm watches the tasks of an update; its own default is 5."""
    update = service["Spec"].get("UpdateConfig") or {}
    return float((update.get("Monitor") or 5e9) / 1e9)


def _exit_text(task: Api, service: Api) -> str:
    status = task["Status"]
    code = (status.get("ContainerStatus") or {}).get("ExitCode")
    if status["State"] == "complete" or code == 0:
        lived = _changed_at(task) - _created(task)
        if lived < _unhealthy_after(service):
            return "the process ended by itself with exit code 0"
        # Swarm says no more of what it stopped for its health than of what went by itself.
        return (
            f"exit code 0 after {lived:.0f} s: its health check failed and Swarm stopped it, "
            "or the process ended by itself"
        )
    if code is not None:
        return f"the task is {status['State']}, exit code {code}"
    return f"the task is {status['State']}: {status.get('Message') or 'no reason given'}"


def _stale_note(update: Api) -> str:
    state = update.get("State")
    if state in (None, "completed", "updating"):
        return ""
    return f"; an earlier update is {state.replace('_', ' ')} since {update.get('StartedAt', '?')}"
