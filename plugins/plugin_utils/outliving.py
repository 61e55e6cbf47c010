# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For processes of the controller that outlive the task that started them: a way to its host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase


def run_module(
    action: ActionBase, args: Mapping[str, Any], task_vars: dict[str, Any] | None
) -> dict[str, Any]:
    """Run the action's module on its host, after the task itself is over.

    Without pipelining a module is a file in a folder on the host, which the task has removed at its
    end: each call needs one of its own.
    """
    action._connection._shell.tmpdir = None
    try:
        return dict(action._execute_module(module_args=dict(args), task_vars=task_vars))
    finally:
        action.cleanup()
