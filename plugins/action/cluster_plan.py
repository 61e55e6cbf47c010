# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cluster_plan: see the module of that name for its documentation."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import (
    Plan,
    Wishes,
    inventory_hosts,
    make_plan,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.recovery import (
    Recovery,
    plan_recovery,
)
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.stack_files import (
    read_all,
    stack_pins,
)


class ActionModule(ActionBase):
    """Works on the controller alone, from what host_info registered on every host."""

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
                "pins": {"type": "list", "elements": "str", "default": []},
                "stacks_dir": {"type": "path"},
                "labels": {"type": "bool", "default": True},
                "remove": {"type": "list", "elements": "str", "default": []},
                "dead": {"type": "bool", "default": False},
                "replace": {"type": "list", "elements": "str", "default": []},
                "lose_data": {"type": "bool", "default": False},
                "survivor": {"type": "str"},
                "unlocks": {"type": "bool", "default": False},
                "joins": {"type": "bool", "default": True},
                "fail": {"type": "bool", "default": True},
            }
        )
        hosts = inventory_hosts(task_vars, args)
        texts, unread = read_all(args["stacks_dir"]) if args["stacks_dir"] else ({}, [])
        other_pins, wrong = stack_pins(texts)
        unread += wrong
        given = {one.name: args[one.name] for one in dataclasses.fields(Wishes) if one.name in args}
        wishes = Wishes(**given, other_pins=other_pins)
        plan: Plan | Recovery = (
            make_plan(hosts, wishes)
            if args["survivor"] is None
            else plan_recovery(hosts, args["survivor"])
        )
        purges = boolean(
            self._templar.template(task_vars.get("swarm_purge_labels", False)), strict=False
        )
        for name in unread:
            text = f"{name} cannot be read, so its pins are not known."
            # These could part a stack from its data; nothing else moves another stack's label.
            if isinstance(plan, Plan) and (wishes.remove or plan.replace or purges):
                plan.errors.append(
                    f"{text} They say which nodes' disks are needed, and nothing has been touched. "
                    "Correct the file, or make it readable for the user of this run."
                )
            else:
                plan.notices.append(text)
        result: dict[str, Any] = {"changed": False, **dataclasses.asdict(plan)}
        if plan.notices:
            result["warnings"] = plan.notices
        if plan.errors and args["fail"]:
            return printing.refuse(self, plan.errors)
        return result
