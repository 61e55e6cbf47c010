# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""host_info with the controller's clock around it, so that a host's clock error can be bounded."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run the module as it is; a change on the host is impossible."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        before = time.time()
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        result["controller_before"] = before
        result["controller_after"] = time.time()
        return result
