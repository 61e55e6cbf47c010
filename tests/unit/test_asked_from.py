"""Smoke test and probe from a host, through Ansible itself: real playbooks, modules and processes,
and a real server of the loopback. Ansible's connection `local` stands for SSH."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible.errors import AnsibleError

from ansible_collections.monsterstack.swarm.plugins.module_utils.daemon import detach
from ansible_collections.monsterstack.swarm.plugins.module_utils.probe_files import (
    ProbeFolder,
    alive,
)
from ansible_collections.monsterstack.swarm.plugins.modules.availability_probe import read
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.probe_relay import Relay

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.fault("C10")

CHECK = {"path": "/", "contains": "hello"}
LEASE = 30  # seconds: what was seen is fetched every 2.5 s; a busy machine takes its time
SHORT_LEASE = 6


class Page(BaseHTTPRequestHandler):
    """Answers rightly, but for /bad, and remembers when it was asked last."""

    asked: ClassVar[float] = 0.0
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        Page.asked = time.monotonic()
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("X-Version", "2")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_args: object) -> None:
        """Quiet."""


class Bench:
    """A folder with an inventory of one host, m1, and what is left in that host's /tmp."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.host_tmp = folder / "tmp-of-m1"
        self.host_tmp.mkdir()
        self.inventory = folder / "hosts.json"
        m1 = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        self.inventory.write_text(json.dumps({"managers": {"hosts": {"m1": m1}}}))
        self.probe: dict[str, Any] = {
            "asked_from": "host",
            "folder": str(folder / "probe"),
            "addresses": ["127.0.0.1"],
            "port": port,
            "check": CHECK,
            "rate": 40,
            "duration": 120,
            "lease": LEASE,
        }

    def start(self, *tasks: dict[str, Any]) -> subprocess.Popen[str]:
        """A playbook with these tasks on m1."""
        play = self.folder / "play.json"
        play.write_text(json.dumps([{"hosts": "m1", "gather_facts": False, "tasks": tasks}]))
        settings = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.Popen(
            ["ansible-playbook", "-i", str(self.inventory), str(play)],
            cwd=PROJECT,
            env={**os.environ, **settings, "TMPDIR": str(self.host_tmp)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, *tasks: dict[str, Any]) -> tuple[int, str]:
        """(exit code, output with single blanks)."""
        process = self.start(*tasks)
        output, _none = process.communicate(timeout=120)
        return process.returncode, " ".join(output.split())

    def task(self, state: str, **more: Any) -> dict[str, Any]:
        task = {"state": state, "probe": self.probe, **more}
        return {"monsterstack.swarm.availability_probe": task, "register": state}

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "probe/report.json").read_text())
        return found

    def places(self) -> list[ProbeFolder]:
        """The folders of probes on the host."""
        return [ProbeFolder(path) for path in self.host_tmp.glob("monsterstack-probe-*")]

    def tidy(self) -> None:
        """End what a killed run left: it would keep its samples for a while."""
        for place in self.places():
            pid = json.loads(place.samples_file.read_text().splitlines()[0])["pid"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def bench(tmp_path: Path, port: int) -> Iterator[Bench]:
    made = Bench(tmp_path, port)
    yield made
    made.tidy()


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


SHOW = {"ansible.builtin.debug": {"msg": "{{ watched.verdict }}: {{ watched.why }}"}}
SLEEP = {"ansible.builtin.wait_for": {"timeout": 2}}


@pytest.mark.parametrize("asked_from", ["controller", "host"])
def test_the_same_from_either(bench: Bench, asked_from: str) -> None:
    """Begun, watched as a canary is, ended and reported."""
    bench.probe["asked_from"] = asked_from
    code, said = bench.play(
        bench.task("started"),
        bench.task("watched", version="2", seconds=2, timeout=10),
        SHOW,
        bench.task("stopped", fail_on_loss=True),
    )
    assert code == 0, said
    assert "good:" in said
    report = bench.report
    assert report["requests"] > 60
    assert (report["failed"], report["longest_gap"] < 1) == (0, True)
    assert report["versions"][0]["version"] == "2"
    assert report["asked_from"] == {"controller": "controller", "host": "m1"}[asked_from]
    # One request of each time: none is missing, none stands there twice.
    samples = ProbeFolder(bench.folder / "probe").read()[1]
    assert [round(sample.at * 40) for sample in sorted(samples, key=lambda one: one.at)] == list(
        range(len(samples))
    )
    until(lambda: not bench.places(), 10)


def test_what_fails_is_seen_from_the_host(bench: Bench) -> None:
    bench.probe |= {"check": {"path": "/bad"}, "runs": True}
    code, said = bench.play(
        bench.task("started"),
        bench.task("watched", version="2", seconds=2, timeout=10),
        SHOW,
        bench.task("stopped", fail_on_loss=True),
    )
    assert code == 2
    assert "bad:" in said
    assert "status 500" in said
    [file] = bench.folder.glob("probe/2*/report.json")
    report = json.loads(file.read_text())
    assert report["failed"] == report["requests"] > 0
    assert "probe_from" not in said, "what answers wrongly is not far away"


def test_until_the_time_is_over(bench: Bench) -> None:
    bench.probe["duration"] = 3
    code, said = bench.play(bench.task("started"), bench.task("stopped", wait=True))
    assert code == 0, said
    assert bench.report["requests"] == 120
    assert bench.report["failed"] == 0


def test_nothing_outlives_a_run_that_was_killed(bench: Bench) -> None:
    """kill -9 of all that runs on the controller: what runs on the host ends by itself."""
    bench.probe["lease"] = SHORT_LEASE
    process = bench.start(bench.task("started"), {"ansible.builtin.wait_for": {"timeout": 300}})
    samples = bench.folder / "probe/samples.jsonl"
    until(lambda: samples.exists() and samples.read_text().count("\n") > 20, 30)
    relay = json.loads(samples.read_text().splitlines()[0])["pid"]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = time.monotonic()
    until(lambda: not alive(relay), 30)
    [place] = bench.places()
    # A question that was on its way may have come in after that.
    until(place.has_ended, SHORT_LEASE + 20)
    assert Page.asked - killed < SHORT_LEASE + 20
    assert "nobody had asked" in place.problem()


def test_a_report_of_a_part_says_so(bench: Bench) -> None:
    """The host is restarted: its /tmp is empty."""
    process = bench.start(bench.task("started"), SLEEP, SLEEP, bench.task("stopped"))
    samples = bench.folder / "probe/samples.jsonl"
    until(lambda: samples.exists() and samples.read_text().count("\n") > 20, 30)
    [place] = bench.places()
    place.forget()
    output, _none = process.communicate(timeout=60)
    assert process.returncode == 2, output
    said = " ".join(output.split())
    assert (
        "The probe from m1 did not see all of the time: what it saw is not there any more" in said
    )
    assert bench.report["requests"] >= 20
    assert f"probe: {bench.report['requests']} requests" in said


def test_a_probe_that_nobody_answers_names_the_way_out(bench: Bench) -> None:
    bench.probe |= {"asked_from": "controller", "port": 1}
    code, said = bench.play(
        bench.task("started"),
        bench.task("watched", version="2", seconds=2, timeout=10),
        SHOW,
        bench.task("stopped"),
        {"ansible.builtin.debug": {"msg": "{{ stopped.lines }}"}},
    )
    assert code == 0, said
    assert said.count("-e probe_from=manager") == 2, said


# The relay, while the host cannot be reached


class Away:
    """The module's own `read` on this machine, behind a connection that may be cut."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.cut = False
        self.broken: Exception | None = None

    def __call__(self, more: Any) -> dict[str, Any]:
        if self.cut:
            raise AnsibleError("Connection timed out")
        if self.broken:
            raise self.broken
        return read({"probe": self.options, **more})


def begin(bench: Bench, lease: float) -> tuple[ProbeFolder, Away, threading.Thread]:
    """A probe of the host and its relay, in a thread of this very process, which owns both."""
    bench.probe |= {"lease": lease, "request_timeout": 2}
    place = ProbeFolder(bench.host_tmp / "monsterstack-probe-x")
    place.folder.mkdir()
    detach(lambda: place.work_on_lease(bench.probe), place.note_failure)
    place.begun()
    lines, _end = place.read_from(0)
    said = {"place": str(place.folder), "offset": lines.index("\n") + 1, "age": 0.0}
    here = ProbeFolder(bench.folder / "probe")
    here.prepare()
    away = Away(bench.probe)
    relay = Relay(here, "m1", lease, away)
    thread = threading.Thread(target=relay.work, args=(os.getpid(), said, time.time()))
    thread.start()
    here.begun()
    return here, away, thread


def test_a_cut_connection_loses_nothing(bench: Bench) -> None:
    here, away, thread = begin(bench, lease=12)
    time.sleep(1.5)
    away.cut = True
    time.sleep(3)
    before = len(here.read()[1])
    threading.Timer(2, lambda: setattr(away, "cut", False)).start()
    assert here.stop(20) == ""
    thread.join()
    samples = here.read()[1]
    assert len(samples) > before + 100
    assert sorted(round(sample.at * 40) for sample in samples) == list(range(len(samples)))


def test_a_connection_that_stays_cut_is_given_up_and_said(bench: Bench) -> None:
    here, away, thread = begin(bench, lease=2)
    time.sleep(1)
    away.cut = True
    problem = here.stop(20)
    thread.join()
    assert "the host does not answer (Connection timed out)" in problem
    assert "was not fetched" in problem
    assert len(here.read()[1]) > 10


def test_a_controller_that_comes_back_too_late_gets_what_was_seen(bench: Bench) -> None:
    here, away, thread = begin(bench, lease=1)
    time.sleep(1)
    away.cut = True
    [place] = bench.places()
    until(place.has_ended, 5)
    seen = len(place.read()[1])
    away.cut = False
    assert "nobody had asked for what it saw for 1 s" in here.wait(10)
    thread.join()
    assert len(here.read()[1]) == seen


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_relay_that_breaks_says_so(bench: Bench) -> None:
    """Not only a host that does not answer: a worker without a file to open, a full disk."""
    here, away, thread = begin(bench, lease=2)

    time.sleep(0.5)
    away.broken = OSError("No space left on device")
    problem = here.wait(10)
    thread.join()
    assert "not fetched to the end" in problem
    assert "No space left on device" in problem


def test_a_relay_that_was_killed_is_not_waited_for(bench: Bench) -> None:
    here = ProbeFolder(bench.folder / "probe")
    here.prepare()
    process = subprocess.Popen(["sleep", "60"])
    here.samples_file.write_text(json.dumps({"pid": process.pid, "started": 0}) + "\n")
    process.kill()
    process.wait()
    assert here.wait(10) == "its process was killed"


# The smoke test. Nobody listens at 127.0.0.9.

HERE, NOBODY = "127.0.0.1", "127.0.0.9"
# Each row: its options; what the result says: wrong (None: nothing failed) and whether the way out
# is named, and words of the text.
SMOKES: dict[str, tuple[dict[str, Any], bool | None, bool, list[str]]] = {
    "from the host": ({"asked_from": "host", "addresses": [HERE]}, None, False, []),
    "from the controller": ({"addresses": [HERE], "inside": [NOBODY]}, None, False, []),
    # The host's own question is the answer: there is no second look from inside.
    "nobody answers the host": (
        {"asked_from": "host", "addresses": [NOBODY], "inside": [HERE]},
        True,
        False,
        ["no answer"],
    ),
    "nobody answers": ({"addresses": [NOBODY]}, True, False, ["no answer"]),
    "nobody answers the host either": (
        {"addresses": [NOBODY], "inside": [NOBODY]},
        True,
        False,
        ["Not every node answers as it should"],
    ),
    "one node is off the way": (
        {"addresses": [NOBODY, HERE], "inside": [HERE]},
        False,
        False,
        ["Not every node answers as it should"],
    ),
    "a closed way": (
        {"addresses": [NOBODY], "inside": [HERE]},
        False,
        True,
        ["of no node, but m1 does", "Asked from m1 every node answers as it should"],
    ),
    "a closed way to a wrong answer": (
        {"addresses": [NOBODY], "inside": [HERE], "path": "/bad"},
        True,
        True,
        ["of no node, but m1 does", f"http://{HERE}:", "status 500"],
    ),
}


def test_a_smoke_test_from_either(bench: Bench) -> None:
    file = bench.folder / "results.json"
    blocks = []
    for number, (given, *_expected) in enumerate(SMOKES.values()):
        options = dict(given)
        check = {"name": "the page", "path": options.pop("path", "/")}
        asked = {
            "asked_from": "controller",
            "port": bench.probe["port"],
            "checks": [check],
            "timeout": 1,
        }
        task = {"monsterstack.swarm.http_smoke": asked | options, "register": f"smoked_{number}"}
        seen = {"ansible.builtin.debug": {"msg": "goes on, as the role does"}}
        blocks.append({"block": [task], "rescue": [seen]})
    results = ", ".join(f"smoked_{number}" for number in range(len(blocks)))
    text = "{{ [" + results + "] | to_json }}"
    copy = {"content": text, "dest": str(file), "mode": "0600"}
    code, said = bench.play(*blocks, {"ansible.builtin.copy": copy})
    assert code == 0, said
    for name, result, (_given, wrong, named, words) in zip(
        SMOKES, json.loads(file.read_text()), SMOKES.values(), strict=True
    ):
        assert result.get("wrong") is wrong, (name, result)
        findings = " ".join(result.get("findings", []))
        assert ("-e probe_from=manager" in findings) is named, name
        assert all(word in findings for word in words), (name, findings)


# The playbook


def play_probe(tmp_path: Path, settings: dict[str, Any], *words: str) -> tuple[int, str]:
    """(exit code, output with single blanks) of probe.yml; `settings` are the managers'."""
    m1 = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "ansible_host": "127.0.0.1",
        "zone": "a",
    }
    inventory = tmp_path / "inventory" / "hosts.json"
    inventory.parent.mkdir()
    hosts = {"managers": {"hosts": {"m1": m1}, "vars": settings}, "workers": {"hosts": {}}}
    inventory.write_text(json.dumps(hosts))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "playbooks/probe.yml", *words],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, " ".join(done.stdout.split())


# Each row: what the group managers has, and what is typed.
FROM: dict[str, tuple[dict[str, Any], list[str]]] = {
    "typed": ({}, ["-e", "probe_from=manager"]),
    "of the managers": ({"probe_from": "manager"}, []),
}


@pytest.mark.parametrize(("settings", "words"), FROM.values(), ids=FROM)
def test_a_manager_that_cannot_ask_is_named(
    tmp_path: Path, settings: dict[str, Any], words: list[str]
) -> None:
    """This computer has no engine that is in a swarm, or none at all."""
    code, said = play_probe(tmp_path, settings, *words)
    assert code == 2, said
    assert "probe_from=manager: no manager answers from a running swarm (m1)" in said


def test_a_dry_run_of_the_probe_ends_well(tmp_path: Path) -> None:
    code, said = play_probe(tmp_path, {}, "--check")
    assert code == 0, said
    assert "skipping: [localhost]" in said
