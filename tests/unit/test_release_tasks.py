"""What a release decides, and when: its own tasks run here, on what the cluster said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playing import PROJECT, ansible_playbook

Task = dict[str, Any]


def tasks_of(playbook: str) -> Iterator[Task]:
    """The tasks of a playbook in the order in which they run, without those that it imports."""
    for play in yaml.safe_load((PROJECT / "playbooks" / playbook).read_text()):
        yield from play.get("tasks", [])


def takes_the_lock(task: Task) -> bool:
    return bool(task.get("monsterstack.swarm.stack_lock", {}).get("state") == "taken")


# Each row: the playbook, what is decided or written only when nobody else is at work.
DECIDED = {
    "where a rollback goes": ("rollback.yml", ("__stack_running", "__recorded")),
    "which values are replaced": ("rotate_secrets.yml", (".previous",)),
}


@pytest.mark.fault("A4")
@pytest.mark.parametrize(("playbook", "words"), DECIDED.values(), ids=DECIDED)
def test_it_is_decided_under_the_stacks_lock(playbook: str, words: tuple[str, ...]) -> None:
    """What was shown before the lock need not be what is done after it."""
    tasks = list(tasks_of(playbook))
    lock = next((number for number, task in enumerate(tasks) if takes_the_lock(task)), len(tasks))
    using = [
        number
        for number, task in enumerate(tasks)
        if any(word in json.dumps(task) for word in words)
    ]
    assert using
    assert lock <= min(using), [tasks[number]["name"] for number in using]


def canary_task() -> Task:
    (task,) = [
        task
        for task in yaml.safe_load((PROJECT / "roles/stack/tasks/plan.yml").read_text())
        if "canary" in task["name"] and "told" in task["name"]
    ]
    return dict(task)


CANARY = {"seconds": 30, "probe": {}}
RUNS = {"current": {"tag": "2.0", "number": 3}}
# Each host: what it knows, whether the release is refused.
HOSTS: dict[str, tuple[dict[str, Any], bool]] = {
    "same": ({}, True),
    "other": ({"stack_release_tag": "3.0"}, False),
    "first": ({"stack_running": {"current": None}}, False),
    "nothing": ({"__stack_plan": {"deploy_needed": False}}, False),
    "plain": ({"stack_canary": {}}, False),
}


@pytest.mark.fault("B4")
def test_a_canary_that_cannot_be_told_from_the_tasks_that_run(tmp_path: Path) -> None:
    """All answers had the version that was waited for before the first new task had begun."""
    given = {
        "stack_canary": CANARY,
        "stack_running": RUNS,
        "stack_release_tag": "2.0",
        "__stack_plan": {"deploy_needed": True},
        "ansible_connection": "local",
    }
    inventory = {
        "all": {"hosts": {name: {**given, **more} for name, (more, _bad) in HOSTS.items()}}
    }
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    play = {"hosts": "all", "gather_facts": False, "tasks": [canary_task()]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = ansible_playbook("-i", tmp_path / "hosts.json", tmp_path / "play.yml", timeout=90)
    refused = {name for name in HOSTS if f"fatal: [{name}]" in done.stdout}
    assert refused == {name for name, (_more, bad) in HOSTS.items() if bad}, done.stdout
    assert "2.0 runs already" in " ".join(done.stdout.split())
