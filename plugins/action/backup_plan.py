# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""backup_plan: see the module of that name for its documentation."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils.backup import (
    Archive,
    BackupPlan,
    RestorePlan,
    plan_backup,
    plan_restore,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import inventory_hosts
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing


class ActionModule(ActionBase):
    """Works on the controller alone, from what was registered on every host."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "managers": {"type": "list", "elements": "str"},
                "workers": {"type": "list", "elements": "str"},
                "info_variable": {"type": "str", "default": "__host_info"},
                "looked_variable": {"type": "str", "default": "__looked"},
                "volumes": {"type": "list", "elements": "dict", "default": []},
                "not_kept": {"type": "list", "elements": "str", "default": []},
                "stack": {"type": "str", "default": ""},
                "force": {"type": "bool", "default": False},
                "without": {"type": "list", "elements": "str", "default": []},
                "aside": {"type": "bool", "default": False},
                "archives": {"type": "list", "elements": "dict", "default": []},
            }
        )
        hosts = inventory_hosts(task_vars, args)
        plan: BackupPlan | RestorePlan
        looked = {
            host.name: task_vars["hostvars"][host.name].get(args["looked_variable"]) or {}
            for host in hosts
        }
        if not args["archives"]:
            at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            plan = plan_backup(
                hosts,
                looked,
                args["volumes"],
                args["not_kept"],
                at,
                args["force"],
                args["stack"],
            )
        else:
            archives = [
                Archive(path.name, Path(one["folder"]).name, one["manifest"], one["path"])
                for one in args["archives"]
                for path in [Path(one["path"])]
            ]
            there = {name: found.get("volumes") or [] for name, found in looked.items()}
            plan = plan_restore(hosts, archives, there, args["without"], args["aside"])
        result: dict[str, Any] = {"changed": False, **dataclasses.asdict(plan)}
        if plan.errors:
            return printing.refuse(self, plan.errors)
        return result
