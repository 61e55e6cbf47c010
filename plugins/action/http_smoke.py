# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""http_smoke: see the module of that name for its documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils import smoke
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.printing import refuse

# Seconds for the second look, from the host: what is right there is so at once.
INSIDE_SECONDS = 15


class ActionModule(ActionBase):
    """Asks from here or from the host, and prints what it found when that is wrong."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(argument_spec=smoke.SPEC)
        if args["asked_from"] == "controller":
            result = self._from_here(args, task_vars or {})
        else:
            result = self._execute_module(module_args=dict(args), task_vars=task_vars)
        if not result.get("failed") or not result.get("findings"):
            return result
        return refuse(self, result["findings"], **result)

    def _from_here(self, args: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result = smoke.look(args)
        if (
            not result.get("failed")
            or not args["inside"]
            or not smoke.is_unheard(result["results"])
        ):
            return result
        given = {
            **args,
            "asked_from": "host",
            "addresses": args["inside"],
            "timeout": min(INSIDE_SECONDS, args["timeout"]),
        }
        try:
            other = self._execute_module(module_args=given, task_vars=task_vars)
        except AnsibleConnectionFailure:
            return result
        if "results" not in other:
            return result
        name = str(self._task.delegate_to or task_vars.get("inventory_hostname"))
        return smoke.seen_from_inside(result, other, name, args["port"])
