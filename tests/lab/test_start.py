"""Waiting for machines that start: a dead one is told from one that is only being loaded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab import machines, plan
from lab.plan import LabError


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plan.Lab:
    """One machine whose console says that it is ready, and nothing real behind it."""
    monkeypatch.setattr(plan, "RUN_ROOT", tmp_path)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(machines, "ssh_answers", lambda _node: True)
    monkeypatch.setattr(machines, "_prove", lambda _lab, _node: None)
    settings = {"lab_name": "t", "lab_subnet": "198.18.9.0/24", "lab_mirror": "198.18.9.1:5000"}
    one = plan.read_inventory(
        {
            "_meta": {"hostvars": {"m1": {**settings, "ansible_host": "198.18.9.11"}}},
            "all": {"children": ["managers"]},
            "managers": {"hosts": ["m1"]},
        },
        "here",
    )
    log = machines.console(one, one.nodes[0])
    log.parent.mkdir(parents=True)
    log.write_text("first\nKernel panic\n")
    return one


def test_a_machine_out_of_sight_for_a_moment_is_not_dead(
    lab: plan.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([{}, {"m1": 1}, {}, {"m1": 1}])
    log = machines.console(lab, lab.nodes[0])

    def look(_lab: plan.Lab) -> dict[str, int]:
        found = next(looks)
        if found:
            log.write_bytes(machines.READY_LINE)
        return found

    monkeypatch.setattr(machines, "running", look)
    machines.wait(lab, lab.nodes, lab.nodes, "fast")


def test_a_dead_machine_is_named_with_its_last_words(
    lab: plan.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "running", lambda _lab: {})
    with pytest.raises(LabError, match=r"(?s)m1 stopped while starting.*Kernel panic"):
        machines.wait(lab, lab.nodes, lab.nodes, "fast")
