# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""doctor: see the module of that name for its documentation."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils import diagnosis
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import InventoryHost


class ActionModule(ActionBase):
    """Works on the controller alone, from what the nodes' tasks registered."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "managers": {"type": "list", "elements": "str", "required": True},
                "workers": {"type": "list", "elements": "str", "required": True},
                "info_variable": {"type": "str", "default": "__host_info"},
                "checkup_variable": {"type": "str", "default": "__node_checkup"},
                "status_variable": {"type": "str", "default": "__swarm_status"},
                "data_port": {"type": "int", "required": True},
                "report": {"type": "path"},
            }
        )
        hosts: list[InventoryHost] = []
        found: dict[str, dict[str, Any]] = {"checkup": {}, "status": {}}
        for group in ("managers", "workers"):
            for name in args[group]:
                variables = task_vars["hostvars"][name]
                info = variables.get(args["info_variable"]) or {}
                address = variables.get("ansible_host")
                hosts.append(
                    InventoryHost(
                        name=name,
                        group=group,
                        address=str(address) if address else None,
                        local=variables.get("ansible_connection") == "local",
                        advertise=str(variables.get("swarm_advertise_address") or "") or None,
                        info=info if "swarm" in info else None,
                    )
                )
                for kind, key in (("checkup", "peers"), ("status", "answers")):
                    value = variables.get(args[f"{kind}_variable"]) or {}
                    if key in value:
                        found[kind][name] = value
        case = diagnosis.Case(
            hosts, found["checkup"], found["status"], time.time(), args["data_port"]
        )
        findings = diagnosis.diagnose(case)
        report = diagnosis.report(case, findings)
        if args["report"]:
            path = Path(args["report"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        # A report for people is no part of any host's state, so this is never a change.
        return {"changed": False, **report, "lines": diagnosis.lines(case, findings)}
