"""The running process: start, stop, logs, metrics, memory."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from benchmarks.services.harness import (
    ROOT,
    Connection,
    Service,
    load,
    running,
    stop_under_load,
    wait_until,
)


def test_healthy_in_two_seconds() -> None:
    seconds = []
    for _ in range(3):
        with running("imagebackend") as service:
            seconds.append(service.seconds_to_healthy)
    assert min(seconds) < 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "70000"), ("METRICS_PORT", "0"), ("DRAIN_SECONDS", "long")],
)
def test_a_wrong_value_is_one_sentence_and_exit_code_2(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imagebackend"],
        env={**os.environ, name: value},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert re.fullmatch(rf"imagebackend: cannot start: {name}='{value}' [^\n]+\.\n", done.stderr)


def test_log_lines_and_request_ids(service: Service) -> None:
    answer = service.get("/monster/log%22me", headers={"X-Request-ID": "abc-123"})
    assert answer.headers["x-request-id"] == "abc-123"
    (line,) = [line for line in service.lines() if line.get("request_id") == "abc-123"]
    assert line["path"] == '/monster/log"me'
    assert (line["method"], line["status"], line["service"]) == ("GET", 200, "imagebackend")
    forged = service.get("/monster/x", headers={"X-Request-ID": 'x", "status": 1'})
    assert re.fullmatch(r"[0-9a-f]{16}", forged.headers["x-request-id"])


def test_metrics_are_on_their_own_port(service: Service) -> None:
    service.get("/monster/metrics")
    service.get("/no/such/page")
    text = service.metrics()
    assert 'http_requests_total{method="GET",route="monster",status="200"}' in text
    assert 'http_requests_total{method="GET",route="none",status="404"}' in text
    assert "http_request_seconds_bucket" in text
    assert service.get("/metrics").status == 404


def test_silent_connections_do_not_block(service: Service) -> None:
    silent = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(64)]
    try:
        assert service.get("/monster/x").seconds < 0.5
    finally:
        for connection in silent:
            connection.close()


def test_a_stop_under_load_loses_nobody() -> None:
    with running("imagebackend") as leaving, running("imagebackend") as staying:
        counts = stop_under_load(leaving, staying, "/monster/stop.png", lag=2.0)
        assert counts["wrong"] == counts["lost"] == counts["refused"] == 0, counts
        # That there was anything to lose, however busy this computer is:
        assert counts["answered"] > 300
        assert counts["by_leaving"] >= 16, "the leaving one had to answer after its SIGTERM"
        assert leaving.wait(10) == 0
        assert [line["level"] for line in leaving.lines() if line["level"] != "info"] == []


def test_while_draining_it_says_so_and_then_ends() -> None:
    with running("imagebackend", {"DRAIN_SECONDS": "1"}) as service:
        connection = Connection(service.port)
        assert connection.get("/monster/x")[2], "before, the connection stays open"
        connection.close()
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        wait_until(lambda: "SIGTERM" in service.output(), "the signal is noticed")
        connection = Connection(service.port)
        status, _, keep = connection.get("/monster/x")
        connection.close()
        assert (status, keep) == (200, False)
        assert service.get("/healthz").status == 200
        assert service.get("/readyz").status == 503
        assert service.wait(10) == 0
        assert 1 <= time.monotonic() - began < 4


def test_a_client_that_never_ends_cannot_keep_it() -> None:
    with running("imagebackend", {"DRAIN_SECONDS": "0"}) as service:
        slow = socket.create_connection(("127.0.0.1", service.port))
        slow.sendall(b"GET /monster/x HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        time.sleep(0.2)
        service.signal(signal.SIGTERM)
        assert service.wait(9) == 0
        slow.close()


def test_the_health_check(service: Service) -> None:
    def check(port: int) -> tuple[int, float]:
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "imagebackend/healthcheck.py"],
            cwd=ROOT,
            env={"PORT": str(port)},
            capture_output=True,
            timeout=10,
            check=False,
        )
        after = os.times()
        used = after.children_user + after.children_system
        return done.returncode, used - before.children_user - before.children_system

    codes, seconds = zip(*(check(service.port) for _ in range(10)), strict=True)
    assert set(codes) == {0}
    assert sum(seconds) / 10 < 0.05
    assert check(service.metrics_port)[0] == 1, "another server is not healthy"
    assert check(1)[0] == 1


def _memory_after(service: Service, first: int, count: int) -> int:
    done = load(service, service.port, (f"/monster/{i}" for i in range(first, first + count)))
    assert done.statuses == {200: count}
    return service.rss()


def test_memory_is_flat() -> None:
    with running("imagebackend") as service:
        early = _memory_after(service, 0, 5_000)
        late = _memory_after(service, 5_000, 15_000)
        assert late - early < 3 * 1024**2


def test_memory_is_flat_over_all_sizes() -> None:
    with running("imagebackend") as service:
        early = _memory_after(service, 0, 1_000)
        # A query may be long, too.
        sizes = (f"/monster/x?size={size}&{size}=" + 4000 * "x" for size in range(12, 1025))
        assert load(service, service.port, sizes).statuses == {200: 1013}
        assert service.rss() - early < 25 * 1024**2


@pytest.mark.slow
def test_memory_is_flat_over_a_million_ids() -> None:
    with running("imagebackend") as service:
        early = _memory_after(service, 0, 50_000)
        late = _memory_after(service, 50_000, 950_000)
        assert late - early < 5 * 1024**2
        assert late < 100 * 1024**2
