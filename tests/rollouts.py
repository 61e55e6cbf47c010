"""What the tests of releases on machines share: sources to break, playbooks that run meanwhile,
what the probe saw of them, and how long they took beside what Swarm itself needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.cluster import PROJECT, Run, assert_as_meant, cluster, environment

STACK = "monsterstack"
SERVICES = ("frontend", "imagebackend", "redis")


@dataclass
class Sources:
    """A copy of the services' sources and the stack, to be broken."""

    root: Path

    def restore(self) -> None:
        """As they are in the checkout."""
        for folder in ("app", "imagebackend", "stacks"):
            if (self.root / folder).exists():
                shutil.rmtree(self.root / folder)
            ignore = shutil.ignore_patterns("tests", "__pycache__")
            shutil.copytree(PROJECT / folder, self.root / folder, ignore=ignore)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that must be there once."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file}: {old!r} is not there once"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def at_start(self, code: str) -> None:
        """Let the page's process do something before anything else."""
        self.edit("app/__main__.py", "import os\n", f"import os\n{code}\n")

    def health(self, code: str) -> None:
        """Another health check of the page."""
        (self.root / "app/healthcheck.py").write_text(code, encoding="utf-8")


@dataclass(frozen=True)
class Rollout:
    """A playbook's run and what its probe saw; `began` and `ended` are seconds since 1970."""

    run: Run
    report: dict[str, Any]
    began: float
    ended: float

    @property
    def failed(self) -> int:
        return int(self.report["failed"])

    @property
    def outcome(self) -> str:
        """How it ended, in its own words."""
        good = re.search(rf"stack {STACK}, release \S+: (\w+)", self.run.text)
        bad = re.search(rf"Release \S+ of the stack {STACK}: ([\w ]+)\.", self.run.text)
        if self.run.code == 0:
            return good[1] if good else "done"
        back = ", put back" if "was put back: converged" in self.run.text else ""
        if good:
            return f"{good[1]}, but not every node answers"
        return f"{bad[1]}{back}" if bad else "refused"


class Background:
    """A playbook that runs while the test does something else."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words
        self.before = cluster().specs()
        self.log = (folder / "log").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["ansible-playbook", "-i", str(cluster().inventory), *words],
            cwd=PROJECT,
            env=environment(),
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.began = time.time()

    @property
    def printed(self) -> str:
        return Path(self.log.name).read_text(encoding="utf-8")

    def wait_for(self, condition: Callable[[str, str], bool], seconds: float = 300) -> None:
        """Until what it printed and what its probe saw are as wanted."""
        deadline = time.monotonic() + seconds
        samples = self.folder / "probe/samples.jsonl"
        while not condition(self.printed, samples.read_text() if samples.exists() else ""):
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def finish(self, seconds: float = 900) -> Rollout:
        self.process.wait(timeout=seconds)
        ended = time.time()
        run = Run(self.process.returncode, self.printed, round(ended - self.began, 1))
        assert_as_meant(self.words, run, self.before, cluster().specs())
        return Rollout(run, report_in(self.folder), self.began, ended)

    def kill(self) -> None:
        """As a power cut of the controller would: nothing is tidied up."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def report_in(folder: Path) -> dict[str, Any]:
    file = folder / "probe/report.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def words(folder: Path, sources: Sources, *more: str) -> list[str]:
    """What every playbook of these tests is given."""
    return [
        "-e",
        f"stacks_dir={sources.root / 'stacks'}",
        "-e",
        f"probe_dir={folder / 'probe'}",
        *(word for one in more for word in ("-e", one)),
    ]


def roll(folder: Path, sources: Sources, playbook: str, *more: str) -> Rollout:
    """Run a playbook to its end."""
    return Background(folder, playbook, *words(folder, sources, *more)).finish()


def images() -> dict[str, str]:
    """Which image each service has."""
    return {
        name: cluster().service(f"{STACK}_{name}")["TaskTemplate"]["ContainerSpec"]["Image"]
        for name in SERVICES
    }


