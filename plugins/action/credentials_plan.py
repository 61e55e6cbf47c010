# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""credentials_plan: see the module of that name for its documentation."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.monsterstack.swarm.plugins.module_utils import credentials
from ansible_collections.monsterstack.swarm.plugins.module_utils.credentials import (
    CLUSTER_FILE,
    KEY,
    REGISTRY,
    Here,
    InUse,
    Wanted,
)
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing


class ActionModule(ActionBase):
    """Works on the controller alone, where the credentials are."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, args = self.validate_argument_spec(argument_spec=credentials.SPEC)
        check_mode = bool(task_vars.get("ansible_check_mode"))
        # A manager that is locked may not tell which cluster it is of.
        cluster = args["cluster_id"] if args["cluster_id"] not in ("", "unknown") else None
        info = (task_vars["hostvars"].get(args["primary"]) or {}).get(args["info_variable"]) or {}
        use: InUse = credentials.in_use(info.get("stacks") or {}) if cluster else {}
        if cluster and args["ending"]:
            use = credentials.in_swarm(use, args["stack"], info.get("secrets") or [])
        folder, taken = _folder(args, use, check_mode)
        here = _here(folder, args["given"])
        wanted = Wanted(
            stack=args["stack"],
            secrets=tuple(args["secrets"]),
            renewable=tuple(args["renewable"]),
            managed=args["managed"],
            new=args["new_credentials"],
        )
        wrong = _wrong(folder, here, wanted)
        # What cannot be read is not here.
        here = dataclasses.replace(here, files=here.files - set(wrong))
        plan = credentials.make_plan(cluster, use, here, wanted)
        if wrong and not args["ending"]:
            # Instead of what would be said of files that are missing.
            plan.errors = [
                credentials.refuse_file(here.folder, name, why, wanted.stack)
                for name, why in wrong.items()
            ]
        if cluster and args["ending"]:
            # What else is missing here goes with the stack and can be made again, later.
            plan.warnings = []
            names = self._names(plan, here, wanted, args, task_vars)
            last = credentials.last_copies(cluster, names, use, here, plan.given, wanted)
            plan.errors = [credentials.refuse_ending(last, here, wanted.stack)] if last else []
        elif cluster and not plan.errors:
            names = self._names(plan, here, wanted, args, task_vars)
            credentials.compare(plan, names, use, here, wanted)
            self._check_derived(plan, here, wanted, args, task_vars)
        if cluster and folder.is_dir() and not (plan.errors or check_mode or here.recorded):
            _write(folder / CLUSTER_FILE, f"{cluster}\n")
        result = {"changed": False, "folder": str(folder), **dataclasses.asdict(plan)}
        result["withheld"] = sorted({*plan.given, *plan.kept})
        if warnings := [*taken, *args["remarks"], *result.pop("warnings")]:
            result["warnings"] = warnings
        if plan.errors and args["fail"]:
            return printing.refuse(self, plan.errors)
        return result

    def _names(
        self,
        plan: credentials.Plan,
        here: Here,
        wanted: Wanted,
        args: Mapping[str, Any],
        task_vars: Mapping[str, Any],
    ) -> dict[str, dict[str, list[str]]]:
        """The names of what is here; none without their key. Nothing is made for that."""
        there = here.files | set(plan.given)
        if KEY not in there:
            return {}
        found = self._quietly(args["names_variable"], plan, here, wanted, task_vars)
        names = {
            wanted.stack: {
                short: [full]
                for short, full in found[wanted.stack].items()
                if short in there and short in wanted.secrets
            }
        }
        if REGISTRY in found:
            names[REGISTRY] = {short: [full] for short, full in found[REGISTRY].items()}
        return names

    def _check_derived(
        self,
        plan: credentials.Plan,
        here: Here,
        wanted: Wanted,
        args: Mapping[str, Any],
        task_vars: Mapping[str, Any],
    ) -> None:
        """Whatever is made of a kept secret is another thing with each stand-in for it."""
        if not plan.kept:
            return
        one, other = (
            self._quietly(args["derived_variable"], plan, here, wanted, task_vars, stand_in)
            for stand_in in ("one", "other")
        )
        credentials.refuse_derived(plan, credentials.needing(one, other), wanted.stack)

    def _quietly(
        self,
        variable: str,
        plan: credentials.Plan,
        here: Here,
        wanted: Wanted,
        task_vars: Mapping[str, Any],
        stand_in: str = "",
    ) -> dict[str, Any]:
        """A variable's value while the lookup `credential` makes nothing."""
        absent = [name for name in wanted.secrets if name not in here.files]
        state = {
            "folder": here.folder,
            "withheld": [*plan.given, *absent, *plan.kept],
            "kept": plan.kept,
            "stand_in": stand_in,
        }
        apart = self._templar.copy_with_new_env(
            available_variables={**task_vars, "__credentials": state}
        )
        value: dict[str, Any] = apart.template(task_vars[variable])
        return dict(value)


def _folder(args: Mapping[str, Any], use: InUse, check_mode: bool) -> tuple[Path, list[str]]:
    """Where the credentials are, and what was done to have them there.

    An earlier version named the folder by the inventory's folder, so that all inventories in it
    shared one. What is this cluster's in there is copied once; another cluster may need it too.
    """
    folder, earlier = Path(args["folder"]), args["earlier_folder"]
    if not earlier or folder.exists() or not Path(earlier).is_dir() or not use:
        return folder, []
    old = Path(earlier)
    values = {
        REGISTRY: {"key": _text(old / "registry.key").rstrip() + "\n"},
        args["stack"]: {name: _text(old / name).strip() for name in args["secrets"]},
    }
    if not credentials.matches(values, _text(old / KEY).strip(), use):
        return folder, []
    if check_mode:
        return old, []
    part = folder.with_name(f".{folder.name}.part")
    if part.exists():  # of a run that was interrupted
        shutil.rmtree(part)
    part.mkdir(parents=True, mode=0o700)
    for file in old.iterdir():
        if file.is_file() and file.name != CLUSTER_FILE:
            shutil.copy2(file, part)
    part.rename(folder)
    return folder, [
        f"the credentials of this cluster were copied from {old} to {folder}: each inventory has a "
        f"folder of its own now. When every inventory beside this one has its copy, {old} is not "
        "needed any more."
    ]


def _here(folder: Path, given: list[str]) -> Here:
    files = frozenset(file.name for file in folder.iterdir()) if folder.is_dir() else frozenset()
    return Here(str(folder), files, frozenset(given), _text(folder / CLUSTER_FILE).strip())


def _wrong(folder: Path, here: Here, wanted: Wanted) -> dict[str, str]:
    """{file of a credential: why it is none}; of those that the inventory gives no file is read."""
    names = [*credentials.VARIABLES, *wanted.secrets]
    used = [n for n in names if credentials.variable_of(n, wanted.stack) not in here.given]
    wrong: dict[str, str] = {}
    for name in [*used, *(f"{name}.previous" for name in wanted.renewable)]:
        if name not in here.files:
            continue
        try:
            if not (folder / name).read_text(encoding="utf-8").strip():
                wrong[name] = "it is empty"
        except (OSError, UnicodeDecodeError):
            wrong[name] = "it cannot be read"
    return wrong


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda n, f: os.open(n, f, 0o600)) as file:
        file.write(text)
