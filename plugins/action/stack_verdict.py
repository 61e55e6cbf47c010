# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""stack_verdict: see the module of that name for its documentation.

What has been said for good a moment ago needs no second call to the manager.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.monsterstack.swarm.plugins.plugin_utils.run_locks import OwnedAction


class ActionModule(OwnedAction):
    """Hands on what is settled, or asks the manager."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        settled: dict[str, Any] | None = self._task.args.get("settled")
        return settled or super().run(tmp, task_vars)
