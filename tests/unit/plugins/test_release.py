"""Records of releases, drift, and the plan of a deployment."""

from __future__ import annotations

import base64
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.monsterstack.swarm.plugins.module_utils import compose, release

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64

COMPOSE: dict[str, Any] = {
    "services": {
        "web": {
            "image": f"reg:5000/web:1@{A}",
            "environment": {"X": "1"},
            "networks": {"net": None},
            "secrets": [{"source": "db", "target": "db"}],
            "deploy": {"replicas": 3},
        }
    },
    "networks": {"net": {"driver": "overlay"}, "other": {}},
    "secrets": {"db": {"name": "shop_db_1", "external": True}},
}


def service(image: str = f"reg:5000/web:1@{A}", replicas: int = 3, **more: Any) -> dict[str, Any]:
    return {
        "Version": {"Index": 5},
        "Spec": {
            "Name": "shop_web",
            "Labels": {"com.docker.stack.image": image, **more.get("labels", {})},
            "Mode": {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {
                "ContainerSpec": {"Image": image, "Env": more.get("env", ["X=1"])},
                "ForceUpdate": more.get("force", 0),
            },
        },
    }


def changed(*path: str, value: Any) -> dict[str, Any]:
    """COMPOSE with one thing replaced."""
    document = copy.deepcopy(COMPOSE)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def record(**more: Any) -> release.Record:
    running = release.running_state([service()], "shop")
    given: dict[str, Any] = {"tag": "1", "verdict": "converged", "who": "ann", "when": "now"}
    made = release.make_record(1, "shop", running, COMPOSE, None, secrets=["shop_db_1"], **given)
    return {**made, **more}


SPECS = {
    "image": (service(image=f"reg:5000/web:2@{B}"), True),
    "replicas": (service(replicas=9), True),
    "a forced restart": (service(force=3), True),
    "environment": (service(env=["X=2"]), False),
    "a label": (service(labels={"a": "b"}), False),
}


@pytest.mark.parametrize(("other", "same"), SPECS.values(), ids=SPECS)
def test_spec_hash(other: dict[str, Any], same: bool) -> None:
    before = json.dumps(other)
    assert (release.spec_hash(other["Spec"]) == release.spec_hash(service()["Spec"])) == same
    assert json.dumps(other) == before


HASHES = {
    "image": (changed("services", "web", "image", value="web:2"), True),
    "replicas": (changed("services", "web", "deploy", "replicas", value=9), True),
    "a network that it does not use": (changed("networks", "other", value={"x": 1}), True),
    "environment": (changed("services", "web", "environment", "X", value="2"), False),
    "its network": (changed("networks", "net", "driver", value="bridge"), False),
    "a rotated secret": (changed("secrets", "db", "name", value="shop_db_2"), False),
}


@pytest.mark.parametrize(("document", "same"), HASHES.values(), ids=HASHES)
def test_config_hash(document: dict[str, Any], same: bool) -> None:
    assert (release.config_hashes(document) == release.config_hashes(COMPOSE)) == same


IMAGES = {
    "the same": (f"r/web:1@{A}", f"r/web:1@{A}", True),
    "another digest": (f"r/web:1@{B}", f"r/web:1@{A}", False),
    "another tag of one digest": (f"r/web:2@{A}", f"r/web:1@{A}", False),
    "no digest asked for": ("r/web:1", f"r/web:1@{A}", True),
    "another tag": ("r/web:2", f"r/web:1@{A}", False),
    "another name": ("r/api:1", f"r/web:1@{A}", False),
    "latest": ("redis", "redis:latest", True),
}


@pytest.mark.parametrize(("wanted", "running", "same"), IMAGES.values(), ids=IMAGES)
def test_same_image(wanted: str, running: str, same: bool) -> None:
    assert release.same_image(wanted, running) == same


DRIFT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "none": (service(), []),
    "restarted by hand": (service(force=1), []),
    "image": (service(image=f"reg:5000/web:2@{B}"), ["image"]),
    "scaled": (service(replicas=5), ["replicas"]),
    "environment": (service(env=[]), ["spec"]),
}


@pytest.mark.parametrize(("running", "expected"), DRIFT.values(), ids=DRIFT)
def test_drift(running: dict[str, Any], expected: list[str]) -> None:
    state = release.running_state([running], "shop")
    assert release.drift("web", state["web"], record()) == expected
    assert release.drift("web", state["web"], None) == []


