"""What the tests of the app share: a real Redis, a real imagebackend, and broken ones."""

from __future__ import annotations

import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Config
from benchmarks.services.harness import Process, Service, free_ports, running, wait_until


def program(name: str, package: str) -> str:
    """The path of a Debian program; the test fails when it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: install Debian's package {package}", pytrace=False)
    return path


class Redis(Process):
    """Debian's redis-server on a port of 127.0.0.1, with no memory of its own on disk."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_ports(1)[0]
        argv = [program("redis-server", "redis-server"), "--port", str(self.port), *options]
        super().__init__([*argv, "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)])
        wait_until(lambda: "Ready to accept" in self.output(), "redis-server is ready")

    def cli(self, *words: str, password: str | None = None) -> str:
        """What redis-cli answers."""
        login = ["--no-auth-warning", "-a", password] if password else []
        argv = [program("redis-cli", "redis-server"), "-p", str(self.port), *login, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of the test's own."""
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def imagebackend() -> Iterator[Service]:
    """The imagebackend as a process of its own."""
    with running("imagebackend") as service:
        yield service


def environment(redis_port: int, backend_port: int, **more: str) -> dict[str, str]:
    """The environment of an app that uses these two."""
    return {
        "CONTEXT": "DEV",
        "REDIS_DOMAIN": "127.0.0.1",
        "REDIS_PORT": str(redis_port),
        "IMAGEBACKEND_DOMAIN": "127.0.0.1",
        "IMAGEBACKEND_PORT": str(backend_port),
        **more,
    }


def client_of(env: Mapping[str, str]) -> FlaskClient:
    """A client of an app in this process."""
    return create_app(Config.from_env(env)).test_client()


@pytest.fixture
def client(redis: Redis, imagebackend: Service) -> FlaskClient:
    """A client of an app whose dependencies are well."""
    return client_of(environment(redis.port, imagebackend.port))


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that treats every connection with `answer`; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # the client may leave first
                answer(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listening.server_address[1]
        finally:
            listening.shutdown()
            thread.join()


def black_hole(connection: socket.socket) -> None:
    """Take everything, say nothing."""
    connection.settimeout(5)
    end = time.monotonic() + 5
    while time.monotonic() < end and connection.recv(4096):
        pass


def http(status: str, kind: str, body: bytes, length: int | None = None) -> Callable[..., None]:
    """An HTTP server that gives every request the same answer."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n"

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)

    return answer
