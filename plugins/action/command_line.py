# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""command_line: see the module of that name for its documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.monsterstack.swarm.plugins.module_utils import command_line
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import Word
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing

COLLECTION = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):
    """Works on the controller alone, from what was typed; evaluates none of it."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "tags": {"type": "list", "elements": "str", "default": []},
                "services": {"type": "bool", "default": False},
            }
        )
        # Read as a file: as a variable it would come with everything that is evaluated beside it.
        common = self._loader.load_from_file(str(COLLECTION / "playbooks/vars/common.yml"))
        words = {name: Word(**word) for name, word in common["__words"].items()}
        typed = load_extra_vars(self._loader)
        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        nodes = list(dict.fromkeys([*groups.get("managers", []), *groups.get("workers", [])]))
        findings = [
            *command_line.check_typed_words(typed, words, typed if args["services"] else ()),
            *command_line.check_inherited(
                typed, words, {name: set(hostvars[name]) for name in nodes}, set(task_vars)
            ),
            *command_line.check_tags_typed(
                task_vars.get("ansible_run_tags") or (),
                task_vars.get("ansible_skip_tags") or (),
                # Whoever imports this playbook may have given all of it a tag.
                [*args["tags"], *(tag for tag in self._task.tags if tag != "always")],
            ),
        ]
        if limit := task_vars.get("ansible_limit"):
            played = task_vars.get("ansible_play_hosts_all") or []
            findings += command_line.check_limit(str(limit), nodes, played)
        if findings:
            return printing.refuse(self._display, [str(finding) for finding in findings])
        return {"changed": False, "typed": sorted(set(typed) & set(words))}