NEW_IMAGE = changed("services", "web", "image", value=f"reg:5000/web:2@{B}")
PLANS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Any, str, list[str], str]] = {
    "new": (COMPOSE, [], None, "new", [], f"web: new (web:1@{A[:19]})"),
    "unchanged": (COMPOSE, [service()], record(), "unchanged", [], ""),
    "image": (
        NEW_IMAGE,
        [service()],
        record(),
        "changed",
        ["image"],
        f"web: changed (image web:1@{A[:19]} -> web:2@{B[:19]})",
    ),
    "replicas": (
        changed("services", "web", "deploy", "replicas", value=6),
        [service()],
        record(),
        "changed",
        ["replicas"],
        "web: changed (replicas 3 -> 6)",
    ),
    "config": (
        changed("services", "web", "environment", "X", value="2"),
        [service()],
        record(),
        "changed",
        ["config"],
        "web: changed (configuration)",
    ),
    "drift": (
        COMPOSE,
        [service(env=[])],
        record(),
        "changed",
        ["drift"],
        "web: changed (does not run as the last good release left it)",
    ),
    "never recorded": (
        COMPOSE,
        [service()],
        None,
        "changed",
        ["config"],
        "web: changed (configuration)",
    ),
}


@pytest.mark.parametrize(
    ("document", "services", "last", "action", "reasons", "line"), PLANS.values(), ids=PLANS
)
def test_plan(
    document: dict[str, Any],
    services: list[dict[str, Any]],
    last: Any,
    action: str,
    reasons: list[str],
    line: str,
) -> None:
    entries = release.plan(document, release.running_state(services, "shop"), last)
    assert (entries["web"]["action"], entries["web"]["reasons"]) == (action, reasons)
    assert release.plan_lines(entries) == ([line] if line else [])


def test_plan_of_a_service_that_is_gone() -> None:
    other = {"services": {"api": {"image": "api:1"}}}
    entries = release.plan(other, release.running_state([service()], "shop"), record())
    assert {name: entry["action"] for name, entry in entries.items()} == {
        "api": "new",
        "web": "removed",
    }


def test_a_global_service_has_no_replicas_to_differ_in() -> None:
    running = service()
    running["Spec"]["Mode"] = {"Global": {}}
    document = changed("services", "web", "deploy", value={"mode": "global"})
    state = release.running_state([running], "shop")
    assert state["web"]["replicas"] is None
    assert "replicas" not in release.plan(document, state, record())["web"]["reasons"]


def test_a_record_tells_what_runs_and_borrows_the_rest() -> None:
    running = release.running_state([service(replicas=6)], "shop")
    given: dict[str, Any] = {"tag": None, "verdict": "converged", "who": "bob", "when": "later"}
    made = release.make_record(2, "shop", running, None, record(), secrets=None, **given)
    assert made["replicas"] == {"web": 6}
    assert (made["tag"], made["secrets"], made["compose"]) == ("1", ["shop_db_1"], COMPOSE)
    assert made["config_hashes"] == release.config_hashes(COMPOSE)
    assert release.known_as(made, [record()]) is None


FAILED = {"verdict": "rolled_back", "number": 2}
KNOWN: dict[str, tuple[release.Record, list[release.Record], int | None]] = {
    "the first": (record(), [], None),
    "the same by another at another time": (
        record(number=2, who="bob", when="later"),
        [record()],
        1,
    ),
    "verdict": (record(verdict="rolled_back"), [record()], None),
    "tag": (record(tag="2"), [record()], None),
    "secrets": (record(secrets=["shop_db_2"]), [record()], None),
    "again after a failed attempt": (record(number=3), [record(**FAILED), record()], 1),
    "failed again": (record(**FAILED), [record(**FAILED), record()], 2),
}


@pytest.mark.parametrize(("new", "records", "number"), KNOWN.values(), ids=KNOWN)
def test_known_as(new: release.Record, records: list[release.Record], number: int | None) -> None:
    assert (release.known_as(new, records) or {}).get("number") == number


def test_records_are_read_newest_first_and_the_current_one_converged() -> None:
    def config(number: int, verdict: str) -> dict[str, Any]:
        data = json.dumps(record(number=number, verdict=verdict)).encode()
        labels = {release.RELEASE_LABEL: str(number)}
        return {"Spec": {"Labels": labels, "Data": base64.b64encode(data).decode()}}

    foreign = {"Spec": {"Labels": {}, "Data": "eA=="}}
    records = release.read_records(
        [config(2, "converged"), foreign, config(10, "rolled_back"), config(9, "converged")]
    )
    assert [entry["number"] for entry in records] == [10, 9, 2]
    assert (release.current_record(records) or {})["number"] == 9
    assert release.current_record([]) is None


