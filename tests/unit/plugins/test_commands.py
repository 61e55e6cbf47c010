"""Programs that the modules call on hosts."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.commands import NOT_STARTED, run


@pytest.mark.fault("A9")
def test_what_a_slow_program_prints_last_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the look whether it has ended comes late.

    Ansible's run_command, which looks for output each second and not again after that, then returns
    nothing, with the code 0.
    """
    ended = subprocess.Popen.poll

    def late(self: subprocess.Popen[Any]) -> int | None:
        time.sleep(0.4)
        return ended(self)

    monkeypatch.setattr(subprocess.Popen, "poll", late)
    assert run(["sh", "-c", "sleep 1.2; echo all of it"]) == (0, "all of it\n", "")


def test_what_it_answers() -> None:
    assert run(["sh", "-c", "cat; echo wrong >&2; exit 3"], "given") == (3, "given", "wrong\n")
    code, out, problem = run(["/nowhere/program"])
    assert (code, out) == (NOT_STARTED, "")
    assert "No such file" in problem
