"""One row per rule of the verdict, on snapshots as the engine's interface returns them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import verdict
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import epoch
from ansible_collections.monsterstack.swarm.plugins.module_utils.verdict import (
    Result,
    Snapshot,
    Watch,
    demultiplex,
    describe,
    overall,
    settled,
)

NOW = 1_800_000_000.0


def at(seconds: float) -> str:
    """A time so many seconds before NOW, as the engine writes it."""
    moment = datetime.fromtimestamp(NOW - seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def service(update: str | None = None, **more: Any) -> dict[str, Any]:
    mode = more.get("mode", {"Replicated": {"Replicas": more.get("replicas", 2)}})
    template: dict[str, Any] = {
        "ContainerSpec": {"Image": "web:2@sha256:" + "a" * 64},
        "Placement": {"Constraints": more.get("constraints")},
    }
    if more.get("health"):
        template["ContainerSpec"]["Healthcheck"] = {"Test": ["CMD", "true"], "Interval": 10**9}
    if "restart" in more:
        template["RestartPolicy"] = {"Condition": more["restart"]}
    found: dict[str, Any] = {
        "ID": "svc",
        "Version": {"Index": 7},
        "Spec": {"Name": "shop_web", "Mode": mode, "TaskTemplate": template},
    }
    if update:
        found["UpdateStatus"] = {
            "State": update,
            "StartedAt": at(60),
            "Message": more.get("message", f"message of {update}"),
        }
    if "iteration" in more:
        found["JobStatus"] = {"JobIteration": {"Index": more["iteration"]}}
    return found


def task(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
    """`age` is seconds since the state, `created` since the creation."""
    ended = state in ("failed", "rejected", "complete", "shutdown")
    age = more.get("age", 30)
    found: dict[str, Any] = {
        "ID": name,
        "ServiceID": "svc",
        "Slot": more.get("slot", 1),
        "NodeID": more.get("node", "n1"),
        "DesiredState": more.get("desired", "shutdown" if ended else "running"),
        "CreatedAt": at(more.get("created", age + 5)),
        "Status": {"State": state, "Timestamp": at(age), "Err": more.get("err")},
    }
    if state not in ("pending", "rejected"):
        found["Status"]["ContainerStatus"] = {"ContainerID": "c", "ExitCode": more.get("exit")}
    if "iteration" in more:
        found["JobIteration"] = {"Index": more["iteration"]}
    return found


def node(node_id: str, state: str = "ready", availability: str = "active") -> dict[str, Any]:
    return {
        "ID": node_id,
        "Spec": {"Role": "worker", "Availability": availability, "Labels": {}},
        "Description": {"Hostname": f"host-{node_id}"},
        "Status": {"State": state},
    }


NODES = [node("n1"), node("n2")]
GOOD = [task("a", slot=1), task("b", slot=2, node="n2")]
OLD = [task("old1", slot=1, age=900), task("old2", slot=2, age=900)]


def look(
    tasks: list[dict[str, Any]],
    old: list[dict[str, Any]] | None = None,
    nodes: list[dict[str, Any]] | None = None,
    before: int = 3,
    started: float = 20,
    services: list[dict[str, Any]] | None = None,
    wanted: list[str] | None = None,
    **more: Any,
) -> dict[str, Result]:
    """`tasks` are of the present spec, `old` are not; `started`: seconds before NOW."""
    watch = Watch("shop", {"web": before}, wanted=wanted, started=NOW - started)
    snapshot = Snapshot(
        services=[service(**more)] if services is None else services,
        tasks=[*tasks, *(old or [])],
        current=frozenset(t["ID"] for t in tasks),
        nodes=NODES if nodes is None else nodes,
        now=NOW,
    )
    return watch.look(snapshot)


GLOBAL: dict[str, Any] = {"Global": {}}
JOB = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}}
DONE = [task("a", "complete", slot=1, iteration=3), task("b", "complete", slot=2, iteration=3)]
CRASHES = [task(f"f{i}", "failed", age=9 - i, created=10 - i, err="exit (1)") for i in range(5)]

# Each row: arguments of look(), then verdict, whether it is final, tasks that count, a piece of
# the message.
RULES: dict[str, tuple[dict[str, Any], str, bool, int, str]] = {
    "new service, all run": ({"tasks": GOOD}, "converged", True, 2, "all tasks run"),
    # The monitor is Swarm's default of 5 s here.
    "completed, but a task of it ended, and its successor is young": (
        {
            "tasks": [
                *GOOD[:1],
                task("u", "complete", slot=2, age=4, exit=0, created=30),
                task("b", slot=2, age=4),
            ],
            "update": "completed",
        },
        "pending",
        False,
        2,
        "and some of this release ended before",
    ),
    "completed, a task of it ended, and its successor holds": (
        {
            "tasks": [
                *GOOD[:1],
                task("u", "complete", slot=2, age=7, exit=0, created=30),
                task("b", slot=2, age=6),
            ],
            "health": True,
            "update": "completed",
        },
        "converged",
        True,
        2,
        "all tasks run",
    ),
    "completed, and what ended before it began is no doubt": (
        {
            "tasks": [
                *GOOD[:1],
                task("u", "complete", slot=2, age=70, exit=0, created=90),
                task("b", slot=2, age=1),
            ],
            "health": True,
            "update": "completed",
        },
        "converged",
        True,
        2,
        "all tasks run",
    ),
    "new service, not for long": (
        {"tasks": [GOOD[0], task("b", slot=2, age=1)]},
        "pending",
        False,
        2,
        "not for long yet",
    ),
    "a node's clock is ahead by an hour": (
        {"tasks": [GOOD[0], task("b", slot=2, age=-3600)]},
        "converged",
        True,
        2,
        "",
    ),
    "the update is completed: Swarm has monitored it": (
        {"tasks": [GOOD[0], task("b", slot=2, age=1)], "update": "completed", "health": True},
        "converged",
        True,
        2,
        "",
    ),
    "all run but the update is still monitored": (
        {"tasks": GOOD, "update": "updating"},
        "pending",
        False,
        2,
        "is being updated",
    ),
    "no update status yet, only old tasks run": (
        {"tasks": [], "old": OLD},
        "pending",
        False,
        0,
        "2 of the release before it still run",
    ),
    "no update status, new tasks run beside old ones": (
        {"tasks": GOOD, "old": OLD},
        "pending",
        False,
        2,
        "2 of the release before it still run",
    ),
    "old tasks that are to stop do not count": (
        {"tasks": GOOD, "old": [task("o", slot=1, desired="shutdown")]},
        "converged",
        True,
        2,
        "",
    ),
    "rolled back": (
        {"tasks": GOOD, "update": "rollback_completed"},
        "rolled_back",
        True,
        2,
        "message of rollback_completed",
    ),
    "rollback under way": (
        {"tasks": GOOD, "update": "rollback_started"},
        "rolled_back",
        False,
        2,
        "is being rolled back",
    ),
    "rollback stopped": (
        {"tasks": GOOD[:1], "update": "rollback_paused"},
        "paused",
        True,
        1,
        "the rollback itself stopped",
    ),
    "paused": (
        {"tasks": GOOD[:1], "old": OLD[1:], "update": "paused"},
        "paused",
        True,
        1,
        "message of paused",
    ),
    "stale pause of a service that was not updated": (
        {"tasks": GOOD[:1], "old": OLD[1:], "update": "paused", "before": 7},
        "converged",
        True,
        2,
        "an earlier update is paused",
    ),
    "stale rollback of a service that was not updated": (
        {"tasks": GOOD, "update": "rollback_completed", "before": 7},
        "converged",
        True,
        2,
        "an earlier update is rollback completed",
    ),
    "unchanged, but an update is under way": (
        {"tasks": GOOD[:1], "old": OLD[1:], "update": "updating", "before": 7},
        "pending",
        False,
        1,
        "is not done yet",
    ),
    "unchanged, but a rollback is under way": (
        {"tasks": GOOD[:1], "old": OLD[1:], "update": "rollback_started", "before": 7},
        "rolled_back",
        False,
        1,
        "is being rolled back",
    ),
    "unchanged, but a task is missing": (
        {"tasks": GOOD[:1], "before": 7},
        "pending",
        False,
        1,
        "not all tasks run yet",
    ),
    "fits nowhere": (
        {
            "tasks": [
                GOOD[0],
                task("b", "pending", slot=2, node="", err="no suitable node (2 nodes full)"),
            ]
        },
        "pending",
        False,
        1,
        "waits for a place: no suitable node",
    ),
    "failed before, now fits nowhere": (
        {
            "tasks": [
                GOOD[0],
                task("f", "failed", slot=2, age=50, created=60),
                task("b", "pending", slot=2, node="", age=5, err="no suitable node"),
            ]
        },
        "pending",
        False,
        1,
        "waits for a place",
    ),
    "starting": (
        {"tasks": [GOOD[0], task("b", "starting", slot=2)]},
        "pending",
        False,
        1,
        "others are starting",
    ),
    "fails and starts again": (
        {"tasks": [GOOD[0], CRASHES[4] | {"Slot": 2}, task("b", "starting", slot=2, age=1)]},
        "failed",
        False,
        1,
        "its tasks fail",
    ),
    "fails again and again": (
        {"tasks": [task("a", "starting", age=0), *CRASHES]},
        "failed",
        True,
        0,
        "again and again",
    ),
    "failures of long ago are no reason to give up": (
        {"tasks": [task("a", "starting", age=0), *CRASHES], "started": 3},
        "failed",
        False,
        0,
        "its tasks fail",
    ),
    "failed in the past, runs now": ({"tasks": [*GOOD, *CRASHES]}, "converged", True, 2, ""),
    "exited with 0 under on-failure": (
        {"tasks": [GOOD[0], task("b", "complete", slot=2)], "restart": "on-failure"},
        "failed",
        True,
        1,
        "'on-failure' never starts it again",
    ),
    "exited with 0 under any": (
        {"tasks": [GOOD[0], task("b", "complete", slot=2)], "restart": "any"},
        "failed",
        False,
        1,
        "its tasks fail",
    ),
    "exited with 0 during an update: Swarm decides": (
        {
            "tasks": [GOOD[0], task("b", "complete", slot=2)],
            "restart": "on-failure",
            "update": "updating",
        },
        "failed",
        False,
        1,
        "",
    ),
    "failed under none": (
        {"tasks": [GOOD[0], task("b", "failed", slot=2)], "restart": "none"},
        "failed",
        True,
        1,
        "'none' never starts it again",
    ),
    "an update that waits for a task on a lost node": (
        {
            "tasks": [GOOD[0], task("b", "assigned", slot=2, node="n2")],
            "old": [task("old2", slot=2, age=900)],
            "nodes": [node("n1"), node("n2", "down")],
            "update": "updating",
        },
        "pending",
        False,
        1,
        "it has tasks on host-n2, which the swarm does not reach",
    ),
    "a lost node's tasks do not count": (
        {"tasks": GOOD, "nodes": [node("n1"), node("n2", "down")]},
        "pending",
        False,
        1,
        "",
    ),
    "more tasks than asked for": ({"tasks": GOOD, "replicas": 1}, "pending", False, 2, ""),
    "zero replicas": ({"tasks": [], "replicas": 0}, "converged", True, 0, ""),
    "global": (
        {"tasks": [task("a", slot=0), task("b", slot=0, node="n2")], "mode": GLOBAL},
        "converged",
        True,
        2,
        "",
    ),
    "global, one node has none": (
        {"tasks": [task("a", slot=0)], "mode": GLOBAL},
        "pending",
        False,
        1,
        "",
    ),
    "global, a drained and a down node need none": (
        {
            "tasks": [task("a", slot=0)],
            "mode": GLOBAL,
            "nodes": [node("n1"), node("n2", availability="drain"), node("n3", "down")],
        },
        "converged",
        True,
        1,
        "",
    ),
    "global, a paused node keeps its task": (
        {
            "tasks": [task("a", slot=0), task("b", slot=0, node="n2")],
            "mode": GLOBAL,
            "nodes": [node("n1"), node("n2", availability="pause")],
        },
        "converged",
        True,
        2,
        "",
    ),
    "global with a constraint": (
        {
            "tasks": [task("a", slot=0)],
            "mode": GLOBAL,
            "constraints": ["node.hostname == host-n1"],
        },
        "converged",
        True,
        1,
        "",
    ),
    "job that completed one slot twice": (
        {"tasks": [DONE[0], task("b", "complete", iteration=3)], "mode": JOB, "iteration": 3},
        "pending",
        False,
        1,
        "",
    ),
    "job done": ({"tasks": DONE, "mode": JOB, "iteration": 3}, "converged", True, 2, ""),
    "job of an earlier run": (
        {"tasks": DONE, "mode": JOB, "iteration": 4},
        "pending",
        False,
        0,
        "",
    ),
    "job half done": (
        {
            "tasks": [DONE[0], task("b", slot=2, iteration=3)],
            "mode": JOB,
            "iteration": 3,
            "restart": "none",
        },
        "pending",
        False,
        1,
        "",
    ),
    "job failed": (
        {
            "tasks": [DONE[0], task("b", "failed", slot=2, iteration=3, exit=1)],
            "mode": JOB,
            "iteration": 3,
            "restart": "none",
        },
        "failed",
        True,
        1,
        "never starts it again",
    ),
    "not deployed at all": (
        {"tasks": [], "services": [], "wanted": ["web"]},
        "failed",
        True,
        0,
        "there is no such service",
    ),
}


@pytest.mark.parametrize(("given", "word", "final", "running", "piece"), RULES.values(), ids=RULES)
def test_rule(given: dict[str, Any], word: str, final: bool, running: int, piece: str) -> None:
    result = look(**given)["web"]
    assert (result.verdict, result.final, result.running) == (word, final, running)
    assert piece in result.message


GLOBAL_JOB: dict[str, Any] = {"GlobalJob": {}}
BOTH = [task("a", slot=0), task("b", slot=0, node="n2")]
PAUSED = [node("n1"), node("n2", availability="pause")]
SSD = ["node.labels.ssd == true", "node.role == worker"]
# Each row: arguments of look(), then verdict, running and desired places, a piece of the message.
PLACES_COUNTED: dict[str, tuple[dict[str, Any], str, tuple[int, int], str]] = {
    "a paused node's task makes up for none": (
        {"tasks": BOTH[1:], "mode": GLOBAL, "nodes": PAUSED},
        "pending",
        (1, 2),
        "not all tasks run yet",
    ),
    "two on one node are one": (
        {"tasks": [BOTH[0], task("c", slot=0)], "mode": GLOBAL},
        "pending",
        (1, 2),
        "",
    ),
    "a paused node without a task needs none": (
        {"tasks": BOTH[:1], "mode": GLOBAL, "nodes": PAUSED},
        "converged",
        (1, 1),
        "",
    ),
    "a paused node keeps the task of the release before": (
        {"tasks": BOTH[:1], "old": [OLD[0] | {"NodeID": "n2"}], "mode": GLOBAL, "nodes": PAUSED},
        "converged",
        (1, 1),
        "all tasks run; the task of the release before stays on host-n2 (paused)",
    ),
    "an active node has the release before": (
        {"tasks": BOTH[:1], "old": [OLD[0] | {"NodeID": "n2"}], "mode": GLOBAL},
        "pending",
        (1, 2),
        "1 of the release before it still run",
    ),
    "a replicated service leaves a paused node": (
        {"tasks": GOOD, "old": [OLD[0] | {"NodeID": "n2"}], "nodes": PAUSED},
        "pending",
        (2, 2),
        "1 of the release before it still run",
    ),
    "no node meets the constraints": (
        {"tasks": [], "mode": GLOBAL, "constraints": SSD},
        "pending",
        (0, 0),
        "waits for a place: no node that takes tasks meets "
        "node.labels.ssd == true and node.role == worker",
    ),
    "a constraint that Swarm does not know": (
        {"tasks": [], "mode": GLOBAL, "constraints": ["node.lables.ssd == true"]},
        "pending",
        (0, 0),
        "no node that takes tasks meets node.lables.ssd == true",
    ),
    "every node is away": (
        {"tasks": [], "mode": GLOBAL, "nodes": [node("n1", "down"), PAUSED[1]]},
        "pending",
        (0, 0),
        "waits for a place: no node takes tasks",
    ),
    "a job that no node may do": (
        {"tasks": [], "mode": GLOBAL_JOB, "constraints": SSD, "iteration": 3},
        "pending",
        (0, 0),
        "waits for a place",
    ),
    "a job, done on a node that was drained since": (
        {
            "tasks": [task("a", "complete", slot=0, iteration=3)],
            "mode": GLOBAL_JOB,
            "iteration": 3,
            "nodes": [node("n1", availability="drain")],
        },
        "converged",
        (1, 1),
        "",
    ),
    "a job, done there, makes up for none": (
        {
            "tasks": [task("a", "complete", slot=0, iteration=3)],
            "mode": GLOBAL_JOB,
            "iteration": 3,
            "nodes": [node("n1", availability="drain"), node("n2")],
        },
        "pending",
        (1, 2),
        "",
    ),
    "two of one slot are one": ({"tasks": [GOOD[0], task("c")]}, "pending", (1, 2), ""),
    "more than asked for": (
        {"tasks": GOOD, "replicas": 1},
        "pending",
        (2, 1),
        "more tasks run than it is to have",
    ),
}


@pytest.mark.fault("B1")
@pytest.mark.parametrize(
    ("given", "word", "places", "piece"), PLACES_COUNTED.values(), ids=PLACES_COUNTED
)
def test_places_are_counted_not_tasks(
    given: dict[str, Any], word: str, places: tuple[int, int], piece: str
) -> None:
    result = look(**given)["web"]
    assert (result.verdict, (result.running, result.desired)) == (word, places)
    assert piece in result.message


@pytest.mark.fault("B1")
def test_a_global_service_without_a_node_is_not_waited_for_all_the_time() -> None:
    watch = Watch("shop", {"web": 7}, started=NOW - 60)
    one = service(mode=GLOBAL, constraints=SSD)
    finals = [
        watch.look(Snapshot([one], [], frozenset(), NODES, NOW - 60 + at))["web"].final
        for at in (0, 29, 30)
    ]
    assert finals == [False, False, True]


def test_a_good_service_in_detail() -> None:
    result = look(GOOD)["web"]
    assert result.nodes == ("host-n1", "host-n2")
    assert result.digest == "sha256:" + "a" * 64
    assert (result.desired, result.last_error, result.failed_task) == (2, None, None)
    assert describe("web", result, 12.4) == (
        "web: converged, 2/2 on host-n1, host-n2, 2@sha256:aaaaaaaaaaaa, after 12 s"
    )


def test_the_reason_of_a_rollback_outlives_the_rollback() -> None:
    named = "abcdefghijklmnopqrstuvwxy"
    reason = f"update rolled back due to failure or early termination of task {named}"
    culprit = task(named, "failed", age=10, err="task: non-zero exit (1)", node="n2")
    watch = Watch("shop", started=NOW - 60)
    for state, message in (("rollback_started", reason), ("rollback_completed", "completed")):
        result = watch.look(
            Snapshot(
                services=[service(state, message=message)],
                tasks=[*GOOD, culprit, task("later", "failed", age=1, err="another")],
                current=frozenset({"a", "b"}),
                nodes=NODES,
                now=NOW,
            )
        )["web"]
    assert (result.verdict, result.final, result.message) == ("rolled_back", True, reason)
    assert result.failed_task == named
    assert result.last_error == "task: non-zero exit (1) (on host-n2)"


ERRORS: dict[str, tuple[dict[str, Any], str | None]] = {
    "the engine's words": (
        task("f", "failed", err="task: non-zero exit (1)"),
        "exit (1) (on host-n1)",
    ),
    "rejected": (task("f", "rejected", err="No such image: web:9"), "No such image: web:9"),
    "silent exit": (task("f", "complete", exit=0), "ended by itself with exit code 0"),
    "exit code only": (task("f", "failed", exit=137), "exit code 137"),
}


@pytest.mark.parametrize(("failed", "text"), ERRORS.values(), ids=ERRORS)
def test_last_error(failed: dict[str, Any], text: str) -> None:
    result = look([GOOD[0], failed | {"Slot": 2}])["web"]
    assert text in (result.last_error or "")


CHECKED = {"Test": ["CMD", "check"], "Interval": 5 * 10**9, "Retries": 3}
EXITS: dict[str, tuple[float, dict[str, Any] | None, str]] = {
    "at once": (2, CHECKED, "the process ended by itself with exit code 0"),
    "late enough to have been unhealthy": (
        20,
        CHECKED,
        "exit code 0 after 20 s: its health check failed and Swarm stopped it, "
        "or the process ended by itself",
    ),
    "late, without a health check": (20, None, "the process ended by itself with exit code 0"),
    "late, the check is off": (
        20,
        {"Test": ["NONE"]},
        "the process ended by itself with exit code 0",
    ),
}


@pytest.mark.parametrize(("lived", "check", "text"), EXITS.values(), ids=EXITS)
def test_a_silent_exit(lived: float, check: dict[str, Any] | None, text: str) -> None:
    found = service("rollback_completed")
    found["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = check
    failed = task("f", "complete", exit=0, age=10, created=10 + lived)
    result = look([], [failed, *OLD], services=[found])["web"]
    assert result.last_error == f"{text} (on host-n1)"


def test_what_never_ran_has_no_log() -> None:
    waiting = task("b", "pending", slot=2, node="", err="no suitable node")
    assert look([GOOD[0], waiting])["web"].failed_task is None


def test_a_failure_before_the_update_does_not_explain_it() -> None:
    before = task("f", "failed", age=500, created=600, err="of the release before")
    result = look(GOOD, old=[before], update="rollback_completed")["web"]
    assert result.last_error is None


def test_only_services_asked_for() -> None:
    assert list(look(GOOD, wanted=["web", "api"])) == ["web", "api"]
    assert list(look(GOOD)) == ["web"]


def test_seconds_of_a_final_verdict_stand_still() -> None:
    watch = Watch("shop", started=NOW - 40)

    def snapshot(now: float, tasks: list[dict[str, Any]]) -> Snapshot:
        return Snapshot([service()], tasks, frozenset(t["ID"] for t in tasks), NODES, now)

    watch.look(snapshot(NOW - 30, GOOD[:1]))
    watch.look(snapshot(NOW - 10, GOOD))
    watch.look(snapshot(NOW, GOOD))
    assert watch.seconds("web") == 30.0
    watch.look(snapshot(NOW, GOOD[:1]))
    assert watch.seconds("web") == 40.0


HOMELESS = task("b", "pending", slot=2, node="", err="no suitable node (1 node not available)")
# Which services were updated, web's second task at each look, whether the last look is the last.
PLACES: dict[str, tuple[set[str], list[dict[str, Any]], bool]] = {
    "none": (set(), [HOMELESS] * 3, True),
    "it": ({"web"}, [HOMELESS] * 3, False),
    "another, whose old tasks give their room back": ({"db"}, [HOMELESS] * 3, False),
    "not for long": (set(), [HOMELESS] * 2, False),
    "now and then": (set(), [HOMELESS, GOOD[1], HOMELESS], False),
    "it has a place and starts": (set(), [task("b", "preparing", slot=2)] * 3, False),
}


@pytest.mark.fault("A1")
@pytest.mark.parametrize(("updated", "seconds", "final"), PLACES.values(), ids=PLACES)
def test_nobody_waits_for_a_node_that_is_away_and_that_nothing_here_brings_back(
    updated: set[str], seconds: list[dict[str, Any]], final: bool
) -> None:
    web, db = service(), {**service(), "ID": "other"}
    db["Spec"] = {**db["Spec"], "Name": "shop_db"}
    before = {name: 6 if name in updated else 7 for name in ("web", "db")}
    watch = Watch("shop", before=before, wanted=["web"], started=NOW - 60)
    for at, second in enumerate(seconds):
        tasks = [GOOD[0], second]
        current = frozenset(one["ID"] for one in tasks)
        snapshot = Snapshot([web, db], tasks, current, NODES, NOW - 60 + 16 * at)
        found = watch.look(snapshot)["web"]
    assert (found.verdict, found.final) == ("pending", final)


@pytest.mark.parametrize(
    ("words", "worst"),
    [
        (["converged", "converged"], "converged"),
        (["converged", "pending", "paused"], "paused"),
        (["rolled_back", "failed"], "failed"),
        (["paused", "rolled_back"], "rolled_back"),
        ([], "converged"),
    ],
    ids=["good", "paused", "failed", "rolled back", "no services"],
)
def test_overall(words: list[str], worst: str) -> None:
    assert overall(Result(word, True, 0, 0, "") for word in words) == worst


def test_demultiplex() -> None:
    framed = b"\1\0\0\0\0\0\0\3ab\n" + b"\2\0\0\0\0\0\0\2c\n"
    assert demultiplex(framed) == "ab\nc\n"
    assert demultiplex(framed[:-1]) == "ab\nc"
    assert demultiplex(b"terminal\n") == "terminal\n"
    assert demultiplex(b"") == ""


def test_epoch() -> None:
    assert epoch("2026-11-22T21:00:00.123456789Z") == pytest.approx(1795381200.123456)
    assert epoch("2026-11-22T21:00:00Z") == 1795381200
    assert epoch("0001-01-01T00:00:00Z") == 0
    assert epoch("") == 0


def test_every_verdict_has_a_rule() -> None:
    assert {row[1] for row in RULES.values()} == set(verdict.VERDICTS)


STORIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "good": (
        {
            "tasks": [
                task("a", age=50, created=56),
                task("b", slot=2, node="n2", age=30, created=37),
            ]
        },
        [
            "   0.0 s  web: the update begins",
            "  10.0 s  web.1 runs on host-n1, 6.0 s after its making",
            "  30.0 s  web.2 runs on host-n2, 7.0 s after its making",
        ],
    ),
    "bad": (
        {"tasks": [task("a", "failed", age=40, created=50, err="exit (1)"), *OLD]},
        ["   0.0 s  web: the update begins", "  20.0 s  web.1 ended on host-n1: exit (1)"],
    ),
    "waits": (
        {"tasks": [task("a", "pending", node="", age=40, created=50, err="no room")]},
        ["   0.0 s  web: the update begins", "  20.0 s  web.1 is pending: no room"],
    ),
    "not touched": ({"tasks": [task("a", age=50, created=56)], "before": {"web": 7}}, []),
}


@pytest.mark.parametrize(("given", "expected"), STORIES.values(), ids=STORIES)
def test_timeline(given: dict[str, Any], expected: list[str]) -> None:
    snapshot = Snapshot([service("completed")], given["tasks"], frozenset(), NODES, NOW)
    watch = Watch("shop", given.get("before", {"web": 3}))
    assert watch.timeline(snapshot) == expected


def test_what_was_moving_at_a_look_is_judged_to_its_end() -> None:
    watch = Watch("shop", {"web": 7})
    tasks = [GOOD[0], OLD[1]]

    def look_at(update: str) -> Result:
        snapshot = Snapshot([service(update)], tasks, frozenset({"a"}), NODES, NOW)
        return watch.look(snapshot)["web"]

    assert look_at("updating").verdict == "pending"
    assert look_at("paused").verdict == "paused"


# Each row: tasks of the present spec, the version index before, whether one look is enough.
SETTLED: dict[str, tuple[list[dict[str, Any]], int, bool]] = {
    "all run": (GOOD, 7, True),
    "one is missing": (GOOD[:1], 7, False),
    "one is young, and its service was updated": (
        [GOOD[0], task("b", slot=2, age=1, created=1)],
        6,
        False,
    ),
    "none runs": ([], 7, False),
}


@pytest.mark.parametrize(("tasks", "before", "enough"), SETTLED.values(), ids=SETTLED)
def test_settled(tasks: list[dict[str, Any]], before: int, enough: bool) -> None:
    ids = frozenset(one["ID"] for one in tasks)
    watch = Watch("shop", {"web": before}, started=NOW)
    outcome = settled(watch, Snapshot([service()], tasks, ids, NODES, NOW))
    assert (outcome is not None) == enough
    if outcome:
        assert (outcome["verdict"], outcome["timeline"]) == ("converged", [])
        assert outcome["services"]["web"]["running"] == 2


# Without a health check nothing but time says that a task is well; Swarm's monitor is 5 s unless a
# service names another.
BLIND: dict[str, tuple[float, float | None, dict[str, Any], str]] = {
    "it would have died after 8 s": (7, None, {}, "pending"),
    "it has lived longer than that": (11, None, {}, "converged"),
    "the monitor is not over": (20, 30, {}, "pending"),
    "the monitor is over": (31, 30, {}, "converged"),
    "completed, says Swarm, after its 5 s": (7, None, {"update": "completed"}, "pending"),
    "with a health check": (4, 30, {"health": True}, "converged"),
}


@pytest.mark.fault("B6")
@pytest.mark.parametrize(("age", "monitor", "more", "word"), BLIND.values(), ids=BLIND)
def test_without_a_health_check(
    age: float, monitor: float | None, more: dict[str, Any], word: str
) -> None:
    found = service(**more)
    if monitor:
        found["Spec"]["UpdateConfig"] = {"Monitor": int(monitor * 1e9)}
    tasks = [task("a", slot=1, age=age), task("b", slot=2, age=age)]
    assert look(tasks, services=[found])["web"].verdict == word


WAITS: dict[str, tuple[float, float, str, bool]] = {
    "five failures in 24 s, for a database that needs 40": (24, 90, "failed", False),
    "it has had its time": (91, 90, "failed", True),
    "no patience": (24, 0, "failed", True),
}


@pytest.mark.fault("B6")
@pytest.mark.parametrize(("since", "patience", "word", "final"), WAITS.values(), ids=WAITS)
def test_patience(since: float, patience: float, word: str, final: bool) -> None:
    watch = Watch("shop", {}, started=NOW - since, patience=patience)
    tasks = [GOOD[0], *(one | {"Slot": 2} for one in CRASHES)]
    snapshot = Snapshot([service()], tasks, frozenset(t["ID"] for t in tasks), NODES, NOW)
    result = watch.look(snapshot)["web"]
    assert (result.verdict, result.final) == (word, final)


def crashing(*ages: float) -> list[dict[str, Any]]:
    return [task(f"e{age}", "failed", slot=2, age=age, created=age + 3) for age in ages]


ILL: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "all is well": (GOOD, None),
    "a task is missing": (GOOD[:1], "web: pending, 1/2"),
    "no place for one": (
        [GOOD[0], task("b", "pending", slot=2, node="", err="no suitable node")],
        "no suitable node",
    ),
    "it runs just now": ([*GOOD, *crashing(60, 120)], "end again and again"),
    "it ended once": ([*GOOD, *crashing(60)], None),
    "that was long ago": ([*GOOD, *crashing(700, 800)], None),
}


@pytest.mark.fault("B1")
@pytest.mark.parametrize(("tasks", "piece"), ILL.values(), ids=ILL)
def test_what_is_ill_before_a_release(tasks: list[dict[str, Any]], piece: str | None) -> None:
    snapshot = Snapshot([service()], tasks, frozenset(t["ID"] for t in tasks), NODES, NOW)
    found = verdict.ill("shop", ["web", "not there"], snapshot)
    assert list(found) == (["web"] if piece else [])
    assert (piece or "") in found.get("web", "")


@pytest.mark.fault("B1")
def test_the_verdict_leaves_aside_what_was_ill_before() -> None:
    watch = Watch("shop", {}, started=NOW - 20)
    results = {
        "web": Result("converged", True, 2, 2, "all tasks run"),
        "sick": Result("failed", False, 2, 0, "its tasks fail"),
        "recovered": Result("converged", True, 1, 1, "all tasks run"),
    }
    watch._since = dict.fromkeys(results, ("", NOW))
    made = verdict.outcome(watch, results, {}, [], 1.0, ["sick", "recovered"])
    assert (made["verdict"], made["ill_before"]) == ("converged", ["sick"])
    assert made["services"]["sick"]["verdict"] == "failed"
    assert verdict.outcome(watch, results, {}, [], 1.0)["verdict"] == "failed"
