"""The client of the engine's socket, against a small server on a socket of its own."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    Engine,
    EngineError,
    short_name,
)


class Handler(BaseHTTPRequestHandler):
    """Answers /_ping, /v…/echo with what was asked, and everything else with an engine's 404."""

    version = "1.41"
    least = "1.24"

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Api-Version", self.version)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/_ping":
            self.answer(200, b"OK")
        elif self.path == "/version":
            self.answer(200, json.dumps({"MinAPIVersion": self.least}).encode())
        elif "/echo" in self.path:
            self.answer(200, json.dumps({"path": self.path}).encode())
        else:
            self.answer(404, b'{"message": "no such thing"}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(201, body if "/echo" in self.path else b"")

    def log_message(self, *_args: Any) -> None:
        """Keep the test's output clean."""

    def address_string(self) -> str:
        return "socket"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "engine.sock")
    with socketserver.ThreadingUnixStreamServer(path, Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield f"unix://{path}"
        listener.shutdown()
        thread.join()


def test_requests_and_filters(server: str) -> None:
    engine = Engine(server)
    assert engine.get("/echo", filters={"a": ["b"]}) == {
        "path": "/v1.41/echo?filters=%7B%22a%22%3A+%5B%22b%22%5D%7D"
    }
    assert engine.post("/echo", {"x": 1}) == {"x": 1}
    assert engine.post("/quiet", {}) is None


VERSIONS = {"older than ours": ("1.41", "/v1.41/"), "newer than ours": ("1.52", "/v1.45/")}


@pytest.mark.parametrize(("version", "prefix"), VERSIONS.values(), ids=VERSIONS)
def test_negotiation(
    server: str, monkeypatch: pytest.MonkeyPatch, version: str, prefix: str
) -> None:
    monkeypatch.setattr(Handler, "version", version)
    assert Engine(server).get("/echo")["path"].startswith(prefix)


def test_the_engines_own_words(server: str) -> None:
    with pytest.raises(EngineError, match=r"^no such thing$") as caught:
        Engine(server).get("/services/x")
    assert caught.value.status == 404


def test_no_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"does not answer.*is it running") as caught:
        Engine(f"unix://{tmp_path}/none.sock").get("/info")
    assert caught.value.status == 0


def test_only_local_sockets() -> None:
    with pytest.raises(EngineError, match="is not a local socket: use unix://"):
        Engine("tcp://198.18.0.11:2375")


def test_short_name() -> None:
    assert short_name("shop", "shop_web") == "web"
    assert short_name("shop", "other_web") == "other_web"


@pytest.mark.fault("C18")
def test_an_engine_that_speaks_newer_interfaces_only_is_named(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "version", "1.60")
    monkeypatch.setattr(Handler, "least", "1.44")
    assert Engine(server).get("/echo")["path"] == "/v1.45/echo"
    monkeypatch.setattr(Handler, "least", "1.50")
    with pytest.raises(EngineError, match=r"speaks API 1\.50 and newer only"):
        Engine(server).get("/echo")
