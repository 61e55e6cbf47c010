"""How a service runs: one process, JSON logs, metrics on their own port, a stop that loses nobody.

`app/runtime.py` and `imagebackend/runtime.py` are the same file (a test compares them): each
folder is a build context of its own, so it cannot be shared in any other way.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from flask import Flask, has_request_context, request
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.mt import MTServer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

GRACE_SECONDS = 4.0  # for requests in flight after the drain; longer ones are cut off
_REQUEST_ID = "monsterstack.request_id"  # its key in the WSGI environment
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz"})  # probes would drown the log


class ConfigError(ValueError):
    """A value of the environment that the service cannot start with; the text is for people."""


def seconds(env: Mapping[str, str], name: str, default: float, most: float) -> float:
    """Read a duration in seconds, 0 to `most`, from the environment; ConfigError when wrong."""
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ConfigError(f"{name}={text!r} is not a number of seconds from 0 to {most:g}.")
    return value


def port(env: Mapping[str, str], name: str, default: int) -> int:
    """Read a TCP port from the environment; ConfigError when it is none."""
    text = env.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ConfigError(f"{name}={text!r} is not a TCP port from 1 to 65535.")
    return int(text)


def fail(service: str, error: ConfigError) -> NoReturn:
    """Say what is wrong in one sentence and end with exit code 2."""
    print(f"{service}: cannot start: {error}", file=sys.stderr)
    sys.exit(2)


def request_id() -> str:
    """The id of the request that this thread answers; empty when it answers none."""
    return str(request.environ.get(_REQUEST_ID, "")) if has_request_context() else ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the id of the request it is about, if any."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage(),
        }
        if about := request_id():
            line["request_id"] = about
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_json(service: str) -> None:
    """Send all logging to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Service:
    """The WSGI application around a Flask application: request ids, access log, metrics, drain.

    Collectors in `flask.extensions["metrics"]` are published beside its own.
    `headers` go on every answer. While `draining`, /readyz answers 503 and every answer carries
    `Connection: close`, so that clients leave for another replica before this one stops listening.
    """

    def __init__(self, flask: Flask, name: str, headers: Mapping[str, str]) -> None:
        self.draining = False
        self.registry = CollectorRegistry()
        self._flask = flask
        self._name = name
        self._headers = list(headers.items())
        self._requests = Counter(
            "http_requests_total",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "http_request_seconds",
            "Time to answer.",
            ("route",),
            registry=self.registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
        )
        Gauge("draining", "1 after SIGTERM.", registry=self.registry).set_function(
            lambda: float(self.draining)
        )
        for collector in flask.extensions.get("metrics", ()):
            self.registry.register(collector)
        self._routes = {rule.rule.split("/")[1] for rule in flask.url_map.iter_rules()}
        self._counters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        began = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        own_id = environ[_REQUEST_ID] = given if _GOOD_ID.fullmatch(given) else os.urandom(8).hex()
        code = 500

        def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal code
            code = int(status[:3])
            headers += self._headers
            headers.append(("X-Request-ID", own_id))
            if self.draining:
                headers.append(("Connection", "close"))
            return start_response(status, headers, exc_info)

        if self.draining and environ["PATH_INFO"] == "/readyz":
            begin("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"draining\n"]
        answer = self._flask.wsgi_app(environ, begin)
        try:
            # A list lets the server answer in one piece, with a length, instead of streaming.
            body = [b"".join(answer)]
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        self._note(environ, code, time.perf_counter() - began, own_id)
        return body

    def _note(self, environ: dict[str, Any], code: int, took: float, own_id: str) -> None:
        """Count and log one answered request."""
        path = environ["PATH_INFO"]
        route = path.split("/", 2)[1] if path.startswith("/") else ""
        if route not in self._routes:
            route = "none"  # a label must not grow with what strangers send
        method = environ["REQUEST_METHOD"]
        if method not in _METHODS:
            method = "other"
        key = (route, method, code)
        counters = self._counters.get(key)
        if counters is None:
            counters = self._counters[key] = (
                self._requests.labels(route, method, str(code)),
                self._seconds.labels(route),
            )
        counters[0].inc()
        counters[1].observe(took)
        if path not in _QUIET:
            # Past the logging module, which would cost as much as drawing a picture. The strings
            # put in as they are have been checked above or by the one who started the service.
            line = (
                f'{{"time": {time.time():.3f}, "level": "info", "service": "{self._name}", '
                f'"message": "request", "request_id": "{own_id}", "method": "{method}", '
                f'"path": {json.dumps(path[:300])}, "status": {code}, "ms": {took * 1000:.2f}}}\n'
            )
            os.write(1, line.encode())


class _Server(MTServer):
    """Granian's threaded server: the worker is a thread of this very process.

    Granian keeps it for free-threaded builds; its WSGI worker is the same code with the GIL
    (the interpreter runs requests one at a time either way). One process instead of two halves
    memory and start time, and lets SIGTERM set a flag instead of crossing a process border.
    """

    def _check_gil(self) -> None:
        return

    def __init__(self, service: Service, drain: float, **options: Any) -> None:
        super().__init__("service", interface=Interfaces.WSGI, log_enabled=False, **options)
        self._service = service
        self._drain = drain

    def signal_handler_interrupt(self, *_: Any, **__: Any) -> None:
        if self._service.draining:
            return
        self._service.draining = True
        logging.getLogger("stop").info("SIGTERM: draining for %.1f s", self._drain)
        # Swarm's load balancer goes on sending for a moment: stop listening only after that.
        stop = threading.Timer(self._drain, super().signal_handler_interrupt)
        kill = threading.Timer(self._drain + GRACE_SECONDS, self._give_up)
        for timer in (stop, kill):
            timer.daemon = True
            timer.start()

    def _give_up(self) -> None:
        logging.getLogger("stop").warning("requests were still running after %gs", GRACE_SECONDS)
        os._exit(0)


def serve(
    service: Service, *, bind: str, port: int, metrics_port: int, drain: float, threads: int
) -> None:
    """Listen until SIGTERM or SIGINT, drain, finish what is in flight, and return."""
    start_http_server(metrics_port, addr=bind, registry=service.registry)
    server = _Server(
        service,
        drain,
        address=bind,
        port=port,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=16 * 1024),
        blocking_threads=threads,
        backpressure=1024,
    )
    gc.freeze()  # what the start made stays: do not look through it again and again
    logging.getLogger("start").info("listening on %s:%d", bind, port)
    server.serve(target_loader=lambda: service, wrap_loader=False)
    logging.getLogger("stop").info("stopped")
