"""With Redis or the imagebackend broken in every way, the page answers, and it recovers."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from benchmarks.services.harness import Service, free_ports, kept_waiting, load, running, wait_until

from .conftest import Redis, black_hole, client_of, environment, http, server

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40 + b"IEND\xaeB`\x82"


def p99(client: FlaskClient, path: str, count: int = 150) -> float:
    """The time that 99 % of the answers take at most, in seconds."""
    times = []
    for i in range(count):
        began = time.perf_counter() - kept_waiting()
        client.get(path.format(i))
        times.append(time.perf_counter() - kept_waiting() - began)
    return sorted(times)[int(0.99 * count)]


def trip(client: FlaskClient) -> None:
    """Ask until the breakers have opened."""
    for i in range(4):
        assert client.get(f"/?name=trip{i}").status_code == 200


@contextmanager
def broken_redis(kind: str, folder: Path) -> Iterator[int]:
    """A Redis that is broken in some way; its port."""
    with ExitStack() as stack:
        if kind == "refused":
            yield free_ports(1)[0]
        elif kind == "black hole":
            yield stack.enter_context(server(black_hole))
        elif kind == "rubbish":
            yield stack.enter_context(server(http("200 OK", "text/plain", b"I am no Redis")))
        elif kind == "password":
            redis = Redis(folder, "--requirepass", "another")
            stack.callback(redis.stop)
            yield redis.port


@pytest.mark.parametrize("kind", ["refused", "black hole", "rubbish", "password"])
def test_without_redis_all_is_well_but_the_counter(
    kind: str, tmp_path: Path, imagebackend: Service
) -> None:
    with broken_redis(kind, tmp_path) as port:
        client = client_of(environment(port, imagebackend.port))
        began = time.perf_counter()
        page = client.get("/?name=Ada")
        assert time.perf_counter() - began < 2
        assert page.status_code == 200
        assert "unknown just now" in page.text
        assert "They cannot be shown right now." in page.text
        assert client.get("/monster/x.png").headers["X-Cache"] == "backend"
        assert client.get("/monster/x.png").headers["X-Cache"] == "lru"
        trip(client)
        assert p99(client, "/?name=n{}") < 0.1
        assert p99(client, "/monster/id-{}.png") < 0.1
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json is not None
        assert ready.json["imagebackend"] == "ok"
        assert client.get("/healthz").status_code == 200


def test_a_full_redis(redis: Redis, imagebackend: Service) -> None:
    redis.cli("config", "set", "maxmemory-policy", "noeviction")
    client = client_of(environment(redis.port, imagebackend.port))
    client.get("/monster/kept.png")
    redis.cli("config", "set", "maxmemory", "1")
    page = client.get("/?name=Ada")
    assert page.status_code == 200
    assert "unknown just now" in page.text
    assert client.get("/monster/full.png").headers["X-Cache"] == "backend"
    assert p99(client, "/monster/full-{}.png") < 0.1
    # What is there can still be read: the breaker stays closed.
    other = client_of(environment(redis.port, imagebackend.port))
    assert other.get("/monster/kept.png").headers["X-Cache"] == "redis"
    redis.cli("config", "set", "maxmemory", "0")
    assert "unknown" not in client.get("/").text


def test_redis_comes_back(tmp_path: Path, imagebackend: Service) -> None:
    port = free_ports(1)[0]
    client = client_of(environment(port, imagebackend.port))
    trip(client)
    redis = Redis(tmp_path, port=port)
    try:
        wait_until(lambda: "unknown" not in client.get("/").text, "the counter is back", 5)
        assert client.get("/readyz").status_code == 200
    finally:
        redis.stop()


def test_redis_restarts(tmp_path: Path, imagebackend: Service) -> None:
    redis = Redis(tmp_path)
    client = client_of(environment(redis.port, imagebackend.port))
    assert "unknown" not in client.get("/").text
    redis.stop()
    again = Redis(tmp_path, port=redis.port)
    try:
        wait_until(lambda: "unknown" not in client.get("/").text, "the counter is back", 5)
    finally:
        again.stop()


def test_the_password_is_read_and_rotated(tmp_path: Path, imagebackend: Service) -> None:
    secret = tmp_path / "password"
    secret.write_text("first\n")
    redis = Redis(tmp_path, "--requirepass", "first")
    try:
        env = environment(redis.port, imagebackend.port, REDIS_PASSWORD_FILE=str(secret))
        client = client_of(env)
        assert "unknown" not in client.get("/").text
        # Rotated in Redis first: connections that are made now are refused.
        redis.cli("config", "set", "requirepass", "second", password="first")
        redis.cli("client", "kill", "type", "normal", password="second")
        trip(client)
        assert "unknown" in client.get("/").text
        secret.write_text("second\n")
        wait_until(lambda: "unknown" not in client.get("/").text, "the counter is back", 5)
    finally:
        redis.stop()


def test_two_passwords_during_a_rotation(tmp_path: Path, imagebackend: Service) -> None:
    secret = tmp_path / "password"
    secret.write_text("old\n")
    redis = Redis(tmp_path)
    try:
        redis.cli("acl", "setuser", "default", "resetpass", ">old", ">new")
        env = environment(redis.port, imagebackend.port, REDIS_PASSWORD_FILE=str(secret))
        first = client_of(env)
        assert "unknown" not in first.get("/").text
        secret.write_text("new\n")
        second = client_of(env)
        assert "unknown" not in second.get("/").text
        redis.cli("acl", "setuser", "default", "<old", password="new")
        redis.cli("client", "kill", "type", "normal", password="new")
        assert "unknown" not in first.get("/").text, "the new password is read at once"
    finally:
        redis.stop()


def drip(connection: socket.socket) -> None:
    """An HTTP answer, a byte at a time."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\n")
    for _ in range(60):
        connection.sendall(b"x")
        time.sleep(0.1)


