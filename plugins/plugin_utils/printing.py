# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one owner of printing: text for people, once, as lines, whatever callback is in use.

A callback prints a task's result as JSON or YAML, in which a text of many lines is one long string,
and a failed one's `msg` twice. So the lines are printed here, through Ansible's display. The result
has them for machines: as a list, and of a refusal only where somebody can read it, since a callback
for people would print it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline

ONE_LINE = "The line above says why."


def say(display: Any, text: Any) -> dict[str, Any]:
    """Print a text or a list of texts; the result of a task that did nothing else."""
    lines = as_lines(text)
    _print(display, lines)
    return {"changed": False, "msg": headline(lines), "lines": lines}


def refuse(action: ActionBase, said: Sequence[Any] | str, /, **more: Any) -> dict[str, Any]:
    """Print why an action's task fails, as lines; the result of that task.

    For a callback for machines, and for a `rescue`, the result has a one-line `msg` and the list
    `findings`, over what else it has (`more`: a module's own result, for example). For people its
    `msg` says that the lines stand above, and `findings` is left out.
    """
    lines = as_lines(said)
    _print(action._display, lines)
    result = {**more, "changed": False, "failed": True, "msg": headline(lines), "findings": lines}
    if not (_for_machines() or _is_rescued(action._task)):
        count = len(lines)
        result["msg"] = f"The {count} lines above say why." if count > 1 else ONE_LINE
        del result["findings"]
    return result


def _is_rescued(task: Any) -> bool:
    """Whether a `rescue` runs when a task fails, which may read its result."""
    child, parent = task, task._parent
    while parent is not None:
        after = [*getattr(parent, "rescue", ()), *getattr(parent, "always", ())]
        if getattr(parent, "rescue", ()) and child._uuid not in {one._uuid for one in after}:
            return True
        child, parent = parent, parent._parent
    return False


def _for_machines() -> bool:
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))
    return callback.rpartition(".")[2].startswith("json")


def _print(display: Any, lines: Sequence[str]) -> None:
    """A callback for machines owns stdout alone, so that it can be parsed."""
    for line in lines:
        display.display(line, stderr=_for_machines())


class Speaking(ActionBase):
    """Runs the module of the action's name, and prints what it found when it fails."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        if not result.get("failed") or not result.get("findings"):
            return result
        return refuse(self, result["findings"], **result)
