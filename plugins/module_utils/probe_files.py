# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of a probe that runs beside a playbook: what it saw, its end, its report.

samples.jsonl grows while it runs (first line: the head), `stop` asks it to end, `done` tells that
it did; report.json and timeline.svg are written by whoever asks for the report.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import probe


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
        """Make the folder and forget what the probe before left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self._stop, self._done, self.samples_file):
            path.unlink(missing_ok=True)

    def work(self, options: Mapping[str, Any], owner: int) -> None:
        """Send the requests until the time is over, `stop` is there or the process `owner` is gone.

        `options`: addresses, port, check, rate, duration, request_timeout.
        """
        shots = probe.schedule(options["rate"], options["duration"], options["addresses"])
        visitors = probe.Visitors(options["port"], options["check"], options["request_timeout"])
        try:
            with self.samples_file.open("w", encoding="utf-8", buffering=1) as out:
                out.write(json.dumps({"started": time.time(), "pid": os.getpid()}) + "\n")

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


def alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
