"""Pictures from the nearest place that has them: this process, Redis, the imagebackend."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import NamedTuple

import urllib3
from prometheus_client import Counter

from .breaker import Breaker
from .config import Config
from .store import KEEPALIVE, Store

ALGORITHM = "v1"  # asked for by name, so that a cached picture is right for ever
TTL = 24 * 3600
LIMIT = 16 * 1024 * 1024  # bytes of pictures in this process
LARGEST = 1024 * 1024  # bytes of one picture that are still believed
TIMEOUT = urllib3.Timeout(connect=0.3, read=1.0)
PATIENCE = 2.0  # seconds to wait for another request that fetches the same picture

TYPES = {"png": "image/png", "svg": "image/svg+xml", "webp": "image/webp"}


class UnavailableError(Exception):
    """The picture cannot be had at the moment."""


class Picture(NamedTuple):
    """An encoded picture and the layer it came from: lru, redis or backend."""

    data: bytes
    layer: str


def genuine(kind: str, data: bytes | bytearray) -> bool:
    """Whether data has the signature and the end of its type."""
    if kind == "png":
        return data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    if kind == "webp":
        size = int.from_bytes(data[4:8], "little") + 8
        return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) == size
    return data.startswith(b"<svg ") and data.endswith(b"</svg>")


class Lru:
    """Bounded by bytes and time; safe for several threads."""

    def __init__(self, limit: int, ttl: float) -> None:
        self._limit = limit
        self._ttl = ttl
        self._items: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The value, or None when it is not there or too old."""
        with self._lock:
            item = self._items.get(key)
            if item is None:
                return None
            if item[0] < time.monotonic():
                self._remove(key)
                return None
            self._items.move_to_end(key)
            return item[1]

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, dropping the ones unused for longest."""
        with self._lock:
            self._remove(key)
            self._items[key] = (time.monotonic() + self._ttl, value)
            self._bytes += self._cost(key, value)
            while self._bytes > self._limit:
                self._remove(next(iter(self._items)))

    def _remove(self, key: str) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self._bytes -= self._cost(key, item[1])

    @staticmethod
    def _cost(key: str, value: bytes) -> int:
        return len(value) + len(key) + 300  # 300: what Python adds for one entry, about


class Pictures:
    """The three layers in order. One request at a time fetches a picture, the others wait."""

    def __init__(self, config: Config, store: Store) -> None:
        self._store = store
        self._lru = Lru(LIMIT, TTL)
        self._flights: dict[str, Future[Picture]] = {}
        self._lock = threading.Lock()
        self._http = urllib3.HTTPConnectionPool(
            config.backend_host,
            config.backend_port,
            maxsize=32,
            retries=False,
            timeout=TIMEOUT,
            socket_options=[
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                *((socket.IPPROTO_TCP, option, value) for option, value in KEEPALIVE.items()),
            ],
        )
        self.breaker = Breaker("imagebackend", self.ping)
        self.served = Counter("pictures", "Pictures by layer.", ("layer",), registry=None)

    def ping(self) -> None:
        """Have the imagebackend draw something; raises when it cannot."""
        self._ask(f"/{ALGORITHM}/monster/ping.png?size=12", "png", "ping")

    def get(self, name: str, size: int, kind: str, request_id: str) -> Picture:
        """The picture of an id (size in pixels, kind of TYPES); else UnavailableError."""
        picture = self._find(name, size, kind, request_id)
        self.served.labels(picture.layer).inc()
        return picture

    def _find(self, name: str, size: int, kind: str, request_id: str) -> Picture:
        key = f"monsterstack:{ALGORITHM}:{name}:{size}.{kind}"
        data = self._lru.get(key)
        if data is not None:
            return Picture(data, "lru")
        with self._lock:
            flight = self._flights.get(key)
            first = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not first:
            try:
                return flight.result(PATIENCE)
            except FutureTimeout:
                raise UnavailableError("another request for it takes too long") from None
        try:
            picture = self._fetch(key, name, size, kind, request_id)
            self._lru.put(key, picture.data)
            flight.set_result(picture)
            return picture
        except BaseException as error:
            flight.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[key]

    def _fetch(self, key: str, name: str, size: int, kind: str, request_id: str) -> Picture:
        data = self._store.get(key)
        if data is not None and genuine(kind, data):
            return Picture(data, "redis")
        data = self._draw(name, size, kind, request_id)
        self._store.put(key, data, TTL)
        return Picture(data, "backend")

    def _draw(self, name: str, size: int, kind: str, request_id: str) -> bytes:
        if self.breaker.open:
            raise UnavailableError("the imagebackend does not answer")
        path = f"/{ALGORITHM}/monster/{name}.{kind}?size={size}"
        try:
            try:
                data = self._ask(path, kind, request_id)
            except urllib3.exceptions.ProtocolError:
                # It closed an idle connection or is gone: a new one reaches another replica.
                data = self._ask(path, kind, request_id)
        except UnavailableError as error:
            self.breaker.failed(error)
            raise
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self.breaker.failed(error)
            raise UnavailableError("the imagebackend does not answer") from error
        self.breaker.succeeded()
        return data

    def _ask(self, path: str, kind: str, request_id: str) -> bytes:
        """A picture from the imagebackend, in one try; UnavailableError when the answer is none.
        One that is too long or too slow is cut off, and so not whole."""
        answer = self._http.request(
            "GET", path, headers={"X-Request-ID": request_id}, preload_content=False
        )
        deadline = time.monotonic() + PATIENCE
        data = bytearray()
        while chunk := answer.read1(64 * 1024):
            data += chunk
            if len(data) > LARGEST or time.monotonic() > deadline:
                answer.close()
                break
        answer.release_conn()
        if wrong := _why_not(answer, kind, data):
            raise UnavailableError(f"the imagebackend answers with {wrong}")
        return bytes(data)


def _why_not(answer: urllib3.BaseHTTPResponse, kind: str, data: bytes | bytearray) -> str | None:
    """Why an answer must not be shown or kept; None when it is a picture."""
    if answer.status != 200:
        return f"status {answer.status}"
    if answer.headers.get("Content-Type", "").partition(";")[0] != TYPES[kind]:
        return f"the type {answer.headers.get('Content-Type')!r}"
    if len(data) > LARGEST:
        return "too many bytes"
    if not genuine(kind, data):
        return f"something that is no {kind}"
    return None
