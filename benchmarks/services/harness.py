"""Starting, loading and measuring the services; used by their tests and by the benchmarks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody listens on at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def kept_waiting(whom: str = "thread-self") -> float:
    """Seconds that a process's first thread, or this thread, could have run but other programs had
    the cores: what a measurement must leave out on a computer that does other work, too."""
    return int(Path(f"/proc/{whom}/schedstat").read_text().split()[1]) / 1e9


class Process:
    """A program that was started here, its CPU time and memory, and what it printed."""

    def __init__(self, argv: list[str], env: Mapping[str, str] | None = None) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in stop()
        self._popen = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.pid = self._popen.pid

    @property
    def ended(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """Everything printed so far."""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode()

    def lines(self) -> list[dict[str, Any]]:
        """The printed lines, each a JSON object."""
        return [json.loads(line) for line in self.output().splitlines()]

    def cpu(self) -> float:
        """Seconds of CPU used by the process, its threads and its children, user and system."""
        pids, ticks = [self.pid], 0
        for pid in pids:  # which grows
            folder = Path(f"/proc/{pid}")
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
            for children in folder.glob("task/*/children"):
                pids += map(int, children.read_text().split())
        return ticks / _TICKS

    def rss(self) -> int:
        """Resident memory in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ProcessLookupError(f"process {self.pid} has ended")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait for the end; the exit code. subprocess.TimeoutExpired when it takes longer."""
        return self._popen.wait(seconds)

    def stop(self) -> None:
        """End it, if it still runs, without waiting for its manners."""
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait(10)
        self._log.close()


def wait_until(test: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until a test is true; OSErrors count as false. TimeoutError names what was missing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if test():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds} s")
        time.sleep(0.02)


@dataclass
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = 0.0

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Service(Process):
    """One of the services (`app` or `imagebackend`) as a process of its own on 127.0.0.1."""

    def __init__(
        self, module: str, env: Mapping[str, str] | None = None, port: int | None = None
    ) -> None:
        self.port, self.metrics_port = free_ports(2)
        self.port = port or self.port
        own = {
            "BIND": "127.0.0.1",
            "PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "PYTHONUNBUFFERED": "1",
        }
        began = time.monotonic()
        super().__init__([sys.executable, "-m", module], {**own, **(env or {})})
        try:
            wait_until(self._up, f"{module} answers /healthz", 60)
        except BaseException:
            output = self.output()
            self.stop()
            raise RuntimeError(f"{module} did not start:\n{output}") from None
        self.seconds_to_healthy = time.monotonic() - began - kept_waiting(str(self.pid))

    def _up(self) -> bool:
        if self.ended is not None:
            raise RuntimeError(f"ended with {self.ended}")
        return self.get("/healthz").status == 200

    def get(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        port: int | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port or self.port}{path}", data, dict(headers or {}), method=method
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                status, found, body = reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            status, found, body = error.code, error.headers, error.read()
        names = {name.lower(): value for name, value in found.items()}
        return Answer(status, names, body, time.monotonic() - began)

    def metrics(self) -> str:
        """The text of the metrics port."""
        return self.get("/metrics", port=self.metrics_port).body.decode()


@contextmanager
def running(
    module: str, env: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[Service]:
    """A service while the block runs."""
    service = Service(module, env, port)
    try:
        yield service
    finally:
        service.stop()


class Connection:
    """A bare keep-alive HTTP connection: little CPU of its own, so that the server is measured."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def get(self, path: str) -> tuple[int, int, bool]:
        """Status, bytes of the body, and whether the server goes on with this connection.
        ConnectionError when there is no complete answer."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status = self._file.readline()
        if not status:
            raise ConnectionResetError("closed before the answer")
        length, keep = 0, True
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            name = name.lower()
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and value.strip().lower() == b"close":
                keep = False
        body = self._file.read(length)
        if len(body) != length:
            raise ConnectionResetError("closed within the answer")
        return int(status.split()[1]), length, keep

    def close(self) -> None:
        """Close it."""
        self._file.close()
        self._socket.close()


@dataclass
class Load:
    """What a load run saw. `latencies` are in seconds, `cpu` in seconds of the server process."""

    requests: int = 0
    bytes: int = 0
    cpu: float = 0.0
    wall: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The latency that this share of the requests stayed under, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def load(process: Process, port: int, paths: Iterable[str], clients: int = 4) -> Load:
    """Ask for all paths over `clients` keep-alive connections; bounded by the paths given."""
    result = Load()
    lock = threading.Lock()
    todo = iter(paths)
    errors: list[BaseException] = []

    def client() -> None:
        try:
            connection = Connection(port)
            seen: list[float] = []
            statuses: dict[int, int] = {}
            total = 0
            while True:
                with lock:
                    path = next(todo, None)
                if path is None:
                    break
                began = time.perf_counter()
                status, length, keep = connection.get(path)
                seen.append(time.perf_counter() - began)
                statuses[status] = statuses.get(status, 0) + 1
                total += length
                if not keep:
                    connection.close()
                    connection = Connection(port)
            connection.close()
            with lock:
                result.requests += len(seen)
                result.bytes += total
                result.latencies += seen
                for status, count in statuses.items():
                    result.statuses[status] = result.statuses.get(status, 0) + count
        except BaseException as error:
            errors.append(error)

    cpu, began = process.cpu(), time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.wall = time.perf_counter() - began
    result.cpu = process.cpu() - cpu
    if errors:
        raise errors[0]
    return result


def stop_under_load(leaving: Service, staying: Service, path: str, lag: float) -> dict[str, int]:
    """16 clients ask two replicas through a balancer that notices a stop only `lag` seconds later.

    `leaving` gets SIGTERM after half a second. Each client uses keep-alive connections and obeys
    `Connection: close`. Returns the counts `answered`, `wrong` (not 200), `lost` (cut off) and
    `refused`, and `by_leaving`: answers of the leaving one after its SIGTERM.
    """
    targets = [leaving.port, staying.port]
    counts = dict.fromkeys(("answered", "wrong", "lost", "refused", "by_leaving"), 0)
    lock = threading.Lock()
    end = time.monotonic() + 0.5 + lag + 1.5
    terminated = threading.Event()

    def count(what: str) -> None:
        with lock:
            counts[what] += 1

    def client(number: int) -> None:
        turn = number
        while time.monotonic() < end:
            turn += 1
            port = targets[turn % len(targets)]
            try:
                connection = Connection(port)
            except OSError:
                count("refused")
                continue
            try:
                # Every third connection is used once, the others for up to 20 requests.
                for _ in range(1 if turn % 3 == 0 else 20):
                    if port not in targets and terminated.is_set():
                        break  # the balancer has noticed
                    status, _, keep = connection.get(path)
                    count("answered" if status == 200 else "wrong")
                    if port == leaving.port and terminated.is_set():
                        count("by_leaving")
                    time.sleep(0.005)
                    if not keep:
                        break
            except OSError:
                count("lost")
            finally:
                connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    leaving.signal(signal.SIGTERM)
    terminated.set()
    time.sleep(lag)
    targets.remove(leaving.port)
    for thread in threads:
        thread.join()
    return counts