PRUNE: dict[str, tuple[list[tuple[int, str]], int, list[int]]] = {
    "few": ([(2, "converged"), (1, "converged")], 10, []),
    "too many": ([(3, "converged"), (2, "converged"), (1, "converged")], 2, [1]),
    "the current one stays": ([(3, "failed"), (2, "failed"), (1, "converged")], 1, [2]),
}


@pytest.mark.parametrize(("given", "keep", "expected"), PRUNE.values(), ids=PRUNE)
def test_prune(given: list[tuple[int, str]], keep: int, expected: list[int]) -> None:
    records = [record(number=number, verdict=verdict) for number, verdict in given]
    assert release.to_prune(records, keep) == expected


def test_a_public_record_has_no_compose_file() -> None:
    assert "compose" not in (release.public(record()) or {})
    assert release.public(None) is None


TAGGED = {**record(), "number": 1, "tag": "1", "images": {"web": f"reg:5000/web:1@{A}"}}


def history(*rows: tuple[str, str]) -> list[release.Record]:
    """Records, oldest first given as (tag, verdict), newest first returned."""
    records = [
        {**TAGGED, "number": n, "tag": tag, "verdict": verdict, "images": {"web": f"web:{tag}@{A}"}}
        for n, (tag, verdict) in enumerate(rows, 1)
    ]
    return records[::-1]


GOOD, BAD = "converged", "rolled_back"
PREVIOUS: dict[str, tuple[list[tuple[str, str]], int | None]] = {
    "none at all": ([], None),
    "only one": ([("1", GOOD)], None),
    "the one before": ([("1", GOOD), ("2", GOOD)], 1),
    "not a bad one": ([("1", GOOD), ("2", BAD), ("3", GOOD)], 1),
    "not what is newer than the current": ([("1", GOOD), ("2", GOOD), ("3", BAD)], 1),
    "past a scaling of the same images": ([("1", GOOD), ("2", GOOD), ("2", GOOD)], 1),
    "after a rollback nothing good is behind": ([("1", GOOD), ("2", GOOD), ("1", GOOD)], None),
    "two steps back": ([("1", GOOD), ("2", GOOD), ("3", GOOD), ("2", GOOD)], 1),
    "all the way back": (
        [("1", GOOD), ("2", GOOD), ("3", GOOD), ("2", GOOD), ("1", GOOD)],
        None,
    ),
    "on from where it went back to": ([("1", GOOD), ("2", GOOD), ("1", GOOD), ("3", GOOD)], 3),
    "what was rolled back from, by its number": (
        [("1", GOOD), ("2", GOOD), ("1", GOOD), ("2", GOOD)],
        3,
    ),
    "past what was left on the way": (
        [("1", GOOD), ("2", GOOD), ("3", GOOD), ("2", GOOD), ("1", GOOD), ("3", GOOD)],
        5,
    ),
    "a failed attempt after a rollback": (
        [("1", GOOD), ("2", GOOD), ("1", GOOD), ("3", BAD)],
        None,
    ),
    "nothing good": ([("1", BAD), ("2", BAD)], None),
}


@pytest.mark.fault("B2")
@pytest.mark.parametrize("told", [False, True], ids=["by their images", "as recorded"])
@pytest.mark.parametrize(("rows", "number"), PREVIOUS.values(), ids=PREVIOUS)
def test_where_a_rollback_leads(
    rows: list[tuple[str, str]], number: int | None, told: bool
) -> None:
    records = history(*rows)
    if told:
        # Written one after the other, as releases are; those of earlier versions do not tell it.
        written: list[release.Record] = []
        for record in reversed(records):
            written.insert(0, release.placed(record, written))
        records = written
    found = release.previous_record(records)
    assert (found["number"] if found else None) == number


@pytest.mark.fault("B2")
def test_forgetting_old_releases_makes_no_way_forward() -> None:
    written: list[release.Record] = []
    for record in reversed(history(("1", GOOD), ("2", GOOD), ("1", GOOD))):
        written.insert(0, release.placed(record, written))
    assert release.previous_record(written[:2]) is None


def test_scaling_does_not_take_the_way_back() -> None:
    scaled = [("3", GOOD)] * 4
    records = history(("1", GOOD), ("2", GOOD), ("x", BAD), *scaled)
    assert release.to_prune(records, 3) == [4, 3, 1]


