# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""availability_probe: see the module of that name for its documentation."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils import probe
from ansible_collections.monsterstack.swarm.plugins.module_utils.probe_files import (
    ProbeError,
    ProbeFolder,
    find_run,
    identity,
    new_run,
)
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing

# The last requests may take their whole time-out before the probe ends.
SPARE_SECONDS = 15.0


class ActionModule(ActionBase):
    """Works on the controller alone."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "state": {
                    "type": "str",
                    "choices": ["started", "watched", "stopped"],
                    "required": True,
                },
                "probe": {
                    "type": "dict",
                    "required": True,
                    "options": {
                        "folder": {"type": "path", "required": True},
                        "runs": {"type": "bool", "default": False},
                        "addresses": {"type": "list", "elements": "str", "required": True},
                        "port": {"type": "int", "required": True},
                        "check": {"type": "dict", "default": {"path": "/"}},
                        "rate": {"type": "float", "default": 20},
                        "duration": {"type": "float", "default": 1800},
                        "request_timeout": {"type": "float", "default": 5},
                        "title": {"type": "str", "default": "probe"},
                    },
                },
                "version": {"type": "str"},
                "seconds": {"type": "float", "default": 30},
                "timeout": {"type": "float", "default": 180},
                "max_failures": {"type": "int", "default": 0},
                "wait": {"type": "bool", "default": False},
                "fail_on_loss": {"type": "bool", "default": False},
            },
            required_if=[("state", "watched", ["version"])],
        )
        if self._task.check_mode:
            return {"changed": False, "skipped": True, "msg": "a probe sends nothing in check mode"}
        try:
            if args["state"] == "started":
                return self._start(args)
            # What another run saw, or one before this, is never taken for this one's.
            base = Path(args["probe"]["folder"])
            folder = find_run(base, identity(os.getppid()))
            if folder is None:
                raise ProbeError(f"{base}: no probe was started by this run.")
            return {"watched": self._watch, "stopped": self._stop}[args["state"]](folder, args)
        except (ProbeError, ValueError, OSError) as problem:
            raise AnsibleActionFail(f"availability_probe: {problem}") from problem

    def _start(self, args: Mapping[str, Any]) -> dict[str, Any]:
        # Asked here, so that what cannot be is refused before anything starts.
        asked = args["probe"]
        probe.schedule(asked["rate"], asked["duration"], asked["addresses"])
        owner = os.getppid()  # ansible-playbook itself: without it nobody would read the report
        base = Path(asked["folder"])
        folder = new_run(base, owner) if asked["runs"] else ProbeFolder(base)
        folder.prepare()
        pid = os.fork()
        if pid == 0:
            _become_daemon(folder, asked, owner)
        os.waitpid(pid, 0)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                head, _samples = folder.read()
                return {"changed": False, "pid": head["pid"], "started": head["started"]}
            except ProbeError:
                time.sleep(0.02)
        raise ProbeError(f"{folder.folder}: the probe did not begin, see error.txt there.")

    def _watch(self, folder: ProbeFolder, args: Mapping[str, Any]) -> dict[str, Any]:
        head, _samples = folder.read()
        since = time.time() - head["started"]
        deadline = time.monotonic() + args["timeout"]
        while True:
            _head, samples = folder.read()
            recent = [sample for sample in samples if sample.at >= since]
            word, why = probe.verdict(
                recent, args["version"], args["seconds"], args["max_failures"]
            )
            if word != "waiting":
                return {"changed": False, "verdict": word, "why": why}
            if time.monotonic() > deadline:
                why = (
                    f"{why}, in {args['timeout']:.0f} s, and nothing seen is not good: its answers "
                    f"must say X-Version: {args['version']} for {args['seconds']:g} s"
                )
                return {"changed": False, "verdict": word, "why": why}
            time.sleep(0.2)

    def _stop(self, folder: ProbeFolder, args: Mapping[str, Any]) -> dict[str, Any]:
        asked = args["probe"]
        spare = asked["request_timeout"] + SPARE_SECONDS
        if args["wait"]:
            folder.wait(asked["duration"] + spare)
        else:
            folder.stop(spare)
        report = folder.report(asked["title"])
        lines = [*probe.lines(report), f"  report: {folder.report_file}, {folder.picture_file}"]
        if report["failed"] and args["fail_on_loss"]:
            return printing.refuse(self._display, lines, report=report)
        return {"changed": False, "report": report, "lines": lines}


def _become_daemon(folder: ProbeFolder, asked: Mapping[str, Any], owner: int) -> None:
    """In the child: leave Ansible's session and descriptors, probe, and end. Never returns."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.closerange(3, 4096)
        folder.work(asked, owner)
    except BaseException:
        (folder.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(0)
