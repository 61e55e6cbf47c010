# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The locks of one run of ansible-playbook, on the controller: which it has, and who renews them.

Every task is a process of its own, so what they share lies in the run's folder for temporary files,
which Ansible removes when the run ends in any orderly way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.monsterstack.swarm.plugins.module_utils import lock
from ansible_collections.monsterstack.swarm.plugins.module_utils.daemon import detach
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.printing import refuse

LOOK_SECONDS = 0.5


class RunLocks:
    """Names of the locks of the run whose main process is `pid`."""

    def __init__(self, pid: int, folder: Path | None = None) -> None:
        self.pid = pid
        self.begun = lock.begun(pid)
        self.tmp = Path(constants.DEFAULT_LOCAL_TMP) if folder is None else folder
        self._held = self.tmp / "monsterstack-locks.json"
        self._keeper = self.tmp / "monsterstack-locks.keeper"
        self._lost = self.tmp / "monsterstack-locks.lost"

    def owner(self) -> dict[str, Any]:
        played = ", ".join(Path(name).name for name in context.CLIARGS.get("args") or ())
        return dataclasses.asdict(lock.this_owner(self.pid, playbook=played))

    @property
    def names(self) -> set[str]:
        """Names of the locks that this run has taken and not given back."""
        try:
            return set(json.loads(self._held.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return set()

    def _write(self, names: set[str]) -> None:
        new = self._held.with_suffix(".new")
        new.write_text(json.dumps(sorted(names)), encoding="utf-8")
        new.replace(self._held)

    def taken(self, name: str) -> None:
        self._write(self.names | {name})
        self._lost.unlink(missing_ok=True)

    def released(self, name: str) -> None:
        self._write(self.names - {name})
        if not self.names:
            self.end_keeper()

    def lost(self) -> bool:
        """Whether a lock of this run is somebody else's now."""
        return self._lost.exists()

    def note_lost(self) -> None:
        with contextlib.suppress(OSError):
            self._lost.touch()

    def runs(self) -> bool:
        """Whether the run goes on."""
        return lock.runs(self.pid, self.begun)

    # The keeper

    def end_keeper(self) -> None:
        """End the process that renews, if there is one."""
        try:
            pid, begun = self._keeper.read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return
        # Only this very process: another one may have its number by now.
        if lock.begun(int(pid)) == begun:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        self._keeper.unlink(missing_ok=True)

    def start_keeper(
        self, renew: Callable[[], list[str]], give_back: Callable[[str], None]
    ) -> None:
        """Start a process that renews until the run is over; one before it ends.

        `renew` returns the names that were renewed; both may raise anything while no manager can
        be reached.
        """
        self.end_keeper()

        def work() -> None:
            # Ansible's workers hand their words to their parent.
            Display()._final_q = None
            self.keep(renew, give_back)

        detach(work)

    def keep(self, renew: Callable[[], list[str]], give_back: Callable[[str], None]) -> None:
        """In the keeper: renew while the run lives.

        A run that ended in an orderly way (its folder is gone) gives back what it has. One that
        was killed may have left a task at work: its locks end by themselves.
        """
        me = os.getpid()
        self._keeper.write_text(f"{me} {lock.begun(me)}", encoding="utf-8")
        due = time.monotonic() + lock.RENEW_SECONDS
        names = self.names
        while self.runs():
            time.sleep(LOOK_SECONDS)
            names = self.names if self.tmp.exists() else names
            if time.monotonic() < due or not names:
                continue
            due = time.monotonic() + lock.RENEW_SECONDS
            with contextlib.suppress(Exception):  # no manager answers: again in the next round
                renewed = set(renew())
                # Read again: a task may have given one back meanwhile.
                if names - renewed and (names & self.names) - renewed:
                    self.note_lost()
        if self.tmp.exists():
            return
        # Ansible keeps the modules that it sends there.
        self.tmp.mkdir(mode=0o700)
        try:
            for name in names:
                with contextlib.suppress(Exception):
                    give_back(name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.tmp)


class OwnedAction(ActionBase):
    """An action whose module may wait for long: it renews the run's locks meanwhile.

    Nothing is begun any more by a run whose lock is somebody else's.
    """

    def owned(self, args: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module of this name with the owner of the run's locks."""
        locks = RunLocks(os.getppid())
        if locks.lost() and not self._task.check_mode:
            raise AnsibleActionFail(lock.LOST)
        given = {**args, "lock_owner": locks.owner() if locks.names else None}
        return dict(self._execute_module(module_args=given, task_vars=task_vars))

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result = self.owned(self._task.args, task_vars)
        if not result.get("failed") or not result.get("findings"):
            return result
        return refuse(self._display, result["findings"], **result)
