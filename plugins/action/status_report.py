# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""status_report: see the module of that name for its documentation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils import status, status_page


class ActionModule(ActionBase):
    """Works on the controller alone, from what the managers' tasks registered."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "managers": {"type": "list", "elements": "str", "required": True},
                "status_variable": {"type": "str", "default": "__swarm_status"},
                "template": {"type": "path", "required": True},
                "page": {"type": "path"},
            }
        )
        statuses = {
            name: task_vars["hostvars"][name].get(args["status_variable"])
            for name in args["managers"]
        }
        found = status.first_answer(statuses)
        if not found:
            said = "; ".join(
                f"{name}: {(one or {}).get('error') or 'cannot be reached'}"
                for name, one in statuses.items()
            )
            msg = f"no manager tells anything of a Swarm ({said}). playbooks/doctor.yml says why."
            return {"failed": True, "msg": msg}
        view = status_page.make_view(found[1], found[0], time.time())
        if args["page"]:
            page = status_page.render(view, Path(args["template"]).read_text(encoding="utf-8"))
            path = Path(args["page"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        # A page for people is no part of any host's state, so this is never a change.
        return {"changed": False, "view": view, "table": status_page.table(view)}
