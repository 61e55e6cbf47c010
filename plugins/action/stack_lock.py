# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""stack_lock: see the module of that name for its documentation.

Only the controller can see whether a playbook that took a lock here is still there, and only a
process of the controller can renew a lock while images are built.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.monsterstack.swarm.plugins.module_utils import lock
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.outliving import run_module
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.run_locks import (
    OwnedAction,
    RunLocks,
)

# Seconds between two tries; at random, so that two that wait do not always meet.
PAUSE = (3.0, 6.0)


class ActionModule(OwnedAction):
    """Asks the manager, and judges here what it says."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super(OwnedAction, self).run(tmp, task_vars)
        args = {k: v for k, v in self._task.args.items() if k not in ("owner", "replace")}
        # The parent of this worker is ansible-playbook, which lives as long as the lock is meant.
        self._run_locks = RunLocks(os.getppid())
        args["owner"] = self._run_locks.owner()
        cluster = args.get("scope") == "cluster"
        name = lock.config_name(None if cluster else str(args.get("stack") or "?"))
        state = args.get("state")
        if state == "taken":
            return self._take(args, name, task_vars)
        if state == "released":
            return self._release(args, name, task_vars)
        return self._ask(args, task_vars)

    def _ask(self, args: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        return result

    def _take(
        self, args: dict[str, Any], name: str, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        began, deadline = time.monotonic(), time.monotonic() + float(args.get("wait") or 0)
        said = False
        while True:
            result = self._try(args, task_vars)
            waited = round(time.monotonic() - began, 1) if said else 0.0
            if result.get("failed"):
                return result
            if not result["others"]:
                break
            what = "cluster" if name == lock.CLUSTER else f"stack {args['stack']}"
            if time.monotonic() >= deadline:
                text = lock.refusal(what, result["others"], waited)
                return printing.refuse(self, text)
            if not said:
                held = "; ".join(map(lock.held_by, result["others"]))
                self._display.display(f"waiting up to {args['wait']} s: {held}")
            said = True
            time.sleep(min(random.uniform(*PAUSE), max(0.0, deadline - time.monotonic())))
        if result["held"]:
            self._keep(args, name, task_vars)
        return {**result, "waited": waited}

    def _try(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Take it, over the locks of runs that have ended on this controller."""
        result = self._ask(args, task_vars)
        for one in result.get("recovered") or []:
            self._display.warning(
                f"recovered the lock of the {one['scope']} from {one['owner']}: it ran out."
            )
        dead = {} if result.get("failed") else self._dead(result["others"])
        # Where somebody else is alive nothing is taken over for nothing.
        if not dead or len(dead) < len(result["others"]):
            return result
        why = {one["id"]: one for one in result["others"]}
        result = self._ask({**args, "replace": list(dead)}, task_vars)
        if not result.get("failed"):
            for key, reason in dead.items():
                one = why[key]
                self._display.warning(
                    f"recovered the lock of the {one['scope']} from {one['owner']}: {reason}."
                )
        return result

    def _dead(self, others: list[dict[str, Any]]) -> dict[str, str]:
        """{id of a lock: why its owner is gone}, as far as this controller can know."""
        here = lock.this_owner(os.getpid())
        dead = {}
        for other in others:
            try:
                owner = lock.owner_from(other["holder"])
            except ValueError:
                continue  # it ends by itself
            why = lock.gone(owner, here, lock.runs(owner.pid, owner.begun))
            if why:
                dead[other["id"]] = why
        return dead

    def _keep(self, args: dict[str, Any], name: str, task_vars: dict[str, Any] | None) -> None:
        """Let the lock be renewed through this task's host until the run is over."""
        owner = args["owner"]

        def renew() -> list[str]:
            result = run_module(self, {"state": "renewed", "owner": owner}, task_vars)
            if "names" not in result:
                raise AnsibleActionFail(str(result.get("msg")))
            return list(result["names"])

        def give_back(lock_name: str) -> None:
            asked: dict[str, Any] = {"state": "released", "owner": owner}
            if lock_name == lock.CLUSTER:
                asked["scope"] = "cluster"
            else:
                asked["stack"] = lock_name.removesuffix("_lock")
            run_module(self, asked, task_vars)

        self._run_locks.taken(name)
        self._run_locks.start_keeper(renew, give_back)

    def _release(
        self, args: dict[str, Any], name: str, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        if name not in self._run_locks.names:
            # Not ours, so nobody is asked, and it does not look as if something was freed.
            return {"changed": False, "held": False, "skipped": True}
        result = self._ask(args, task_vars)
        if not result.get("failed"):
            self._run_locks.released(name)
        return result
