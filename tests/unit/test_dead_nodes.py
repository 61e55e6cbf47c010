"""A machine that is called dead is looked at; one that does not answer stops nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playing import PROJECT, ansible_playbook

# Nothing listens there, so SSH is refused at once.
SILENT = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"}
ANSWERS = {"ansible_connection": "local", "ansible_become": False}


def look(folder: Path, machine: dict[str, Any], *words: str) -> str:
    """What the survey's own play finds of w1, as cluster_plan reads it afterwards."""
    plays = yaml.safe_load((PROJECT / "playbooks/survey.yml").read_text())
    (play,) = [one for one in plays if one["name"] == "Look at the machine that is said to be dead"]
    seen = "w1 said {{ 'swarm' in hostvars['w1'].__host_info | default({}) }}"
    after = {
        "hosts": "managers",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.debug": {"msg": seen}}],
    }
    (folder / "play.yml").write_text(json.dumps([play, after]))
    groups = {"managers": {"hosts": {"m1": ANSWERS}}, "workers": {"hosts": {"w1": machine}}}
    (folder / "hosts.json").write_text(json.dumps(groups))
    done = ansible_playbook("-i", folder / "hosts.json", folder / "play.yml", *words)
    assert done.returncode == 0, done.stdout
    return done.stdout


# Each row: the machine, the words, and whether it is known afterwards what is on it.
LOOKS: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "it answers": (ANSWERS, {"node": "w1", "dead": "true"}, True),
    "it does not": (SILENT, {"node": "w1", "dead": "true"}, False),
    "nobody calls it dead": (ANSWERS, {"node": "w1"}, False),
    "one of several, with blanks": (ANSWERS, {"node": "x9, w1", "dead": "true"}, True),
    "the inventory has forgotten it": (ANSWERS, {"node": "x9", "dead": "true"}, False),
}


@pytest.mark.fault("point2")
@pytest.mark.parametrize(("machine", "words", "known"), LOOKS.values(), ids=LOOKS)
def test_a_machine_that_is_called_dead_is_asked(
    machine: dict[str, Any], words: dict[str, str], known: bool, tmp_path: Path
) -> None:
    given = ["-e", json.dumps(words)]
    assert f"w1 said {known}" in look(tmp_path, machine, *given)


@pytest.mark.fault("B1")
def test_who_is_in_no_swarm_is_asked_for_nothing(tmp_path: Path) -> None:
    """The plan leaves such a node out; probe, smoke test and maintenance are about `__present`."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(PROJECT / "playbooks/vars/common.yml")],
        "vars": {"__cluster_plan": {"silent": ["w1"], "outside": ["w2"]}},
        "tasks": [{"ansible.builtin.debug": {"msg": "present={{ __present }}"}}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "hosts.ini").write_text("[managers]\nm1\n[workers]\nw1\nw2\n")
    done = ansible_playbook("-i", tmp_path / "hosts.ini", tmp_path / "play.yml")
    assert "present=['m1']" in done.stdout.replace('"', ""), done.stdout
    decide = yaml.safe_load((PROJECT / "playbooks/tasks/decide.yml").read_text())
    assert (
        decide[0]["monsterstack.swarm.cluster_plan"]["joins"]
        == "{{ __unlocking | default(false) }}"
    )
    maintenance = yaml.safe_load((PROJECT / "playbooks/maintenance.yml").read_text())
    (wanted,) = [
        one["vars"]["__wanted"] for one in maintenance if "__wanted" in one.get("vars", {})
    ]
    assert wanted == "{{ inventory_hostname in (__named_nodes or __present) }}"
