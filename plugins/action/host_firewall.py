# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""host_firewall: the rules are kept only when a new login succeeds. See the module's documentation.

The connection over which they were loaded proves nothing: what is established goes on.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# Beyond the time after which the host takes the rules back: its timer, its SSH, a busy computer.
GRACE = 45.0


class ActionModule(ActionBase):
    """Load, log in anew, keep."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        loaded: dict[str, Any] = self._execute_module(
            module_args={**self._task.args, "step": "armed"}, task_vars=task_vars
        )
        if loaded.get("failed") or not loaded.get("changed") or self._task.check_mode:
            return loaded
        began = time.monotonic()
        revert_after = float(self._task.args.get("revert_after") or 45)
        name = str(task_vars.get("inventory_hostname") or "the host")
        confirmed, why = self._log_in_anew("confirmed", task_vars, revert_after)
        if confirmed is not None and not confirmed.get("reverted"):
            return {**loaded, **{k: v for k, v in confirmed.items() if k != "reverted"}}
        if confirmed is None:
            left = revert_after + GRACE - (time.monotonic() - began)
            confirmed, why = self._log_in_anew("seen", task_vars, left)
        if confirmed is None:
            text = (
                f"{name} takes no new login since its firewall was loaded ({why}). It was told to "
                f"take the earlier rules back after {revert_after:.0f} s, and still does not "
                "answer: look at its console."
            )
        elif confirmed.get("failed"):
            return confirmed
        else:
            text = (
                f"{name}: the new firewall would have cut this computer off. No new login "
                f"succeeded within {revert_after:.0f} s, so the host took its earlier rules back "
                f"by itself, and answers again after {time.monotonic() - began:.0f} s. Look at "
                "what comes before the rule for SSH (docker_engine_firewall_rules) and at "
                "docker_engine_firewall_ssh_port; the rules that failed are kept on the host in "
                "/run/monsterstack-swarm-firewall/reverted.nft."
            )
        return {"changed": False, "failed": True, "msg": text}

    def _log_in_anew(
        self, step: str, task_vars: dict[str, Any], seconds: float
    ) -> tuple[dict[str, Any] | None, str]:
        """(the module's answer over a new connection, or None when there was none in that time;
        why not)."""
        deadline, why = time.monotonic() + seconds, "no time was left"
        while time.monotonic() < deadline:
            try:
                # A local connection is none that could be cut.
                if self._connection.transport != "local":
                    self._connection.reset()
                answer: dict[str, Any] = self._execute_module(
                    module_args={**self._task.args, "step": step}, task_vars=task_vars
                )
            except AnsibleConnectionFailure as error:
                why = " ".join(str(error).split())
                time.sleep(1)
                continue
            return answer, ""
        return None, why
