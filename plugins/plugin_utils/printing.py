# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one owner of printing: text for people, once, as lines, whatever callback is in use.

A callback prints a task's result as JSON, in which a text of many lines is one long string. So
the lines are printed here, through Ansible's display, and the result carries them as a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline


def say(display: Any, text: Any) -> dict[str, Any]:
    """Print a text or a list of texts; the result of a task that did nothing else."""
    lines = as_lines(text)
    _print(display, lines)
    return {"changed": False, "msg": headline(lines), "lines": lines}


def refuse(display: Any, said: Sequence[Any] | str, /, **more: Any) -> dict[str, Any]:
    """The result of a task that fails, with a one-line `msg` and the findings as a list.

    Several lines are printed as such; a single one is printed by Ansible itself.
    """
    lines = as_lines(said)
    if len(lines) > 1:
        _print(display, lines)
    # What else the result has goes first: it may be a module's own result, with its own words.
    return {**more, "changed": False, "failed": True, "msg": headline(lines), "findings": lines}


def _print(display: Any, lines: Sequence[str]) -> None:
    """A callback for machines owns stdout alone, so that it can be parsed."""
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))
    for line in lines:
        display.display(line, stderr=callback.rpartition(".")[2].startswith("json"))


class Speaking(ActionBase):
    """Runs the module of the action's name, and prints what it found when it fails."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        if not result.get("failed") or not result.get("findings"):
            return result
        return refuse(self._display, result["findings"], **result)
