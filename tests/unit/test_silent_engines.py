"""What is made of an engine that does not answer, from what machines said of theirs."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import engine, host
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import RECORDED, machine

pytestmark = pytest.mark.fault("A1")

STATES = {
    "stopped": "stopped",
    "hung": "hung",
    "failed": "failed",
    "crash-looping": "failed",
    "running": "hung",  # what systemd calls active and does not answer
}


@pytest.mark.parametrize(("recorded", "state"), STATES.items(), ids=STATES)
def test_the_state_of_a_silent_engine(recorded: str, state: str) -> None:
    unit = host.parse_unit(RECORDED["unit"][recorded])
    assert host.engine_state(True, False, unit) == state
    assert host.engine_state(True, True, unit) == "running"
    problem, remedy = host.engine_problem(state, [])
    assert problem
    assert remedy


def test_without_systemd_nothing_is_claimed() -> None:
    assert host.engine_state(True, False, host.parse_unit("")) == "silent"
    assert host.engine_state(False, False, {}) == "absent"
    assert host.engine_problem("running", []) == (None, None)


@pytest.mark.parametrize("state", ["stopped", "hung", "failed", "crash-looping"])
def test_a_silent_engine_keeps_its_name(state: str) -> None:
    swarm = machine("w1", "A", engine=state)["swarm"]
    assert (swarm["state"], swarm["node_id"], swarm["cluster_id"], swarm["role"]) == (
        "unknown",
        "id-w1",
        "A",
        "worker",
    )


def test_an_engine_that_says_it_is_in_no_swarm_is_believed() -> None:
    info = {"Swarm": {"LocalNodeState": "inactive"}}
    certificate = host.parse_certificate(RECORDED["certificate"])
    swarm = host.summarise_swarm(info, certificate, "")
    assert (swarm["state"], swarm["node_id"], swarm["cluster_id"]) == ("inactive", None, None)


def test_the_journal_says_why_and_says_it_once() -> None:
    said = host.journal_lines(RECORDED["journal"]["failed"])
    assert len(said) == 1
    assert said[0].startswith("unable to configure the Docker daemon with file")
    healthy = 'time="2026-11-26T21:39:58Z" level=warning msg="Health check failed"\n'
    assert host.journal_lines(healthy + RECORDED["journal"]["failed"]) == said


ROOTS: dict[str, tuple[str | None, list[str], list[str]]] = {
    "nothing is said": (None, [], ["/var/lib/docker"]),
    "daemon.json": ('{"data-root": "/data/docker"}', [], ["/data/docker", "/var/lib/docker"]),
    "a daemon.json that the engine cannot read": (
        '{"data-root": "/data/docker", }',
        [],
        ["/data/docker", "/var/lib/docker"],
    ),
    "the last unit wins": (
        None,
        ["ExecStart=/usr/sbin/dockerd -H fd://\n", "ExecStart=dockerd --data-root=/mnt/d\n"],
        ["/mnt/d", "/var/lib/docker"],
    ),
}


@pytest.mark.parametrize(("text", "units", "expected"), ROOTS.values(), ids=ROOTS)
def test_where_a_silent_engine_keeps_its_data(
    text: str | None, units: list[str], expected: list[str]
) -> None:
    assert host.data_roots(text, units) == expected


FSTAB = """\
# <file system> <mount point> <type> <options>
/dev/vda1 / ext4 errors=remount-ro 0 1
/dev/vdb  /var/lib/docker ext4 nofail 0 2
/dev/vdc  /srv ext4 nofail 0 2
/dev/vdd  none swap sw 0 0
"""
MOUNTED = "/dev/vda1 / ext4 rw 0 0\n"


def test_a_disk_that_did_not_come_back_is_missed() -> None:
    assert host.missing_mounts(FSTAB, MOUNTED, "/var/lib/docker") == ["/var/lib/docker"]
    assert host.missing_mounts(FSTAB, MOUNTED, "/srv/docker") == ["/srv"]
    there = f"{MOUNTED}/dev/vdb /var/lib/docker ext4 rw 0 0\n"
    assert host.missing_mounts(FSTAB, there, "/var/lib/docker") == []


def test_volumes_that_people_named() -> None:
    names = ["metadata.db", "backingFsBlockDev", "a" * 64, "shop_data", "registry_data"]
    assert host.named_volumes(names) == ["registry_data", "shop_data"]


def test_an_engine_that_takes_a_request_and_hangs_is_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under SIGSTOP: the kernel opens the connection, and nobody answers."""
    monkeypatch.setattr(engine, "PING_SECONDS", 0.3)
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(4)
        begun = time.monotonic()
        with pytest.raises(engine.EngineError):
            engine.Engine(f"unix://{path}", timeout=45).get("/info")
        assert time.monotonic() - begun < 5


def test_all_requests_together_end_in_time(tmp_path: Path) -> None:
    """An engine that answers its ping, and then nothing that needs a leader."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(4)

        def answer_the_ping() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nApi-Version: 1.45\r\n\r\nOK")

        thread = threading.Thread(target=answer_the_ping, daemon=True)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(engine.EngineError):
            engine.Engine(f"unix://{path}", timeout=30, within=1).get("/info")
        assert time.monotonic() - begun < 6
        thread.join(5)
