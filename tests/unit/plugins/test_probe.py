"""The availability probe: schedule, accounting, report, picture, and the real thing on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import xml.etree.ElementTree
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import probe
from ansible_collections.monsterstack.swarm.plugins.module_utils.probe import Sample, Shot
from ansible_collections.monsterstack.swarm.plugins.module_utils.probe_files import (
    KEPT_RUNS,
    LATEST,
    ProbeError,
    ProbeFolder,
    find_run,
    identity,
    new_run,
)


def samples(*rows: tuple[float, str, str]) -> list[Sample]:
    """(at, kind, version) each, through one node, 10 ms."""
    return [
        Sample(at, "n1", False, 0.01, kind, "" if kind == "ok" else f"was {kind}", version)
        for at, kind, version in rows
    ]


def test_schedule_takes_nodes_and_connections_in_turn() -> None:
    shots = list(probe.schedule(4, 2, ["a", "b"]))
    assert [shot.at for shot in shots] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert [shot.node for shot in shots] == ["a", "b"] * 4
    assert {(shot.node, shot.kept) for shot in shots} == {
        (node, kept) for node in "ab" for kept in (False, True)
    }


@pytest.mark.parametrize(
    ("rate", "seconds", "nodes", "words"),
    [
        (20, 60, [], "no address"),
        (0, 60, ["a"], "rate of 0"),
        (201, 60, ["a"], "rate of 201"),
        (20, 0, ["a"], "duration of 0"),
        (200, 501, ["a"], "100200 requests"),
    ],
    ids=["no node", "rate 0", "too fast", "no time", "too many"],
)
def test_schedule_refuses(rate: float, seconds: float, nodes: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        probe.schedule(rate, seconds, nodes)


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([], 0.5, None),
        ([3.0], 0.99, 3.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([2.0, 1.0], 1.0, 2.0),
    ],
    ids=["none", "one", "median of four", "p95", "p99", "max"],
)
def test_percentile(values: list[float], share: float, wanted: float | None) -> None:
    assert probe.percentile(values, share) == wanted


GAPS: dict[str, tuple[list[Sample], float]] = {
    "nothing": ([], 0.0),
    "all right": (samples((0, "ok", ""), (1, "ok", ""), (2, "ok", "")), 1),
    "hole in the middle": (samples((0, "ok", ""), (1, "timeout", ""), (3, "ok", "")), 3),
    "down at the end": (samples((0, "ok", ""), (1, "refused", ""), (5, "refused", "")), 5),
    "never up": (samples((0, "refused", ""), (4, "refused", "")), 4),
    "unordered": (samples((2, "ok", ""), (0, "ok", ""), (1, "ok", "")), 1),
}


@pytest.mark.parametrize(("given", "wanted"), GAPS.values(), ids=GAPS)
def test_longest_gap(given: list[Sample], wanted: float) -> None:
    assert probe.longest_gap(given) == wanted


def test_summary_counts_every_request_once() -> None:
    given = samples(
        (0, "ok", "1.0"), (1, "ok", "2.0"), (2, "status 500", "2.0"), (3, "timeout", "")
    )
    given.append(Sample(4, "n2", True, 0.5, version="1.0", reopened=True))
    report = probe.summarise(given, 7.0)
    assert (report["requests"], report["failed"], report["reopened"]) == (5, 2, 1)
    assert report["by_kind"] == {"status 500": 1, "timeout": 1}
    assert report["by_node"] == {
        "n1": {"requests": 4, "failed": 2},
        "n2": {"requests": 1, "failed": 0},
    }
    assert report["by_connection"]["kept"] == {"requests": 1, "failed": 0}
    assert report["failed_by_version"] == {"": 1, "2.0": 1}
    assert report["versions"] == [
        {"version": "1.0", "first": 0, "last": 4, "requests": 2},
        {"version": "2.0", "first": 1, "last": 2, "requests": 2},
    ]
    # Failures have no latency: a refusal in a millisecond would make the service look fast.
    assert report["seconds"] == {"p50": 0.01, "p95": 0.5, "p99": 0.5, "max": 0.5}
    assert [failure["at"] for failure in report["failures"]] == [2, 3]
    text = "\n".join(probe.lines(report))
    for words in ("5 requests", "2 failed", "version 2.0: 2 answers", "1 x timeout through n1"):
        assert words in text
    json.dumps(report)


def test_many_failures_of_a_dead_node_do_not_hide_the_others() -> None:
    given = samples((0, "ok", "1.0"), *((at, "unreachable", "") for at in range(1, 1000)))
    given.append(Sample(1000, "n2", False, 5.0, kind="timeout", problem="timed out"))
    report = probe.summarise(given)
    assert len(report["failures"]) == 51
    text = "\n".join(probe.lines(report))
    assert "999 x unreachable through n1, the first after 1.0 s" in text
    assert "1 x timeout through n2, the first after 1000.0 s" in text


def test_summary_of_nothing() -> None:
    report = probe.summarise([])
    assert report["seconds"]["p50"] is None
    assert probe.lines(report) == ["probe: no request was sent"]


def test_summary_without_a_right_answer() -> None:
    assert "no right answer" in probe.lines(probe.summarise(samples((0, "refused", ""))))[0]


CANARIES: dict[str, tuple[list[Sample], int, str]] = {
    "not seen": (samples((0, "ok", "1"), (50, "ok", "1")), 0, "waiting"),
    "too short": (samples((0, "ok", "1"), (5, "ok", "2"), (14, "ok", "1")), 0, "waiting"),
    "long enough": (samples((5, "ok", "2"), (15, "ok", "1")), 0, "good"),
    "a failure": (samples((5, "ok", "2"), (6, "status 500", "2"), (15, "ok", "1")), 0, "bad"),
    "allowed failure": (samples((5, "ok", "2"), (6, "timeout", ""), (15, "ok", "1")), 1, "good"),
    "nothing yet": ([], 0, "waiting"),
}


@pytest.mark.parametrize(("given", "allowed", "wanted"), CANARIES.values(), ids=CANARIES)
def test_canary(given: list[Sample], allowed: int, wanted: str) -> None:
    assert probe.verdict(given, "2", 10, allowed)[0] == wanted


def test_a_bad_canary_is_named_with_its_share() -> None:
    given = samples((0, "status 500", "2"), (1, "timeout", ""), (2, "ok", "1"))
    _word, why = probe.verdict(given, "2", 10)
    assert "2 of 3 requests failed, 1 of them answered by 2" in why
    assert "was status 500" in why


def test_picture_is_xml_and_shows_versions_and_failures() -> None:
    given = samples((0, "ok", "1<0"), (1, "ok", "2.0"), (2, "refused", ""), (3, "timeout", ""))
    text = probe.svg(given, "a & b")
    root = xml.etree.ElementTree.fromstring(text)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a & b: who answered" in texts
    assert {"1<0", "2.0"} <= set(texts)
    assert any("4 requests, 2 failed" in line for line in texts)
    assert text.count('stroke="#cc3311"') == 2


@pytest.mark.parametrize("given", [[], samples((0, "ok", "1"))], ids=["nothing", "one"])
def test_picture_of_little(given: list[Sample]) -> None:
    xml.etree.ElementTree.fromstring(probe.svg(given, "t"))


def test_the_schedule_is_open() -> None:
    """Requests that hang do not hold back those after them."""
    begins: list[float] = []

    def hang(shot: Shot) -> Sample:
        begins.append(time.monotonic())
        time.sleep(0.5)
        return Sample(shot.at, shot.node, shot.kept, 0.5)

    noted: list[Sample] = []
    sent, skipped = probe.run(probe.schedule(20, 0.5, ["a"]), hang, noted.append, lambda: False)
    assert (sent, skipped, len(noted)) == (10, 0, 10)
    assert begins[-1] - begins[0] < 0.7


def test_what_cannot_be_sent_is_a_failure() -> None:
    def hang(shot: Shot) -> Sample:
        time.sleep(0.4)
        return Sample(shot.at, shot.node, shot.kept, 0.4)

    noted: list[Sample] = []
    shots = probe.schedule(20, 0.3, ["a"])
    sent, skipped = probe.run(shots, hang, noted.append, lambda: False, parallel=2)
    assert (sent, skipped) == (2, 4)
    assert sorted(sample.kind for sample in noted) == ["ok"] * 2 + ["overload"] * 4


class Page(BaseHTTPRequestHandler):
    """Answers as `mode` says."""

    mode: ClassVar[str] = "right"
    connections: ClassVar[set[Any]] = set()
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        Page.connections.add(self.client_address)
        if Page.mode == "silent" or (Page.mode == "closes" and self.path == "/seen"):
            self.close_connection = True
            return
        body = b"<title>Page" if Page.mode != "wrong" else b"something else"
        self.send_response(500 if Page.mode == "500" else 200)
        self.send_header("X-Version", "2.0")
        self.send_header("Content-Length", str(len(body) + (Page.mode == "short")))
        self.end_headers()
        self.wfile.write(body)
        if Page.mode in ("short", "idle"):
            self.close_connection = True
        if Page.mode == "slow":
            time.sleep(0.05)

    def log_message(self, *_args: object) -> None:
        """Quiet."""


@pytest.fixture
def port(port: int) -> int:
    Page.mode = "right"
    Page.connections.clear()
    return port


CHECK = {"path": "/", "contains": "<title>Page"}


@pytest.mark.parametrize(
    ("mode", "kind", "version"),
    [
        ("right", "ok", "2.0"),
        ("500", "status 500", "2.0"),
        ("wrong", "content", "2.0"),
        ("silent", "reset", ""),
        ("short", "broken answer", ""),
    ],
)
def test_kinds_of_answers(port: int, mode: str, kind: str, version: str) -> None:
    Page.mode = mode
    visitors = probe.Visitors(port, CHECK, 2)
    sample = visitors.shoot(Shot(0, "127.0.0.1", False))
    assert (sample.kind, sample.version) == (kind, version)
    assert bool(sample.problem) == (kind != "ok")
    visitors.close()


def test_nobody_listens() -> None:
    assert probe.Visitors(1, CHECK, 1).shoot(Shot(0, "127.0.0.1", False)).kind == "refused"


def test_a_kept_connection_is_kept(port: int) -> None:
    visitors = probe.Visitors(port, CHECK, 2)
    kept = [visitors.shoot(Shot(n, "127.0.0.1", True)) for n in range(3)]
    assert len(Page.connections) == 1
    fresh = [visitors.shoot(Shot(n, "127.0.0.1", False)) for n in range(2)]
    assert len(Page.connections) == 3
    assert {sample.kind for sample in kept + fresh} == {"ok"}
    visitors.close()


def test_a_connection_closed_while_idle_is_reopened_and_counted(port: int) -> None:
    visitors = probe.Visitors(port, CHECK, 2)
    Page.mode = "idle"
    assert not visitors.shoot(Shot(0, "127.0.0.1", True)).reopened
    time.sleep(0.1)
    second = visitors.shoot(Shot(1, "127.0.0.1", True))
    assert (second.kind, second.reopened) == ("ok", True)
    visitors.close()


def test_reopening_is_tried_once(port: int) -> None:
    visitors = probe.Visitors(port, CHECK, 2)
    visitors.shoot(Shot(0, "127.0.0.1", True))
    Page.mode = "silent"
    sample = visitors.shoot(Shot(1, "127.0.0.1", True))
    assert (sample.kind, sample.reopened) == ("reset", True)
    visitors.close()


def test_a_folder_from_start_to_report(tmp_path: Path, port: int) -> None:
    folder = ProbeFolder(tmp_path / "probe")
    folder.prepare()
    options = {
        "addresses": ["127.0.0.1"],
        "port": port,
        "check": CHECK,
        "rate": 50,
        "duration": 30,
        "request_timeout": 2,
    }
    thread = threading.Thread(target=folder.work, args=(options, os.getpid()))
    thread.start()
    time.sleep(0.5)
    folder.stop(5)
    thread.join()
    report = folder.report("a test")
    assert report["failed"] == 0
    assert 10 <= report["requests"] <= 60
    assert json.loads(folder.report_file.read_text()) == report
    assert folder.picture_file.read_text().startswith("<svg")


def test_a_probe_ends_with_its_playbook(tmp_path: Path, port: int) -> None:
    folder = ProbeFolder(tmp_path)
    folder.prepare()
    owner = subprocess.Popen(["true"])
    owner.wait()
    options = {
        "addresses": ["127.0.0.1"],
        "port": port,
        "check": CHECK,
        "rate": 10,
        "duration": 30,
        "request_timeout": 2,
    }
    began = time.monotonic()
    folder.work(options, owner.pid)
    assert time.monotonic() - began < 5


def test_no_probe_no_report(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="no probe has begun"):
        ProbeFolder(tmp_path).report("t")
    with pytest.raises(ProbeError, match="no probe was started"):
        ProbeFolder(tmp_path / "none").stop(0)
    with pytest.raises(ProbeError, match="did not end"):
        ProbeFolder(tmp_path).stop(0.1)


def test_a_line_half_written_is_not_read(tmp_path: Path) -> None:
    folder = ProbeFolder(tmp_path)
    folder.samples_file.write_text('{"started": 1, "pid": 2}\n{"at": 1, "no')
    assert folder.read() == ({"started": 1, "pid": 2}, [])


def left_behind(folder: ProbeFolder, owner: str, pid: int = 0, ended: bool = True) -> ProbeFolder:
    """What a probe of that owner wrote: one answer by 2.0."""
    folder.prepare()
    head = {"started": time.time(), "pid": pid, "owner": owner}
    sample = {"at": 0.0, "node": "n", "kept": False, "seconds": 0.1, "version": "2.0"}
    folder.samples_file.write_text(f"{json.dumps(head)}\n{json.dumps(sample)}\n")
    folder.report_file.write_text("{}")
    if ended:
        (folder.folder / "done").touch()
    return folder


@pytest.mark.fault("B4")
def test_what_another_run_saw_is_not_found(tmp_path: Path) -> None:
    left_behind(ProbeFolder(tmp_path), "1 1")
    left_behind(new_run(tmp_path, 2), "2 2")
    assert find_run(tmp_path, identity(os.getpid())) is None
    mine = left_behind(new_run(tmp_path, os.getpid()), identity(os.getpid()))
    found = find_run(tmp_path, identity(os.getpid()))
    assert found is not None
    assert found.folder == mine.folder
    assert (tmp_path / LATEST).resolve() == mine.folder.resolve()


@pytest.mark.fault("B4")
def test_the_newest_of_one_run_counts(tmp_path: Path) -> None:
    me = identity(os.getpid())
    for _release in range(2):
        newest = left_behind(new_run(tmp_path, os.getpid()), me)
    found = find_run(tmp_path, me)
    assert found is not None
    assert found.folder == newest.folder


@pytest.mark.fault("B4")
def test_samples_that_are_being_taken_are_not_thrown_away(tmp_path: Path) -> None:
    busy = left_behind(ProbeFolder(tmp_path), "1 1", pid=os.getpid(), ended=False)
    with pytest.raises(ProbeError, match="another folder with -e probe_dir"):
        ProbeFolder(tmp_path).prepare()
    assert len(busy.read()[1]) == 1


@pytest.mark.fault("B4")
def test_old_samples_and_reports_do_not_count(tmp_path: Path) -> None:
    old = left_behind(ProbeFolder(tmp_path), "1 1")
    ProbeFolder(tmp_path).prepare()
    assert not old.samples_file.exists()
    assert not old.report_file.exists()


def test_old_runs_go_but_none_that_is_at_work(tmp_path: Path) -> None:
    busy = left_behind(new_run(tmp_path, 1), "1 1", pid=os.getpid(), ended=False)
    for _run in range(KEPT_RUNS + 3):
        left_behind(new_run(tmp_path, 2), "2 2")
    left = [path for path in tmp_path.iterdir() if path.name != LATEST]
    assert busy.folder in left
    assert len(left) == KEPT_RUNS + 1