def test_history_for_people() -> None:
    newest, current, _oldest = release.history_lines(history(("1", GOOD), ("2", GOOD), ("3", BAD)))
    assert newest.startswith("  3: 3, rolled_back, now by ann: web 3@sha256:")
    assert current.startswith("* 2: 2, converged")


def test_a_failed_release_is_recorded_as_what_was_to_run() -> None:
    document = changed("services", "web", "image", value=f"reg:5000/web:2@{B}")
    running = release.running_state([service()], "shop")
    given: dict[str, Any] = {"tag": "2", "who": "", "when": "", "secrets": []}
    bad = release.make_record(2, "shop", running, document, None, verdict=BAD, **given)
    assert bad["images"] == {"web": f"reg:5000/web:2@{B}"}
    good = release.make_record(2, "shop", running, document, None, verdict=GOOD, **given)
    assert good["images"] == {"web": f"reg:5000/web:1@{A}"}


SCALES: dict[str, tuple[dict[str, Any], dict[str, int], dict[str, Any]]] = {
    "nothing": ({}, {}, {}),
    "asked": ({}, {"web": 6}, {"web": {"replicas": 6, "instead_of": 3}}),
    "kept": (
        {"web": {"replicas": 6, "instead_of": 3}},
        {},
        {"web": {"replicas": 6, "instead_of": 3}},
    ),
    "asked anew": (
        {"web": {"replicas": 6, "instead_of": 3}},
        {"web": 4},
        {"web": {"replicas": 4, "instead_of": 3}},
    ),
    "asked back to the inventory's": ({"web": {"replicas": 6, "instead_of": 3}}, {"web": 3}, {}),
    "the inventory has said something newer": ({"web": {"replicas": 6, "instead_of": 2}}, {}, {}),
    "a service that is gone": ({"old": {"replicas": 6, "instead_of": 3}}, {}, {}),
    "no replicas to scale": ({}, {"db": 2}, {}),
}


@pytest.mark.parametrize(("recorded", "asked", "wanted"), SCALES.values(), ids=SCALES)
def test_kept_scale(
    recorded: dict[str, Any], asked: dict[str, int], wanted: dict[str, Any]
) -> None:
    settings = {"port": 80, "web": {"replicas": 3}, "db": {"memory": 1}}
    assert release.kept_scale(settings, recorded, asked) == wanted


def test_scale_is_recorded_and_lent() -> None:
    running = release.running_state([service()], "shop")
    given: dict[str, Any] = {"tag": "1", "verdict": GOOD, "who": "", "when": "", "secrets": []}
    scale = {"web": {"replicas": 6, "instead_of": 3}}
    first = release.make_record(1, "shop", running, COMPOSE, None, scale=scale, **given)
    assert first["scale"] == scale
    assert release.make_record(2, "shop", running, None, first, **given)["scale"] == scale
    assert release.make_record(2, "shop", running, None, first, scale={}, **given)["scale"] == {}


@pytest.mark.fault("B11")
def test_no_version_is_recorded_put_back_or_laid_over() -> None:
    old = {"version": "3.8", **COMPOSE}
    running = release.running_state([service()], "shop")
    given: dict[str, Any] = {"tag": "1", "verdict": GOOD, "who": "", "when": "", "secrets": []}
    made = release.make_record(1, "shop", running, old, None, **given)
    lent = release.make_record(2, "shop", running, None, {**made, "compose": old}, **given)
    overlay = {"services": {"web": {"deploy": {"update_config": {"parallelism": 2}}}}}
    for document in (
        made["compose"],
        lent["compose"],
        release.redeployable(old),
        compose.load(release.paced(old, overlay)),
    ):
        assert "version" not in document
    assert made["compose_sha256"] == lent["compose_sha256"]


@pytest.mark.fault("B11")
def test_a_pace_lies_over_the_whole_file() -> None:
    document = changed("services", "web", "environment", "X", value="$HOME 1e3")
    usual = {"parallelism": 2, "delay": "1s", "order": "start-first"}
    document["services"]["web"]["deploy"]["update_config"] = usual
    overlay = {"services": {"web": {"deploy": {"update_config": {**usual, "delay": "45s"}}}}}
    found = compose.load(release.paced(document, overlay))
    deploy = found["services"]["web"]["deploy"]
    assert deploy == {"replicas": 3, "update_config": {**usual, "delay": "45s"}}
    assert found["services"]["web"]["environment"]["X"] == "$$HOME 1e3"


