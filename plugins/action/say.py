# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""say: see the module of that name for its documentation."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing


class ActionModule(ActionBase):
    """Works on the controller alone."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "lines": {"type": "raw", "required": True},
                "refuse": {"type": "bool", "default": False},
            }
        )
        if args["refuse"] and args["lines"]:
            return printing.refuse(self, args["lines"])
        return printing.say(self._display, args["lines"])
