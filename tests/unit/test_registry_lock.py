"""site.yml changes the registry's service, logins and secrets only with the cluster's lock.

Its own task runs here as a dry run, on what host_info said: it is skipped, or would look for locks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playing import PROJECT, ansible_playbook
from tests.unit.stand_ins import Stage

ROLE = PROJECT / "roles/registry"
LOGIN = {
    "registry_host": "registry.example.org",
    "registry_port": 443,
    "registry_user": "deploy",
    "registry_password": "not-a-real-one",
    "secret_key": "0123456789abcdef" * 4,
}


def plays() -> list[dict[str, Any]]:
    """Those of site.yml from its first one with roles on, and the one with the lock before them."""
    found: list[dict[str, Any]] = yaml.safe_load((PROJECT / "playbooks/site.yml").read_text())
    first = next(number for number, play in enumerate(found) if "roles" in play)
    return found[:first]


def lock_task() -> dict[str, Any]:
    """The task that locks the cluster for the registry, before any role has changed anything."""
    (task,) = [
        task
        for play in plays()
        for task in play.get("tasks", [])
        if task.get("ansible.builtin.import_role", {}).get("tasks_from") == "lock.yml"
    ]
    return dict(task)


def locks(tmp_path: Path, secrets: str, facts: dict[str, Any], **inputs: Any) -> bool:
    """Whether the lock is asked for; `secrets` and what is in `facts` may be templates."""
    given = {"secrets": secrets, "files": {}, "hosts_templates": {}, "hosts": {}, "stacks": {}}
    info = {**given, "swarm": {"control_available": True}, **facts}
    play = {
        "hosts": "managers",
        "gather_facts": False,
        # The role's own expressions, for what a run before this one has left.
        "vars_files": [str(ROLE / "vars/main.yml"), str(PROJECT / "playbooks/vars/common.yml")],
        "vars": {
            "stack_definition": {},
            "stacks_dir": str(PROJECT / "stacks"),
            "ansible_connection": "local",
            "registry_credentials_dir": str(tmp_path / "credentials"),
            "registry_secret_key": LOGIN["secret_key"],
            "registry_mode": "external",
            "__cluster_plan": {"primary": "m1"},
            "__host_info": info,
        },
        "tasks": [lock_task()],
    }
    source = tmp_path / "inventory/mine/hosts.json"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps({"managers": {"hosts": {"m1": {}}}}))
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    words = ["-e", json.dumps({**LOGIN, **inputs})]
    done = ansible_playbook("-i", source, tmp_path / "play.yml", "--check", *words, timeout=90)
    assert "Lock | The cluster" in done.stdout, done.stdout
    skipped = "skipping: [m1]" in done.stdout
    # Whether an engine is here, and what it says, is not asked for: a template that fails is.
    assert skipped or "the locks of the cluster: " in done.stdout or done.returncode == 0, (
        done.stdout
    )
    return not skipped


# The notes of this login: all services have it; all but `web`.
NOTE = "({'login': (__registry_login_parts + %s) | to_json | hash('sha256')}"
NOTE += " | monsterstack.swarm.secret_names('registry', registry_secret_key)).values() | list"
WHOLE, WAITED = ("{{ " + NOTE % waits + " }}" for waits in ("[]", "['web']"))


def stacks(*, image: str = "registry.example.org:443/shop/web:1", **more: Any) -> dict[str, Any]:
    """Facts: a service of a stack, and the registry that this project made before."""
    web = {"image": image, "mode": "replicated", "secrets": [], "under_way": False, **more}
    held = {**web, "image": "registry:2", "secrets": ["registry_key_0123456789ab"]}
    held["under_way"] = False
    return {"stacks": {"shop": {"services": {"web": web}}, "registry": {"services": {"old": held}}}}


# Each row: the secrets that Swarm has, further facts, inputs, whether the lock is wanted.
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any], bool]] = {
    "nothing to do": (WHOLE, {}, {}, False),
    "another login": ("{{ [] }}", {}, {}, True),
    "a secret of an earlier one": (
        "{{ " + NOTE % "[]" + " + ['registry_login_0123456789ab'] }}",
        {},
        {},
        True,
    ),
    "a secret that the registry of before mounts": (
        "{{ " + NOTE % "[]" + " + ['registry_key_0123456789ab'] }}",
        stacks(),
        {},
        False,
    ),
    "another of its secrets, which nobody mounts": (
        "{{ " + NOTE % "[]" + " + ['registry_key_0123456789ab', 'registry_key_ba9876543210'] }}",
        stacks(),
        {},
        True,
    ),
    "noted but for a service whose update has stopped": (WAITED, stacks(under_way=True), {}, False),
    "that update has ended": (WAITED, stacks(), {}, True),
    "all had it before that update": (WHOLE, stacks(under_way=True), {}, False),
    "an update that has nothing of this registry": (
        WHOLE,
        stacks(under_way=True, image="docker.io/library/redis:8"),
        {},
        False,
    ),
    "a registry to be made": (WHOLE, {}, {"registry_mode": "managed"}, True),
    "no cluster yet": ("{{ [] }}", {"swarm": {"control_available": False}}, {}, False),
}


@pytest.mark.fault("A4")
@pytest.mark.parametrize(("secrets", "facts", "inputs", "wanted"), ROWS.values(), ids=ROWS)
def test_the_registry_is_changed_with_the_clusters_lock(
    tmp_path: Path, secrets: str, facts: dict[str, Any], inputs: dict[str, Any], wanted: bool
) -> None:
    assert locks(tmp_path, secrets, facts, **inputs) is wanted


# After waiting for the lock

INFO = {
    "secrets": [],
    "files": {},
    "hosts_templates": {},
    "hosts": {},
    "stacks": {},
    "engine": {"installed": True, "running": True},
    "swarm": {"control_available": True},
}
PLAN = {"primary": "m1", "leader": "m1", "already": ["m1", "w1"], "silent": []}
# Each row: what stack_lock says, and whether what was seen before it still counts.
LOCKS: dict[str, tuple[dict[str, Any], bool]] = {
    "free": ({"waited": 0.0, "recovered": []}, True),
    "after another run": ({"waited": 4.2, "recovered": []}, False),
    "left by a run that was killed": ({"waited": 0.0, "recovered": [{"name": "x"}]}, False),
}


def first_tasks(playbook: str, name: str, tasks: int) -> dict[str, Any]:
    """A play with its first tasks; the stack's own file is not needed for them."""
    found = yaml.safe_load((PROJECT / "playbooks" / playbook).read_text())
    (play,) = [one for one in found if one["name"] == name]
    return {**play, "vars_files": ["vars/common.yml"], "tasks": play["tasks"][:tasks]}


