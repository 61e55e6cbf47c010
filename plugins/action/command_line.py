# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""command_line: see the module of that name for its documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.monsterstack.swarm.plugins.module_utils import command_line
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import (
    Finding,
    Word,
    check_words,
)
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing

COLLECTION = Path(__file__).resolve().parents[2]
NAME = "monsterstack.swarm."


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
        others = self._templar.template(task_vars.get("other_variables") or [])
        run = self._playbooks(context.CLIARGS["args"], Path.cwd())
        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        nodes = list(dict.fromkeys([*groups.get("managers", []), *groups.get("workers", [])]))
        findings = [
            *command_line.check_typed_words(typed, words, typed if args["services"] else ()),
            *command_line.check_readers(set(typed) - set(others), words, run or ()),
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
        # What the inventory says is evaluated only when nothing that was typed is bad.
        findings = findings or self._check_settings(typed, words, task_vars, nodes)
        if findings:
            return printing.refuse(self, [str(finding) for finding in findings])
        return {"changed": False, "typed": sorted(typed)}

    def _check_settings(
        self,
        typed: Mapping[str, Any],
        words: Mapping[str, Word],
        task_vars: Mapping[str, Any],
        nodes: Sequence[str],
    ) -> list[Finding]:
        """Settings of the inventory that are not what they must be, each said once."""
        settings = {name: word for name, word in words.items() if word.inventory}
        findings: list[Finding] = []
        for name in settings.keys() - set(typed):
            here = [task_vars[name]] if name in task_vars else []
            there = [task_vars["hostvars"][node] for node in nodes]
            values = [*here, *(one[name] for one in there if name in one)]
            for value in self._templar.template(values):
                findings += check_words({name: value}, settings)
        return list(dict.fromkeys(findings))

    def _playbooks(self, names: Sequence[str], folder: Path) -> set[str] | None:
        """Those of ours that are run by playbooks in a folder; None where nobody can tell."""
        found: set[str] = set()
        for name in names:
            if command_line.has_braces(name):
                return None
            file = (folder / name).resolve()
            if name.startswith(NAME):
                found.add(f"{name.removeprefix(NAME)}.yml")
            elif file.parent == COLLECTION / "playbooks":
                found.add(file.name)
            elif file.is_file():  # another collection's has no path here, and reads none of ours
                plays = self._loader.load_from_file(str(file), cache="none")
                imports = [
                    play[key]
                    for play in plays
                    for key in ("ansible.builtin.import_playbook", "import_playbook")
                    if key in play
                ]
                more = self._playbooks(imports, file.parent)
                if more is None:
                    return None
                found |= more
        return found
