# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""node_archive: see the module of that name for its documentation.

Files go through the connection itself, so they never have to fit into memory.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Fetches what the module packed, and sends what it is to unpack."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = {k: v for k, v in self._task.args.items() if k not in ("files", "done")}
        state, local = args.get("state"), Path(str(args.get("local_dir") or "."))
        if state not in ("looked", "found") and not args.get("local_dir"):
            return {"failed": True, "msg": "local_dir is needed to pack and to unpack."}
        if self._task.check_mode or state not in ("packed", "unpacked"):
            return dict(self._execute_module(module_args=args, task_vars=task_vars))
        if state == "unpacked":
            return self._unpack(args, local, task_vars)
        return self._pack(args, local, task_vars)

    def _pack(
        self, args: dict[str, Any], local: Path, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if result.get("failed"):
            return result
        packed = [*result["volumes"], *([result["swarm"]] if result["swarm"] else [])]
        remote = Path(str(args.get("folder") or "/var/lib/monsterstack-swarm-archive"))
        host = str((task_vars or {})["inventory_hostname"])
        here = local / host
        try:
            here.mkdir(parents=True, exist_ok=True, mode=0o700)
            for one in packed:
                target = here / one["file"]
                with open(target, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)):
                    self._connection.fetch_file(str(remote / one["file"]), str(target))
                if _sha256(target) != one["sha256"]:
                    problem = f"{one['file']} was spoilt on its way to this computer: try again."
                    return {"failed": True, "msg": problem}
        finally:
            if packed:
                done = {**args, "done": [str(remote / one["file"]) for one in packed]}
                self._execute_module(module_args=done, task_vars=task_vars)
        for one in packed:
            one["file"] = f"{host}/{one['file']}"
        return result

    def _unpack(
        self, args: dict[str, Any], local: Path, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        names = [str(volume["file"]) for volume in args.get("volumes") or []]
        if args.get("swarm"):
            names.append(str(args.get("swarm_file") or "swarm.tar"))
        if not names:
            return {"changed": False, "volumes": [], "swarm": None}
        folder = self._make_tmp_path()
        try:
            args["files"] = {}
            for name in names:
                remote = self._connection._shell.join_path(folder, name.replace("/", "_"))
                self._connection.put_file(str(local / name), remote)
                args["files"][name] = remote
            return dict(self._execute_module(module_args=args, task_vars=task_vars))
        finally:
            self._remove_tmp_path(folder, force=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