@pytest.mark.fault("A4")
@pytest.mark.parametrize(("locked", "counts"), LOCKS.values(), ids=LOCKS)
@pytest.mark.parametrize("playbook", ["site.yml", "in_turn.yml"])
def test_what_was_seen_before_a_wait_does_not_count(
    tmp_path: Path, playbook: str, locked: dict[str, Any], counts: bool
) -> None:
    swarm = "monsterstack.swarm"
    stage = Stage(
        tmp_path,
        {
            f"{swarm}.stack_lock": [({}, locked)],
            f"{swarm}.host_info": [({}, INFO)],
            f"{swarm}.cluster_plan": [({}, PLAN)],
        },
    )
    if playbook == "site.yml":
        play = first_tasks(playbook, "What else changes in the running cluster", 2)
        options = ["--tags", "registry"]
    else:
        play = first_tasks(playbook, "Whose turn it is", 2)
        play["vars"] = {"__unlocking": True}  # as site.yml imports it
        options = []
    queue = {
        "hosts": "w1",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.group_by": {"key": "wants_turn"}}],
    }
    done = stage.play(
        [queue, play],
        *options,
        hosts={"m1": {}, "w1": {}},
        __cluster_plan=PLAN,
        __host_info=INFO,
        stack_definition={},
        stacks_dir=str(PROJECT / "stacks"),
        credentials_dir=str(tmp_path / "credentials"),
        registry_mode="external",
        **LOGIN,
    )
    assert done.code == 0, done.output
    assert len(done.of("stack_lock")) == 1, done.output
    assert sorted(call["host"] for call in done.of("host_info")) == ([] if counts else ["m1", "w1"])
    plans = done.of("cluster_plan")
    assert len(plans) == (0 if counts else 1)
    # site.yml labels nodes and unlocks managers: the plan is made for that.
    assert all(call["args"]["labels"] is True for call in plans)


