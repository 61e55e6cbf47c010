# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker Engine's HTTP interface over its local socket, with the standard library only.

A module starts in a fraction of the time that importing the Docker SDK takes, and it works with
every engine since API 1.41 (Docker 20.10), whatever Python packages the host has.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

DEFAULT_HOST = "unix:///var/run/docker.sock"
# The newest interface these modules were written against; older engines get their own.
NEWEST_API = (1, 45)
# The first request of a client asks nothing that takes time: an engine that lets it wait longer
# hangs. Seen: dockerd under SIGSTOP lets every connection open and answers none.
PING_SECONDS = 10.0

ENGINE_OPTIONS: dict[str, Any] = {"docker_host": {"type": "str", "default": DEFAULT_HOST}}


class EngineError(Exception):
    """The engine refused a request, or could not be asked.

    `status` is the HTTP status, or 0 when there was no answer at all.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """A client of one engine; `timeout` is in seconds and holds for every request.

    All requests together end within `within` seconds, if that is given.
    """

    def __init__(
        self, docker_host: str = DEFAULT_HOST, timeout: float = 30, within: float | None = None
    ) -> None:
        if not docker_host.startswith("unix://"):
            raise EngineError(
                0,
                f"docker_host {docker_host!r} is not a local socket: use unix:///path/to/socket "
                "and run the module on the host of the engine.",
            )
        self._path = docker_host.removeprefix("unix://")
        self._timeout = timeout
        self._end = None if within is None else time.monotonic() + within
        self._prefix: str | None = None
        self.api_version = ""
        self.min_api_version = ""  # read where the engine is newer than NEWEST_API

    def _negotiate(self) -> str:
        if self._prefix is None:
            seconds = min(self._timeout, PING_SECONDS)
            _body, headers = self._send("GET", "/_ping", None, {}, seconds, 1024)
            self.api_version = headers.get("api-version", "1.41")
            own = tuple(int(part) for part in self.api_version.split("."))
            if own > NEWEST_API:
                self._refuse_too_new()
            self._prefix = f"/v{'.'.join(map(str, min(own, NEWEST_API)))}"
        return self._prefix

    def _refuse_too_new(self) -> None:
        """A newer engine still speaks older interfaces, but not all of them."""
        body, _headers = self._send("GET", "/version", None, {}, self._timeout, None)
        self.min_api_version = str(json.loads(body).get("MinAPIVersion") or "")
        least = tuple(int(part) for part in self.min_api_version.split(".") if part)
        if least > NEWEST_API:
            newest = ".".join(map(str, NEWEST_API))
            raise EngineError(
                0,
                f"the Docker Engine speaks API {self.min_api_version} and newer only, and this "
                f"version of monsterstack.swarm {newest} at most: use a newer one of it.",
            )

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout: float,
        limit: int | None,
    ) -> tuple[bytes, dict[str, str]]:
        if self._end is not None:
            # Never 0: that would mean not to wait at all.
            timeout = min(timeout, max(0.1, self._end - time.monotonic()))
        connection = _SocketConnection(self._path, timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read(limit) if limit else answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(
                0,
                f"the Docker Engine at {self._path} does not answer "
                f"({error or type(error).__name__}): is it running, and may this user use it?",
            ) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise EngineError(answer.status, _message(data))
        return data, {name.lower(): value for name, value in answer.getheaders()}

    def raw(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> bytes:
        """Send one request and return the body, at most `limit` bytes of it.

        Query values that are not text are sent as JSON, as the engine's filters want it.
        Raises EngineError.
        """
        prefix = self._negotiate()
        target = prefix + quote(path)
        if query:
            target += "?" + urlencode(
                {k: v if isinstance(v, str) else json.dumps(v) for k, v in query.items()}
            )
        payload = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if payload is not None else {}
        data, _headers = self._send(
            method, target, payload, {**sent, **(headers or {})}, timeout or self._timeout, limit
        )
        return data

    def get(self, path: str, **query: Any) -> Any:
        """GET and parse the JSON answer."""
        return json.loads(self.raw("GET", path, query))

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """POST JSON; the parsed answer, or None when there is none."""
        data = self.raw("POST", path, query, body)
        return json.loads(data) if data.strip() else None

    def delete(self, path: str) -> None:
        """DELETE."""
        self.raw("DELETE", path)


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", "replace").strip()[:500]


def epoch(text: str) -> float:
    """The engine's RFC 3339 times (nanoseconds, Z) in seconds since 1970; 0 for none."""
    if not text or text.startswith("0001-"):
        return 0.0
    # More than six digits of a second are too much for datetime.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


def stack_filter(stack: str) -> dict[str, list[str]]:
    """The filter that lists what belongs to a stack, as `docker stack deploy` labels it."""
    return {"label": [f"com.docker.stack.namespace={stack}"]}


def short_name(stack: str, name: str) -> str:
    """A service's name without its stack's prefix."""
    return name.removeprefix(f"{stack}_")
