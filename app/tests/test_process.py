"""The running process: start, stop, logs, metrics, memory, and all three services together."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.services.harness import ROOT, Service, load, running, stop_under_load

from .conftest import Redis, environment, http, server


@pytest.fixture
def env(redis: Redis, imagebackend: Service) -> dict[str, str]:
    """The environment of an app whose dependencies are well."""
    return environment(redis.port, imagebackend.port, VERSION="1.2.3", REPLICA="2", NODE="node-a")


def test_healthy_in_two_seconds(env: dict[str, str]) -> None:
    seconds = []
    for _ in range(3):
        with running("app", env) as app:
            seconds.append(app.seconds_to_healthy)
    assert min(seconds) < 2


def test_every_answer_says_who_gave_it(env: dict[str, str]) -> None:
    with running("app", env) as app:
        for path in ("/", "/monster/x.png", "/healthz", "/nothing"):
            headers = app.get(path).headers
            assert headers["x-version"] == "1.2.3"
            assert headers["x-replica"] == "2"
            assert headers["x-node"] == "node-a"
        page = app.get("/").body.decode()
        for name, value in (("version", "1.2.3"), ("replica", "2"), ("node", "node-a")):
            assert f'<dd id="{name}">{value}</dd>' in page


def test_production_needs_a_salt_and_takes_a_secret(env: dict[str, str], tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "app"]
    done = subprocess.run(
        argv,
        env={**os.environ, "CONTEXT": "PROD"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert re.fullmatch(r"app: cannot start: ID_SALT_FILE is not set: [^\n]+\n", done.stderr)
    (tmp_path / "salt").write_text("a secret of this very test\n")
    secret = {**env, "CONTEXT": "PROD", "ID_SALT_FILE": str(tmp_path / "salt")}
    with running("app", secret) as app, running("app", env) as other:
        pages = [a.get("/?name=Ada").body.decode() for a in (app, other)]
        ids = [re.findall(r"/monster/([0-9a-f]{32})\.png", page)[0] for page in pages]
        assert ids[0] != ids[1], "another salt, another id"
        assert "secret of this" not in app.output() + pages[0] + app.metrics()


def test_a_request_id_reaches_the_imagebackend(env: dict[str, str], imagebackend: Service) -> None:
    with running("app", env) as app:
        app.get("/monster/traced.png", headers={"X-Request-ID": "trace-42"})
        for service in (app, imagebackend):
            lines = [x for x in service.lines() if x.get("request_id") == "trace-42"]
            assert len(lines) == 1


def test_metrics(env: dict[str, str]) -> None:
    with running("app", env) as app:
        app.get("/monster/m.png")
        app.get("/monster/m.png")
        text = app.metrics()
        assert 'pictures_total{layer="backend"} 1.0' in text
        assert 'pictures_total{layer="lru"} 1.0' in text
        assert 'breaker_open{name="redis"} 0.0' in text
        assert 'http_requests_total{method="GET",route="monster",status="200"} 2.0' in text
        assert app.get("/metrics").status == 404


def test_a_stop_under_load_loses_nobody(env: dict[str, str]) -> None:
    with running("app", env) as leaving, running("app", env) as staying:
        counts = stop_under_load(leaving, staying, "/?name=Ada", lag=2.0)
        assert counts["wrong"] == counts["lost"] == counts["refused"] == 0, counts
        # That there was anything to lose, however busy this computer is:
        assert counts["answered"] > 300
        assert counts["by_leaving"] >= 16, "the leaving one had to answer after its SIGTERM"
        assert leaving.wait(10) == 0


def test_a_stop_ends_in_time_with_nobody_to_wait_for(env: dict[str, str]) -> None:
    with running("app", env) as app:
        began = time.monotonic()
        app.signal(signal.SIGTERM)
        app.signal(signal.SIGTERM)  # a second one changes nothing
        assert app.wait(10) == 0
        assert 3 <= time.monotonic() - began < 10


def test_a_stop_waits_for_what_is_in_flight(redis: Redis) -> None:
    began = threading.Event()

    def slow(connection: socket.socket) -> None:
        began.set()
        time.sleep(0.8)
        http("200 OK", "image/svg+xml", b"<svg ></svg>")(connection)

    with server(slow) as port:
        env = environment(redis.port, port, DRAIN_SECONDS="0")
        with running("app", env) as app, ThreadPoolExecutor(1) as pool:
            answer = pool.submit(app.get, "/monster/slow.svg")
            assert began.wait(5)
            app.signal(signal.SIGTERM)
            assert answer.result(5).status == 200
            assert app.wait(10) == 0


def test_an_imagebackend_that_stops_under_load_is_not_noticed(redis: Redis) -> None:
    """The app goes on over its kept connections while the replica behind its address changes."""
    with running("imagebackend") as old:
        env = environment(redis.port, old.port)
        with running("app", env) as app:
            load(app, app.port, (f"/monster/a{i}.png" for i in range(200)), clients=8)
            old.signal(signal.SIGKILL)
            old.wait(5)
            with running("imagebackend", port=old.port):
                paths = (f"/monster/b{i}.png" for i in range(200))
                assert load(app, app.port, paths, clients=8).statuses == {200: 200}


def soak(
    app: Service, imagebackend: Service, seconds: float
) -> tuple[list[int], list[int], set[int]]:
    """Pages and ever new pictures for some time: the memory of both services after each tenth, and
    the statuses."""
    memory: tuple[list[int], list[int]] = ([], [])
    statuses: set[int] = set()
    number = 0
    for _ in range(10):
        end = time.monotonic() + seconds / 10
        while time.monotonic() < end:
            paths = [f"/monster/s{number + i}.png?size={40 + i % 200}" for i in range(80)]
            paths += [f"/?name=visitor{number + i}" for i in range(20)]
            statuses |= set(load(app, app.port, paths, clients=4).statuses)
            number += 100
        memory[0].append(app.rss())
        memory[1].append(imagebackend.rss())
    return *memory, statuses


@pytest.mark.slow
def test_memory_is_flat_in_a_soak_of_60_seconds(env: dict[str, str], imagebackend: Service) -> None:
    with running("app", env) as app:
        # First fill the memory that pictures may take (16 MiB), with large ones.
        load(app, app.port, (f"/monster/f{i}.png?size=1024" for i in range(3500)), clients=4)
        *memory, statuses = soak(app, imagebackend, 60)
        assert statuses == {200}
        # The limits are those of the stack: 256 MiB and 128 MiB.
        for used, most in zip(memory, (200, 100), strict=True):
            assert used[-1] - used[2] < 4 * 1024**2, used
            assert used[-1] < most * 1024**2, used
