"""Roles and playbooks as they are, run on this computer with stand-ins for some of their modules.

A stand-in is an action plugin of the module's name. It notes what it was asked and answers from a
table, so that a test sees in which order and with what arguments the tasks work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
OURS = "monsterstack.swarm"
# What stands for a module: rows of (arguments that it has to have, answer). The first row that fits
# and was not used yet counts; the last one that fits is used again and again.
Answers = dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]

STAND_IN = """
import json
import os
from pathlib import Path

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        folder, args = Path(os.environ["STAND_INS"]), self._task.args
        rows = json.loads((folder / "answers.json").read_text())[self._task.action]
        used = [json.loads(line)["row"] for line in (folder / "calls").read_text().splitlines()]
        fitting = [
            (f"{self._task.action} {number}", answer)
            for number, (wanted, answer) in enumerate(rows)
            if all(args.get(key) == value for key, value in wanted.items())
        ]
        assert fitting, f"no answer of {self._task.action} to {args}"
        row, answer = next((one for one in fitting if one[0] not in used), fitting[-1])
        seen = {}
        for key, value in args.items():
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, str) and path.startswith("/") and os.path.exists(path):
                    held = Path(path)
                    names = sorted(str(p.relative_to(held)) for p in held.rglob("*"))
                    text = held.read_text() if held.is_file() else names
                    seen[key] = [oct(held.stat().st_mode & 0o777), text]
        call = {
            "module": self._task.action, "args": args, "seen": seen, "row": row,
            "host": task_vars["inventory_hostname"],
        }
        with (folder / "calls").open("a") as file:
            file.write(json.dumps(call, default=str) + "\\n")
        return {"changed": False, **answer}
"""


@dataclass(frozen=True)
class Played:
    """What became of a run; `calls` are the stand-ins' in order."""

    code: int
    output: str
    calls: list[dict[str, Any]]

    def of(self, name: str) -> list[dict[str, Any]]:
        """The calls of a module, by the last part of its name."""
        return [call for call in self.calls if call["module"].endswith(f".{name}")]

    def order(self, *names: str) -> list[str]:
        """Names of the modules called, only these."""
        short = [call["module"].rpartition(".")[2] for call in self.calls]
        return [name for name in short if name in names]


class Stage:
    """A folder with this collection, but for the stand-ins, and with an inventory."""

    def __init__(
        self, folder: Path, answers: Answers, modules: dict[str, str] | None = None
    ) -> None:
        self.folder, self.stand_ins = folder, folder / "stand_ins"
        self.stand_ins.mkdir(parents=True)
        (self.stand_ins / "answers.json").write_text(json.dumps(answers))
        (self.stand_ins / "calls").touch()
        self.collections = folder / "collections"
        self.swarm = self.collections / "ansible_collections/monsterstack/swarm"
        self.inventory = folder / "inventory/mine/hosts.json"
        self.inventory.parent.mkdir(parents=True)
        for part in ("plugins/action", "plugins/modules", "playbooks"):
            (self.swarm / part).mkdir(parents=True)
        for source in (
            *PROJECT.glob("*"),
            *(PROJECT / "plugins").glob("*"),
            *(PROJECT / "plugins/action").glob("*.py"),
            *(PROJECT / "plugins/modules").glob("*.py"),
            *(PROJECT / "playbooks").glob("*"),
        ):
            there = self.swarm / source.relative_to(PROJECT)
            if source.name != "collections" and not there.exists():
                there.symlink_to(source)
        for name in answers:
            space, _dot, short = name.rpartition(".")
            path = self.collections / "ansible_collections" / space.replace(".", "/")
            self._put(path / f"plugins/action/{short}.py", STAND_IN)
        for short, text in (modules or {}).items():
            self._put(self.swarm / f"plugins/modules/{short}.py", text)

    def _put(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)

    def play(
        self,
        plays: list[dict[str, Any]] | str,
        *options: str,
        hosts: dict[str, dict[str, Any]] | None = None,
        **more: Any,
    ) -> Played:
        """Runs plays, or a playbook of the collection by its name; `hosts` and their variables by
        name, where m… are managers; `more` are variables of all."""
        local = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            **more,
        }
        groups: dict[str, Any] = {"managers": {"hosts": {}}, "workers": {"hosts": {}}}
        for name, variables in (hosts or {"m1": {}}).items():
            group = groups["managers" if name.startswith("m") else "workers"]
            group["hosts"][name] = {**local, **variables}
        self.inventory.write_text(json.dumps(groups))
        playbook = self.swarm / "playbooks" / (plays if isinstance(plays, str) else "staged.yml")
        if not isinstance(plays, str):
            playbook.write_text(json.dumps(plays))
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")
        }
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory), str(playbook), *options],
            cwd=self.folder,
            env={
                **kept,
                "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "STAND_INS": str(self.stand_ins),
                "NO_COLOR": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        calls = (self.stand_ins / "calls").read_text().splitlines()
        return Played(done.returncode, done.stdout, [json.loads(line) for line in calls])


def role(name: str, file: str = "main.yml", **variables: Any) -> list[dict[str, Any]]:
    """A play on the managers that is a part of one of the roles."""
    include = {"name": f"{OURS}.{name}", "tasks_from": file}
    task = {"name": f"The role {name}", "ansible.builtin.include_role": include, "vars": variables}
    return [{"hosts": "managers", "gather_facts": False, "tasks": [task]}]