@pytest.mark.fault("B1")
def test_what_a_release_takes_out_is_no_part_of_its_record() -> None:
    extra = service()
    extra["Spec"]["Name"] = "shop_old"
    running = release.running_state([service(), extra], "shop")
    given: dict[str, Any] = {"tag": "1", "verdict": GOOD, "who": "", "when": "", "secrets": []}
    made = release.make_record(1, "shop", running, COMPOSE, None, **given)
    for key in ("images", "replicas", "spec_hashes", "config_hashes"):
        assert list(made[key]) == ["web"], key


HEALTH = {"test": ["CMD", "x"], "interval": "5s", "timeout": "3s", "retries": 4}
DEFAULT_PACE = {"parallelism": 1, "delay": "15s", "monitor": "40s", "order": "start-first"}


def deployed(replicas: int = 3, health: Any = None, **update: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"image": "web:2"}
    body["deploy"] = {"replicas": replicas, "update_config": {**DEFAULT_PACE, **update}}
    body["healthcheck"] = {**HEALTH, "start_period": "60s"} if health is None else health
    return {"services": {"web": body}}


SLOW = {**DEFAULT_PACE, "delay": "90s"}
# Until a task is healthy at the latest: 5 + 60 + 5 x 4 + 3 = 88 s, 5 without a health check.
NEEDED: dict[str, tuple[dict[str, Any], str, dict[str, Any] | None, float]] = {
    "12 replicas at MonsterStack's pace": (deployed(12), "changed", None, 12 * 103 + 40),
    "4 at once": (deployed(12, parallelism=4), "changed", None, 3 * 103 + 40),
    "all at once": (deployed(12, parallelism=0, delay="90s"), "changed", None, 178 + 40),
    "old tasks stop first": (deployed(6, order="stop-first"), "changed", None, 6 * 113 + 40),
    "no health check": (deployed(12, health={}), "changed", None, 12 * 20 + 40),
    "a canary's pause": (deployed(6), "changed", SLOW, 6 * 178 + 40),
    "new": (deployed(12), "new", None, 300 - 120),
    "untouched": (deployed(12), "unchanged", None, 300 - 120),
    "small": (deployed(1), "changed", None, 300 - 120),
}


@pytest.mark.fault("B5")
@pytest.mark.parametrize(("document", "action", "pace", "least"), NEEDED.values(), ids=NEEDED)
def test_seconds_needed(
    document: dict[str, Any], action: str, pace: dict[str, Any] | None, least: float
) -> None:
    overlay = {"services": {"web": {"deploy": {"update_config": pace}}}} if pace else None
    found = release.seconds_needed(document, {"web": {"action": action}}, overlay)
    assert found == least + release.SPARE_SECONDS


@pytest.mark.fault("B5")
def test_a_global_service_goes_from_node_to_node() -> None:
    document = deployed()
    document["services"]["web"]["deploy"]["mode"] = "global"
    entries = {"web": {"action": "changed"}}
    assert release.seconds_needed(document, entries, nodes=7) == 7 * 103 + 40 + 120


def test_redeployable() -> None:
    document = changed("services", "web", "healthcheck", value={"test": ["CMD-SHELL", "a $(b) $c"]})
    result = release.redeployable(document, {"db": "shop_db_2", "new": "shop_new_1"}, {"web": 6})
    assert result["services"]["web"]["healthcheck"]["test"] == ["CMD-SHELL", "a $$(b) $$c"]
    assert result["secrets"] == {"db": {"name": "shop_db_2", "external": True}}
    assert result["services"]["web"]["deploy"]["replicas"] == 6
    assert document["services"]["web"]["deploy"]["replicas"] == 3
    assert release.redeployable(COMPOSE) == COMPOSE


@pytest.mark.parametrize(
    ("path", "value", "watched"),
    [
        (("services", "web", "image"), f"reg:5000/web:2@{B}", True),
        (("services", "web", "environment"), {"X": "2"}, True),
        (("services", "web", "deploy", "replicas"), 4, False),
        (("services", "web", "image"), f"reg:5000/web:1@{A}", False),
    ],
    ids=["another image", "another configuration", "only more of them", "nothing"],
)
def test_canary_overlay(path: tuple[str, ...], value: Any, watched: bool) -> None:
    document = changed(*path, value=value)
    usual = {"parallelism": 2, "delay": "1s", "failure_action": "rollback", "order": "start-first"}
    document["services"]["web"]["deploy"]["update_config"] = usual
    before = changed("services", "web", "deploy", value={"replicas": 3, "update_config": usual})
    known = {**record(), "config_hashes": release.config_hashes(before)}
    running = release.running_state([service()], "shop")
    overlay = release.pace(document, release.plan(document, running, known), canary_seconds=45)
    if not watched:
        assert overlay is None
        return
    assert overlay is not None
    config = overlay["services"]["web"]["deploy"]["update_config"]
    assert config == {**usual, "parallelism": 1, "delay": "45s"}


