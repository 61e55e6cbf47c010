# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of a probe that runs beside a playbook: what it saw, its end, its report.

samples.jsonl grows while it runs (first line: the head), `stop` asks it to end, `done` tells that
it did and what went wrong, if anything; report.json and timeline.svg are written by whoever asks
for the report.

A probe on a host has such a folder there, with a lease beside: whoever reads what it saw renews it.
What was read stands in a folder on the controller, from which it is judged.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import probe
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import begun

RUN = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d+")
KEPT_RUNS = 20
LATEST = "latest"
# The last requests may take their whole time-out before the probe ends.
SPARE_SECONDS = 15.0
# A probe on a host ends when nobody has read what it saw for so long: its playbook was killed, or
# the controller is gone. What it saw is kept for a while, for a controller that comes back.
LEASE_SECONDS = 60.0
KEPT_SECONDS = 600.0
# Where visitors ask from.
CONTROLLER, HOST = "controller", "host"

# The options of the module and of its action plugin.
SPEC: dict[str, Any] = {
    "state": {
        "type": "str",
        "choices": ["started", "watched", "stopped", "read"],
        "required": True,
    },
    "probe": {
        "type": "dict",
        "required": True,
        "options": {
            "asked_from": {"type": "str", "choices": [CONTROLLER, HOST], "default": CONTROLLER},
            "folder": {"type": "path", "required": True},
            "runs": {"type": "bool", "default": False},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "port": {"type": "int", "required": True},
            "check": {"type": "dict", "default": {"path": "/"}},
            "rate": {"type": "float", "default": 20},
            "duration": {"type": "float", "default": 1800},
            "request_timeout": {"type": "float", "default": 5},
            "lease": {"type": "float", "default": LEASE_SECONDS},
            "title": {"type": "str", "default": "probe"},
        },
    },
    "version": {"type": "str"},
    "seconds": {"type": "float", "default": 30},
    "timeout": {"type": "float", "default": 180},
    "max_failures": {"type": "int", "default": 0},
    "wait": {"type": "bool", "default": False},
    "fail_on_loss": {"type": "bool", "default": False},
    "place": {"type": "path"},
    "offset": {"type": "int", "default": 0},
    "end": {"type": "bool", "default": False},
    "forget": {"type": "bool", "default": False},
}
REQUIRED_IF = [("state", "watched", ["version"]), ("state", "read", ["place"])]


class ProbeError(Exception):
    """There is no probe where one was expected; the text is for people."""


class ProbeFolder:
    """One folder, one probe at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.samples_file = folder / "samples.jsonl"
        self.report_file = folder / "report.json"
        self.picture_file = folder / "timeline.svg"
        self.error_file = folder / "error.txt"
        self._stop = folder / "stop"
        self._done = folder / "done"
        self._lease = folder / "lease"

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
            *(self.report_file, self.picture_file, self.error_file),
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
        text = "its playbook is gone"
        head = {"owner": identity(owner), "asked_from": CONTROLLER}
        self._work(options, head, lambda: "" if alive(owner) else text)

    def work_on_lease(self, options: Mapping[str, Any]) -> None:
        """The same on a host, where the playbook cannot be seen: until nobody renews the lease."""
        lease = float(options["lease"])
        text = f"it ended, for nobody had asked for what it saw for {lease:g} s"
        self.renew(lease)
        try:
            self._work(options, {}, lambda: text if self.lease_is_over() else "")
        finally:
            while not self.lease_is_over(KEPT_SECONDS):
                time.sleep(0.5)
            self.forget()

    def _work(
        self, options: Mapping[str, Any], more: Mapping[str, Any], abandoned: Callable[[], str]
    ) -> None:
        shots = probe.schedule(options["rate"], options["duration"], options["addresses"])
        visitors = probe.Visitors(options["port"], options["check"], options["request_timeout"])
        problem = ""

        def stopped() -> bool:
            nonlocal problem
            if self.is_to_end():
                return True
            problem = abandoned()
            return bool(problem)

        try:
            with self.samples_file.open("w", encoding="utf-8", buffering=1) as out:
                head = {"started": time.time(), "pid": os.getpid(), **more}
                out.write(json.dumps(head) + "\n")

                def record(sample: probe.Sample) -> None:
                    out.write(json.dumps(asdict(sample)) + "\n")

                probe.run(shots, visitors.shoot, record, stopped)
        except Exception as error:
            problem = f"it broke off ({error!r})"
            raise
        finally:
            visitors.close()
            self.end(problem)

    def renew(self, seconds: float) -> None:
        """Let the probe of this host go on for so long. By a clock that nobody sets."""
        new = self._lease.with_suffix(".new")
        new.write_text(f"{time.monotonic() + seconds}", encoding="utf-8")
        new.replace(self._lease)

    def lease_is_over(self, more: float = 0.0) -> bool:
        """Whether nobody has renewed it, `more` seconds after its end; so without a folder."""
        try:
            return time.monotonic() > float(self._lease.read_text(encoding="utf-8")) + more
        except (OSError, ValueError):
            return True

    def forget(self) -> None:
        """Remove the folder: what it holds stands somewhere else."""
        # The probe at its end and whoever read its last do this at once: each may find parts gone.
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask_to_end(self) -> None:
        """Let the probe send no more requests. Raises ProbeError."""
        if not self.folder.is_dir():
            raise ProbeError(f"{self.folder}: no probe was started here.")
        self._stop.touch()

    def is_to_end(self) -> bool:
        """Whether somebody asked it to end."""
        return self._stop.exists()

    def end(self, problem: str = "") -> None:
        """Say that it has ended, and what went wrong."""
        new = self._done.with_suffix(".new")
        new.write_text(problem, encoding="utf-8")
        new.replace(self._done)

    def problem(self) -> str:
        """What went wrong with a probe that has ended; empty for nothing."""
        try:
            return self._done.read_text(encoding="utf-8")
        except OSError:
            return "its process was killed"

    def begun(self, timeout: float = 10) -> dict[str, Any]:
        """The head, as soon as the probe has begun. Raises ProbeError."""
        deadline = time.monotonic() + timeout
        while not (head := self._head()):
            if time.monotonic() > deadline:
                try:
                    why = self.error_file.read_text(encoding="utf-8").strip().splitlines()[-1]
                except (OSError, IndexError):
                    why = f"nothing within {timeout:g} s"
                raise ProbeError(f"{self.folder}: the probe did not begin ({why}).")
            time.sleep(0.02)
        return head

    def note_failure(self, text: str) -> None:
        """Keep what ended the probe before it began, for `begun`."""
        self.error_file.write_text(text, encoding="utf-8")

    def stop(self, timeout: float) -> str:
        """Ask the probe to end and wait for its last answers, see `wait`. Raises ProbeError."""
        self.ask_to_end()
        return self.wait(timeout)

    def wait(self, timeout: float) -> str:
        """Wait until the probe has ended, in whatever way; what went wrong with it. Raises
        ProbeError when it was never begun or hangs."""
        deadline = time.monotonic() + timeout
        while not (self._done.exists() or self.has_ended()):
            if time.monotonic() > deadline:
                raise ProbeError(
                    f"{self.folder}: the probe did not end within {timeout:.0f} s; what it saw "
                    "stands in samples.jsonl."
                )
            time.sleep(0.05)
        return self.problem()

    def read_from(self, offset: int) -> tuple[str, int]:
        """(the whole lines behind that many bytes of the samples, where the next ones begin)."""
        with self.samples_file.open("rb") as file:
            file.seek(offset)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        return data.decode("utf-8"), offset + len(data)

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
        report["asked_from"] = head.get("asked_from", CONTROLLER)
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
