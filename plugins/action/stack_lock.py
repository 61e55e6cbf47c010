# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""stack_lock: see the module of that name for its documentation.

Only the controller can see whether the playbook that took a lock is still there.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils import lock


class ActionModule(ActionBase):
    """Asks the manager, and judges here what it says."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        # The parent of this worker is ansible-playbook, which lives as long as the lock is meant.
        args["owner"] = dataclasses.asdict(lock.this_owner(os.getppid()))
        args.pop("replace", None)
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if result.get("failed") or args.get("state") != "taken" or not result.get("holder"):
            return result
        stack, stale_after = str(args["stack"]), float(args.get("stale_after") or 7200)
        try:
            holder = lock.owner_from(result["holder"])
        except ValueError as problem:
            text = (
                f"the stack {stack} is locked, but {problem}. See who deploys it; if nobody does: "
            )
            text += f"'docker config rm {lock.config_name(stack)}' on a manager."
            return {"failed": True, "msg": text}
        begun = lock.begun(holder.pid)
        here, host = lock.place(), platform.node()
        why = lock.stale(holder, here, begun, host, time.time(), stale_after)
        if why is None:
            return {**result, "failed": True, "msg": lock.refusal(stack, holder, stale_after)}
        args["replace"] = result["id"]
        result = self._execute_module(module_args=args, task_vars=task_vars)
        if not result.get("failed") and result.get("holder"):
            other = lock.owner_from(result["holder"])
            return {**result, "failed": True, "msg": lock.refusal(stack, other, stale_after)}
        text = f"recovered the lock of the stack {stack} from {holder}: {why}."
        self._display.warning(text)
        return result
