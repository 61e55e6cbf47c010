"""Text for people in an installed collection: no ansible.cfg of ours, whatever callback."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Two refusals, so that the text has more than one line.
INVENTORY = {
    "managers": {
        "hosts": {
            "a": {"ansible_host": "192.0.2.1", "zone": "a"},
            "b": {"ansible_host": "192.0.2.1", "zone": "a", "node_availability": "away"},
        }
    }
}
LINES = [
    "b/ansible_host: 192.0.2.1 is the address of a too. Give each node its own.",
    "b/node_availability: 'away' is no availability. Use one of active, pause, drain.",
]
PRINTED = """
- hosts: localhost
  gather_facts: false
  tasks:
    - monsterstack.swarm.say:
        lines: ["first\\nsecond", "  third, changed=7"]
"""

SAYING = [{"monsterstack.swarm.say": {"refuse": True, "lines": "{{ lines }}"}}]
REFUSED = [{"hosts": "localhost", "gather_facts": False, "tasks": SAYING}]
TELLING = {
    "monsterstack.swarm.say": {
        "lines": "rescued {{ ansible_failed_result.msg }} {{ ansible_failed_result.findings }}"
    }
}
RESCUED = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"block": SAYING, "rescue": [TELLING]},
            {
                "block": [{"ansible.builtin.include_tasks": "included.yml"}],
                "rescue": [
                    TELLING,
                    {"monsterstack.swarm.say": {"refuse": True, "lines": "the end of it"}},
                ],
            },
        ],
    }
]


def playbook(folder: Path, plays: list[dict[str, Any]], lines: list[str]) -> str:
    """The path of a playbook with these plays, for which `lines` is a variable."""
    path = folder / "playbook.yml"
    path.write_text(json.dumps([{**one, "vars": {"lines": lines}} for one in plays]))
    return str(path)


def play(folder: Path, callback: str, playbook: str) -> subprocess.CompletedProcess[str]:
    """A run in an empty folder, with Ansible's own settings but for the callback."""
    inventory = folder / "inventory" / "hosts.json"
    inventory.parent.mkdir(exist_ok=True)
    inventory.write_text(json.dumps(INVENTORY))
    (folder / "ansible.cfg").touch()  # so that none of the user's is found
    given = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": callback,
        "NO_COLOR": "1",
    }
    return subprocess.run(
        ["ansible-playbook", "-i", str(inventory), playbook],
        cwd=folder,
        env={**given, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("callback", ["default", "minimal", "oneline"])
@pytest.mark.fault("C1")
def test_a_refusal_is_lines(tmp_path: Path, callback: str) -> None:
    done = play(tmp_path, callback, "monsterstack.swarm.survey")
    assert done.returncode == 2, done.stdout
    printed = done.stdout.splitlines()
    assert [line for line in printed if line in LINES] == LINES, done.stdout
    assert "\\n" not in done.stdout


@pytest.mark.parametrize("callback", ["default", "minimal", "oneline"])
@pytest.mark.parametrize("lines", [["it is wrong: 'so'"], ["a first thing", "a second thing"]])
@pytest.mark.fault("C1")
def test_a_refusal_is_printed_once(tmp_path: Path, callback: str, lines: list[str]) -> None:
    """Whatever Ansible prints of the failed task itself repeats none of it."""
    done = play(tmp_path, callback, playbook(tmp_path, REFUSED, lines))
    assert done.returncode == 2, done.stdout
    for line in lines:
        assert (done.stdout + done.stderr).count(line) == 1, done.stdout
        assert line in done.stdout.splitlines()


@pytest.mark.fault("C1")
def test_a_rescue_reads_what_was_found(tmp_path: Path) -> None:
    """Its reader is no callback: the sentences are there, also of tasks that are included."""
    (tmp_path / "included.yml").write_text(json.dumps(SAYING))
    done = play(tmp_path, "minimal", playbook(tmp_path, RESCUED, ["a", "b"]))
    assert done.returncode == 2, done.stdout
    assert done.stdout.splitlines().count("rescued a (and 1 more line) ['a', 'b']") == 2, (
        done.stdout
    )
    # What the rescue itself ends with has nobody to read it but people.
    assert done.stdout.count("the end of it") == 1, done.stdout


@pytest.mark.fault("C1")
def test_a_refusal_beside_json(tmp_path: Path) -> None:
    done = play(tmp_path, "json", "monsterstack.swarm.survey")
    assert done.returncode == 2, done.stderr
    results = [
        result
        for one in json.loads(done.stdout)["plays"]
        for task in one["tasks"]
        for result in task["hosts"].values()
        if result.get("failed")
    ]
    assert [result["findings"] for result in results] == [LINES]
    assert "\n" not in results[0]["msg"]
    assert [line for line in done.stderr.splitlines() if line in LINES] == LINES


@pytest.mark.parametrize("callback", ["default", "minimal", "oneline", "json"])
@pytest.mark.fault("C1")
def test_a_report_is_lines(tmp_path: Path, callback: str) -> None:
    playbook = tmp_path / "said.yml"
    playbook.write_text(PRINTED)
    done = play(tmp_path, callback, str(playbook))
    assert done.returncode == 0, done.stdout
    text = done.stderr if callback == "json" else done.stdout
    lines = ["first", "second", "  third, changed = 7"]
    assert [line for line in text.splitlines() if line in lines] == lines, text
    assert not re.search("changed=[1-9]", done.stdout)
    if callback == "json":
        assert json.loads(done.stdout)["stats"]["localhost"]["changed"] == 0
