# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""availability_probe: see the module of that name for its documentation."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.monsterstack.swarm.plugins.module_utils import probe
from ansible_collections.monsterstack.swarm.plugins.module_utils.daemon import detach
from ansible_collections.monsterstack.swarm.plugins.module_utils.probe_files import (
    CONTROLLER,
    HOST,
    REQUIRED_IF,
    SPARE_SECONDS,
    SPEC,
    ProbeError,
    ProbeFolder,
    find_run,
    identity,
    new_run,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.smoke import FROM_A_MANAGER
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.outliving import run_module
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.probe_relay import Relay


class ActionModule(ActionBase):
    """Asks from the controller, or fetches what a host saw; judges here in either case."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=SPEC, required_if=REQUIRED_IF)
        if self._task.check_mode:
            return {"changed": False, "skipped": True, "msg": "a probe sends nothing in check mode"}
        try:
            if args["state"] == "started":
                return self._start(args, task_vars or {})
            # What another run saw, or one before this, is never taken for this one's.
            base = Path(args["probe"]["folder"])
            folder = find_run(base, identity(os.getppid()))
            if folder is None:
                raise ProbeError(f"{base}: no probe was started by this run.")
            return {"watched": self._watch, "stopped": self._stop}[args["state"]](folder, args)
        except (ProbeError, ValueError, OSError) as problem:
            raise AnsibleActionFail(f"availability_probe: {problem}") from problem

    def _start(self, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        # Asked here, so that what cannot be is refused before anything starts.
        asked = args["probe"]
        probe.schedule(asked["rate"], asked["duration"], asked["addresses"])
        owner = os.getppid()  # ansible-playbook itself: without it nobody would read the report
        base = Path(asked["folder"])
        folder = new_run(base, owner) if asked["runs"] else ProbeFolder(base)
        folder.prepare()
        if asked["asked_from"] == CONTROLLER:
            detach(lambda: folder.work(asked, owner), folder.note_failure)
        else:
            said = self._execute_module(module_args=dict(args), task_vars=task_vars)
            if said.get("failed"):
                return dict(said)
            began_at = time.time()
            name = str(self._task.delegate_to or task_vars.get("inventory_hostname"))

            def ask(more: Mapping[str, Any]) -> dict[str, Any]:
                return run_module(self, {**args, **more}, task_vars)

            def relay() -> None:
                Display()._final_q = None  # Ansible's workers hand their words to their parent
                Relay(folder, name, asked["lease"], ask).work(owner, said, began_at)

            detach(relay, folder.note_failure)
        head = folder.begun()
        return {"changed": False, "pid": head["pid"], "started": head["started"]}

    def _watch(self, folder: ProbeFolder, args: Mapping[str, Any]) -> dict[str, Any]:
        head, _samples = folder.read()
        since = time.time() - head["started"]
        # What a host saw comes later.
        late = args["probe"]["lease"] / 6 if args["probe"]["asked_from"] == HOST else 0.0
        deadline = time.monotonic() + args["timeout"] + late
        while True:
            _head, samples = folder.read()
            recent = [sample for sample in samples if sample.at >= since]
            word, why = probe.verdict(
                recent, args["version"], args["seconds"], args["max_failures"]
            )
            why += _advice(args, samples)
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
        if asked["asked_from"] == HOST:  # which may have to be asked again and again
            spare = 2 * spare + asked["lease"]
        problem = folder.wait(asked["duration"] + spare) if args["wait"] else folder.stop(spare)
        report = folder.report(asked["title"])
        lines = [*probe.lines(report), f"  report: {folder.report_file}, {folder.picture_file}"]
        if asked["asked_from"] == HOST:
            lines.append(f"  asked from {report['asked_from']}")
        _head, samples = folder.read()
        if advice := _advice(args, samples):
            lines.append(advice.removeprefix(". "))
        if problem:
            # A report of a part of the time must not pass for one of all of it.
            who = report["asked_from"]
            lines.insert(0, f"The probe from {who} did not see all of the time: {problem}.")
        if problem or (report["failed"] and args["fail_on_loss"]):
            return printing.refuse(self, lines, report=report)
        return {"changed": False, "report": report, "lines": lines}


def _advice(args: Mapping[str, Any], samples: list[probe.Sample]) -> str:
    """What to do where this computer got not one answer."""
    if args["probe"]["asked_from"] == CONTROLLER and probe.is_unheard(samples):
        return (
            ". This computer got not one answer. Where it reaches the nodes through another host "
            f"alone (a bastion), {FROM_A_MANAGER}"
        )
    return ""
