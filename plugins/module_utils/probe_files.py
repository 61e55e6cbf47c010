# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of a probe that runs beside a playbook: what it saw, its end, its report.

samples.jsonl grows while it runs (first line: the head), `stop` asks it to end, `done` tells that
it did; report.json and timeline.svg are written by whoever asks for the report.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import probe
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import begun

RUN = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d+")
KEPT_RUNS = 20
LATEST = "latest"


class ProbeError(Exception):
    """There is no probe where one was expected; the text is for people."""


class ProbeFolder:
    """One folder, one probe at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.samples_file = folder / "samples.jsonl"
        self.report_file = folder / "report.json"
        self.picture_file = folder / "timeline.svg"
        self._stop = folder / "stop"
        self._done = folder / "done"

    def prepare(self) -> None:
        """Make the folder and forget what the probe before left. Raises ProbeError while one is at
        work here: its samples would be lost."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.is_working():
            raise ProbeError(
                f"{self.folder}: another run's probe is at work here. Wait for its end, or give "
                "this one another folder with -e probe_dir=…"
            )
        for path in (
            *(self._stop, self._done, self.samples_file),
            *(self.report_file, self.picture_file),
        ):
            path.unlink(missing_ok=True)

    def is_working(self) -> bool:
        """Whether a probe sends requests from here."""
        return not self._done.exists() and alive(self._head().get("pid", 0))

    def has_ended(self) -> bool:
        """Whether a probe was here and is no more."""
        return self.samples_file.exists() and not self.is_working()

    def belongs_to(self, owner: str) -> bool:
        """Whether the probe of here was started by that process, see `identity`."""
        return bool(self._head().get("owner") == owner)

    def _head(self) -> dict[str, Any]:
        """The first line alone; empty where there is none."""
        try:
            with self.samples_file.open(encoding="utf-8") as file:
                line = file.readline()
        except OSError:
            return {}
        head: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
        return head

    def work(self, options: Mapping[str, Any], owner: int) -> None:
        """Send the requests until the time is over, `stop` is there or the process `owner` is gone.

        `options`: addresses, port, check, rate, duration, request_timeout.
        """
        shots = probe.schedule(options["rate"], options["duration"], options["addresses"])
        visitors = probe.Visitors(options["port"], options["check"], options["request_timeout"])
        try:
            with self.samples_file.open("w", encoding="utf-8", buffering=1) as out:
                head = {"started": time.time(), "pid": os.getpid(), "owner": identity(owner)}
                out.write(json.dumps(head) + "\n")

                def record(sample: probe.Sample) -> None:
                    out.write(json.dumps(asdict(sample)) + "\n")

                probe.run(
                    shots,
                    visitors.shoot,
                    record,
                    lambda: self._stop.exists() or not alive(owner),
                )
        finally:
            visitors.close()
            self._done.touch()

    def stop(self, timeout: float) -> None:
        """Ask the probe to end and wait for its last answers. Raises ProbeError."""
        if not self.folder.is_dir():
            raise ProbeError(f"{self.folder}: no probe was started here.")
        self._stop.touch()
        self.wait(timeout)

    def wait(self, timeout: float) -> None:
        """Wait until the probe has ended. Raises ProbeError when it was never begun or hangs."""
        deadline = time.monotonic() + timeout
        while not self._done.exists():
            if time.monotonic() > deadline:
                raise ProbeError(
                    f"{self.folder}: the probe did not end within {timeout:.0f} s; what it saw "
                    "stands in samples.jsonl."
                )
            time.sleep(0.05)

    def read(self) -> tuple[dict[str, Any], list[probe.Sample]]:
        """(the head, the samples so far). Raises ProbeError when nothing was begun."""
        try:
            text = self.samples_file.read_text(encoding="utf-8")
        except OSError as error:
            raise ProbeError(f"{self.folder}: no probe has begun here ({error}).") from error
        rows = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        if not rows:
            raise ProbeError(f"{self.folder}: the probe has not begun yet.")
        return rows[0], [probe.Sample(**row) for row in rows[1:]]

    def report(self, title: str) -> dict[str, Any]:
        """The report, written as JSON and as a picture. Raises ProbeError."""
        head, samples = self.read()
        report = probe.summarise(samples, head["started"])
        self.report_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        self.picture_file.write_text(probe.svg(samples, title), encoding="utf-8")
        return report


def new_run(base: Path, pid: int) -> ProbeFolder:
    """A folder of its own for a probe of the process `pid`, which `latest` leads to. The oldest
    folders go as soon as there are more than KEPT_RUNS, but none that a probe is at work in."""
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
    folder = base / f"{stamp}-{pid}"
    folder.mkdir(parents=True)
    link = base / f"{LATEST}.{pid}"
    link.symlink_to(folder.name)
    link.replace(base / LATEST)
    for old in _runs(base)[KEPT_RUNS:]:
        if ProbeFolder(old).has_ended():
            shutil.rmtree(old)
    return ProbeFolder(folder)


def find_run(base: Path, owner: str) -> ProbeFolder | None:
    """The newest folder of a probe that this process started, see `identity`."""
    folders = map(ProbeFolder, [*_runs(base), base])
    return next((folder for folder in folders if folder.belongs_to(owner)), None)


def _runs(base: Path) -> list[Path]:
    """The folders of runs, newest first."""
    found = base.iterdir() if base.is_dir() else iter(())
    return sorted((path for path in found if RUN.fullmatch(path.name)), reverse=True)


def identity(pid: int) -> str:
    """A process by more than its id, which another one gets later."""
    return f"{pid} {begun(pid)}"


def alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    if pid <= 0:  # to kill(2) that would mean a group of processes
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