def only_healthy(connection: socket.socket) -> None:
    """Says that it is well, and draws nothing."""
    if connection.recv(4096, socket.MSG_PEEK).startswith(b"GET /healthz "):
        http("200 OK", "text/plain", b"ok")(connection)
    else:
        black_hole(connection)


BACKENDS: dict[str, Callable[[socket.socket], None]] = {
    "500": http("500 Internal Server Error", "image/png", PNG),
    "404": http("404 Not Found", "image/png", PNG),
    "redirect": http("302 Found", "image/png", PNG),
    "html": http("200 OK", "text/html", b"<html>"),
    "lies": http("200 OK", "image/png", b"<html>"),
    "cut": http("200 OK", "image/png", PNG, length=len(PNG) + 10),
    "empty": http("200 OK", "image/png", b""),
    "huge": http("200 OK", "image/png", PNG[:-8] + b"x" * 2_000_000 + PNG[-8:]),
    "rubbish": lambda connection: connection.sendall(b"\0\1\2 I am no HTTP server\r\n\r\n"),
    "closes": lambda _: None,
    "black hole": black_hole,
    "drip": drip,
    "only healthy": only_healthy,
}


@pytest.mark.parametrize("kind", [*BACKENDS, "refused"])
def test_a_broken_imagebackend(kind: str, redis: Redis) -> None:
    with ExitStack() as stack:
        if kind == "refused":
            port = free_ports(1)[0]
        else:
            port = stack.enter_context(server(BACKENDS[kind]))
        client = client_of(environment(redis.port, port))
        began = time.perf_counter()
        page = client.get("/?name=Ada")
        assert time.perf_counter() - began < 4
        assert page.status_code == 200
        assert "cannot be drawn right now" in page.text
        assert "<title>MonsterStack</title>" in page.text
        picture = client.get("/monster/x.png")
        assert (picture.status_code, picture.content_type) == (503, "application/problem+json")
        assert (picture.json or {})["title"] == "Service Unavailable"
        assert picture.headers["Retry-After"] == "2"
        assert picture.headers["Cache-Control"] == "no-store"
        assert redis.cli("keys", "monsterstack:v1:*") == "", "nothing bad is kept"
        trip(client)
        assert p99(client, "/?name=n{}") < 0.1
        assert p99(client, "/monster/id-{}.png") < 0.1


def test_with_everything_dead_many_visitors_are_answered_at_once() -> None:
    with ExitStack() as stack:
        holes = [stack.enter_context(server(black_hole)) for _ in range(2)]
        app = stack.enter_context(running("app", environment(*holes)))
        load(app, app.port, [f"/?name=trip{i}" for i in range(40)], clients=8)
        metrics = app.metrics()
        assert 'breaker_open{name="redis"} 1.0' in metrics
        assert 'breaker_open{name="imagebackend"} 1.0' in metrics
        p99s = []
        for _ in range(5):  # other programs on this computer only ever add to it
            paths = [f"/?name=n{i}" if i % 2 else f"/monster/n{i}.png" for i in range(1000)]
            seen = load(app, app.port, paths, clients=8)
            assert seen.statuses == {200: 500, 503: 500}
            p99s.append(seen.percentile(0.99))
        assert min(p99s) < 0.1
        # The log says what is wrong, and for which request.
        about = [line for line in app.lines() if line["message"].startswith("redis: ")]
        assert "Timeout" in about[0]["message"]
        assert re.fullmatch("[0-9a-f]{16}", about[0]["request_id"])


def test_known_pictures_survive_the_imagebackend(redis: Redis) -> None:
    with running("imagebackend") as backend:
        env = environment(redis.port, backend.port)
        client = client_of(env)
        assert client.get("/monster/known.png").status_code == 200
    trip(client)
    assert client.get("/monster/known.png").headers["X-Cache"] == "lru"
    assert client_of(env).get("/monster/known.png").headers["X-Cache"] == "redis"
    assert client.get("/monster/unknown.png").status_code == 503


def test_the_imagebackend_comes_back(redis: Redis) -> None:
    port = free_ports(1)[0]
    client = client_of(environment(redis.port, port))
    trip(client)
    assert client.get("/monster/x.png").status_code == 503

    with running("imagebackend", port=port):
        wait_until(lambda: client.get("/monster/x.png").status_code == 200, "it is back", 5)


def test_one_flight_per_picture(redis: Redis) -> None:
    asked = []

    def slow(connection: socket.socket) -> None:
        asked.append(connection.recv(4096).split()[1])
        time.sleep(0.3)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n"
        connection.sendall(head.encode() + PNG)

    with server(slow) as port:
        client = client_of(environment(redis.port, port))
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.get("/monster/one").status_code))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 20
    assert asked == [b"/v1/monster/one.png?size=80"]
