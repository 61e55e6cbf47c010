# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of a probe that runs on a host: writes what it saw to a folder here.

From then on nobody needs to know where it ran: whoever watches, stops and reports reads the folder.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.monsterstack.swarm.plugins.module_utils.probe_files import (
    ProbeFolder,
    alive,
    identity,
)

# How often the samples are fetched within a lease: every 5 s of 60.
FETCHES = 12
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Relay:
    """Fetches from the host `name`, whose probe has begun, until that has ended.

    `ask` runs the module there: `read` with the options given beside. It may raise AnsibleError
    while the host cannot be reached, and that is no end: what the probe sees meanwhile is kept.
    """

    folder: ProbeFolder
    name: str
    lease: float
    ask: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def work(self, owner: int, begun: Mapping[str, Any], began_at: float) -> None:
        """Until the end, or until the process `owner` is gone: then nobody wants the rest, and the
        probe ends by itself. `begun` is what the module said, at `began_at` of this clock."""
        head = {
            "started": began_at - float(begun["age"]),
            "pid": os.getpid(),
            "owner": identity(owner),
            "asked_from": self.name,
        }
        problem = ""
        try:
            with self.folder.samples_file.open("w", encoding="utf-8", buffering=1) as out:
                out.write(json.dumps(head) + "\n")
                problem = self._fetch(owner, begun, out.write)
        except BaseException as error:
            problem = f"what it saw was not fetched to the end ({error!r})"
            raise
        finally:
            self.folder.end(problem)

    def _fetch(self, owner: int, begun: Mapping[str, Any], write: Callable[[str], Any]) -> str:
        """What went wrong; empty for nothing."""
        place, offset = str(begun["place"]), int(begun["offset"])
        give_up: float | None = None
        while True:
            self._wait(owner)
            if not alive(owner):
                return "its playbook is gone"
            end = self.folder.is_to_end()
            said, why = self._read(place, offset, end)
            if why is None:
                write(str(said["text"]))
                offset, give_up = int(said["offset"]), None
                if said["ended"]:
                    self._read(place, offset, end, forget=True)
                    return str(said["problem"])
            elif end:
                give_up = give_up or time.monotonic() + self.lease
                if time.monotonic() > give_up:
                    return f"{why}; what it saw last was not fetched"

    def _wait(self, owner: int) -> None:
        """Until it is time to fetch: at once when the end is wished for."""
        due = time.monotonic() + self.lease / FETCHES
        while time.monotonic() < due and not self.folder.is_to_end() and alive(owner):
            time.sleep(LOOK_SECONDS)

    def _read(
        self, place: str, offset: int, end: bool, forget: bool = False
    ) -> tuple[Mapping[str, Any], str | None]:
        """(the answer, None), or (nothing, why there is none)."""
        asked = {"state": "read", "place": place, "offset": offset, "end": end, "forget": forget}
        try:
            said = self.ask(asked)
        except AnsibleError as error:
            time.sleep(LOOK_SECONDS)
            return {}, f"the host does not answer ({error})"
        if said.get("failed") or "ended" not in said:
            time.sleep(LOOK_SECONDS)
            return {}, f"the host did not tell what it saw ({said.get('msg') or 'no reason'})"
        return said, None