def test_no_canary_of_a_single_task() -> None:
    document = changed("services", "web", "image", value=f"reg:5000/web:2@{B}")
    document["services"]["web"]["deploy"]["replicas"] = 1
    running = release.running_state([service(replicas=1)], "shop")
    plan = release.plan(document, running, record())
    assert release.pace(document, plan, canary_seconds=45) is None


PACES: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "the usual": ({}, None),
    "several at once": ({"serial": 2}, {"order": "start-first", "parallelism": 2}),
    "a canary goes alone": (
        {"serial": 2, "canary_seconds": 9},
        {"order": "start-first", "parallelism": 1, "delay": "9s"},
    ),
}


@pytest.mark.parametrize(("asked", "expected"), PACES.values(), ids=PACES)
def test_pace(asked: dict[str, Any], expected: dict[str, Any] | None) -> None:
    document = changed("services", "web", "image", value=f"reg:5000/web:2@{B}")
    document["services"]["web"]["deploy"]["update_config"] = {"order": "start-first"}
    running = release.running_state([service()], "shop")
    overlay = release.pace(document, release.plan(document, running, record()), **asked)
    found = overlay and overlay["services"]["web"]["deploy"]["update_config"]
    assert found == expected


RECORDED = json.loads((Path(__file__).parent / "recorded" / "releases.json").read_text())


def recorded(stack: str) -> tuple[list[release.Record], dict[str, dict[str, Any]]]:
    """A stack as a cluster of release 0.1.0's first code had it: its releases and what ran."""
    label = "com.docker.stack.namespace"
    configs = [c for c in RECORDED["configs"] if c["Spec"]["Labels"].get(label) == stack]
    services = [s for s in RECORDED["services"] if s["Spec"]["Labels"].get(label) == stack]
    return release.read_records(configs), release.running_state(services, stack)


@pytest.mark.parametrize(("stack", "numbers"), [("monsterstack", [1]), ("tiny", [4, 3, 2, 1])])
def test_releases_of_earlier_versions_are_read(stack: str, numbers: list[int]) -> None:
    records, running = recorded(stack)
    assert [record["number"] for record in records] == numbers
    current = release.current_record(records)
    assert current is not None
    assert current["number"] == numbers[0]
    again = release.redeployable(current["compose"])
    assert "version" not in again
    # Taken over as it is: nothing is deployed, nothing drifts.
    entries = release.plan(current["compose"], running, current)
    assert {entry["action"] for entry in entries.values()} == {"unchanged"}
    assert not any(release.drift(name, one, current) for name, one in running.items())
    given: dict[str, Any] = {"tag": None, "secrets": None, "verdict": GOOD, "who": "", "when": ""}
    made = release.make_record(
        numbers[0] + 1,
        stack,
        running,
        current["compose"],
        current,
        **given,
    )
    assert release.known_as(release.placed(made, records), records) == current


# What `docker stack deploy` prints, and whether it is worth another try.
REFUSALS: dict[str, tuple[str, bool]] = {
    "no leader": ("rpc error: code = Unknown desc = The swarm does not have a leader.", True),
    "the leader has gone": ("rpc error: code = Unavailable desc = transport is closing", True),
    "a slow manager": ("rpc error: code = DeadlineExceeded desc = context deadline", True),
    "another one wrote": ("rpc error: code = Unknown desc = update out of sequence", True),
    "below 4 MiB": (
        "rpc error: code = InvalidArgument desc = invalid memory value 2097152: Must be at least "
        "4MiB",
        False,
    ),
    "a mount twice": ("code = InvalidArgument desc = ContainerSpec: duplicate mount point", False),
    "no such network": ('network "x" is declared as external, but could not be found', False),
}


@pytest.mark.fault("A9")
@pytest.mark.parametrize(("text", "passes"), REFUSALS.values(), ids=REFUSALS)
def test_what_passes_by_itself(text: str, passes: bool) -> None:
    role = Path(__file__).parents[3] / "roles" / "stack" / "vars" / "main.yml"
    pattern = yaml.safe_load(role.read_text())["__stack_passes"]
    assert bool(re.search(pattern, text)) == passes