def versions() -> set[str]:
    """Which versions answer now, through all nodes."""
    return {node.get("/")[1]["x-version"] for node in cluster().nodes for _ in range(6)}


@dataclass(frozen=True)
class Pace:
    """How long a rollout took, in seconds: by Swarm's own clock, and what cannot be undercut.

    `floor` is replicas x (start to healthy + delay) + monitor of the slowest service; `verdict` is
    the time between Swarm's own "completed" and the playbook's last line.
    """

    rollout: float
    floor: float
    healthy: float
    verdict: float


def pace(rollout: Rollout) -> Pace | None:
    """Of a good rollout; None of a bad one, and where Swarm completed no update since it began."""
    if rollout.run.code != 0:
        return None
    manager = cluster().managers[0]
    listed = manager.docker("service inspect " + " ".join(f"{STACK}_{name}" for name in SERVICES))
    spans: list[tuple[float, float, float, float]] = []
    for service in listed:
        update = service.get("UpdateStatus") or {}
        begun = _epoch(update.get("StartedAt"))
        if update.get("State") != "completed" or begun < rollout.began:
            continue
        if service["Spec"]["Mode"] != service.get("PreviousSpec", {}).get("Mode"):
            continue  # tasks that are added start all at once
        config = service["Spec"]["UpdateConfig"]
        name = service["Spec"]["Name"]
        tasks = manager.docker(
            f"inspect $(docker service ps -q --filter desired-state=running {name})"
        )
        starts = [
            _epoch(task["Status"]["Timestamp"]) - _epoch(task["CreatedAt"])
            for task in tasks
            if _epoch(task["CreatedAt"]) > begun - 1
        ]
        if not starts:
            continue
        healthy = sum(starts) / len(starts)
        delay, monitor = config.get("Delay", 0) / 1e9, config.get("Monitor", 0) / 1e9
        floor = len(starts) * (healthy + delay) + monitor
        spans.append((begun, _epoch(update.get("CompletedAt")), floor, healthy))
    if not spans:
        return None
    last = max(span[1] for span in spans)
    slowest = max(spans, key=lambda span: span[2])
    return Pace(
        rollout=round(last - min(span[0] for span in spans), 1),
        floor=round(slowest[2], 1),
        healthy=round(slowest[3], 1),
        verdict=round(rollout.ended - last, 1),
    )


def _epoch(text: str | None) -> float:
    if not text or text.startswith("0001-"):
        return 0.0
    # Docker writes nanoseconds, which are too much for datetime.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


COLUMNS = {
    "ended": "ended",
    "seconds": "whole run, s",
    "rollout": "rollout, s",
    "floor": "its floor, s",
    "verdict": "verdict after, s",
    "requests": "requests",
    "failed": "failed",
    "longest_gap": "longest gap, s",
}


@dataclass
class Table:
    """What a scenario reports, row by row, as JSON and as a table for people."""

    file: Path
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Tests can be run one by one: each replaces its own row.
        if self.file.exists():
            self.rows = json.loads(self.file.read_text(encoding="utf-8"))

    def add(self, name: str, rollout: Rollout) -> Pace | None:
        """A row; written at once, so that a failed run has its table too."""
        found = pace(rollout)
        report = rollout.report
        self.rows[name] = {
            "ended": rollout.outcome,
            "rc": rollout.run.code,
            "seconds": round(rollout.ended - rollout.began, 1),
            "rollout": found and found.rollout,
            "floor": found and found.floor,
            "healthy": found and found.healthy,
            "verdict": found and found.verdict,
            **{key: report.get(key) for key in ("requests", "failed", "longest_gap", "reopened")},
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")
        self.file.with_suffix(".md").write_text(self.markdown(), encoding="utf-8")
        return found

    def markdown(self) -> str:
        """The rows as a table for a document."""
        lines = [f"| release | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
        for name, row in self.rows.items():
            cells = ["" if row.get(key) is None else str(row[key]) for key in COLUMNS]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"