SILENT = {
    **INFO,
    "engine": {
        "installed": True,
        "running": False,
        "problem": "its engine has failed",
        "remedy": "Mend it.",
    },
}
# What this run is about, in every play that is staged here.
GIVEN = {
    "stack_definition": {},
    "stacks_dir": str(PROJECT / "stacks"),
    "registry_mode": "external",
    "__host_info": INFO,
    **LOGIN,
}


@pytest.mark.fault("A1")
@pytest.mark.parametrize("playbook", ["site.yml", "in_turn.yml"])
def test_an_engine_that_does_not_start_ends_the_second_look_for_its_host_alone(
    tmp_path: Path, playbook: str
) -> None:
    swarm = "monsterstack.swarm"
    stage = Stage(
        tmp_path,
        {
            f"{swarm}.stack_lock": [({}, {"waited": 4.2, "recovered": []})],
            f"{swarm}.host_info": [({}, INFO), ({}, SILENT)],
            f"{swarm}.cluster_plan": [({}, PLAN)],
        },
    )
    if playbook == "site.yml":
        play = first_tasks(playbook, "What else changes in the running cluster", 2)
    else:
        play = first_tasks(playbook, "Whose turn it is", 3)
    queue = {
        "hosts": "managers:workers",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.group_by": {"key": "wants_turn"}}],
    }
    after = {
        "hosts": "managers:workers",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.debug": {
                    "msg": "turns: {{ groups.in_turn | default(['none']) | join('+') }}"
                }
            }
        ],
    }
    done = stage.play(
        [queue, play, after],
        "--forks=1",  # m1 is looked at first
        hosts={"m1": {}, "w1": {}},
        __cluster_plan=PLAN,
        credentials_dir=str(tmp_path / "credentials"),
        **GIVEN,
    )
    assert "w1 is left out: its engine has failed. Mend it." in done.output, done.output
    assert done.code == 2
    assert [call["host"] for call in done.of("cluster_plan")] == ["m1"], done.output
    turns = "m1" if playbook == "in_turn.yml" else "none"
    assert f"turns: {turns}'" in done.output, done.output


@pytest.mark.fault("A4")
@pytest.mark.parametrize("playbook", ["site.yml", "in_turn.yml"])
def test_without_the_lock_nobody_goes_on(tmp_path: Path, playbook: str) -> None:
    refusal = {"failed": True, "msg": "the cluster is locked by ann"}
    swarm = "monsterstack.swarm"
    stage = Stage(tmp_path, {f"{swarm}.stack_lock": [({}, refusal)]})
    if playbook == "site.yml":
        play = first_tasks(playbook, "What else changes in the running cluster", 1)
    else:
        play = first_tasks(playbook, "Whose turn it is", 1)
    tasks = {"hosts": "managers:workers", "gather_facts": False}
    queue = {**tasks, "tasks": [{"ansible.builtin.group_by": {"key": "wants_turn"}}]}
    after = {**tasks, "tasks": [{"ansible.builtin.debug": {"msg": "went on"}}]}
    done = stage.play(
        [queue, play, after],
        hosts={"m1": {}, "w1": {}},
        __cluster_plan=PLAN,
        credentials_dir=str(tmp_path / "credentials"),
        **GIVEN,
    )
    assert "the cluster is locked by ann" in done.output, done.output
    assert "went on" not in done.output, done.output


@pytest.mark.fault("A8")
@pytest.mark.parametrize("options", [(), ("--tags", "docker_engine")], ids=["all", "a part"])
def test_a_locked_manager_is_unlocked_whatever_part_is_asked_for(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    swarm = "monsterstack.swarm"
    locked = {**INFO, "swarm": {"control_available": False, "state": "locked"}}
    stage = Stage(
        tmp_path,
        {
            f"{swarm}.host_info": [({}, locked), ({}, INFO)],
            f"{swarm}.swarm_unlock": [({}, {"changed": True, "state": "active", "gossip": True})],
        },
    )
    play = {**first_tasks("survey.yml", "Look at the hosts", 4), "hosts": "managers"}
    done = stage.play(
        [{**play, "vars": {"__unlocking": True}}],
        *options,
        hosts={"m1": {"swarm_unlock_key": "SWMKEY-1-not-a-real-one"}},
        credentials_dir=str(tmp_path / "credentials"),
        **GIVEN,
    )
    assert done.code == 0, done.output
    assert done.order("host_info", "swarm_unlock") == ["host_info", "swarm_unlock", "host_info"]
