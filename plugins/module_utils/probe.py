# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Visitors that never stop asking: what they are to do, what became of it, and a picture of that.

The schedule is open: a request starts at its time whether or not those before it were answered,
so a service that hangs is seen as it is instead of slowing its observer down.
"""

from __future__ import annotations

import html
import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.smoke import Answer, judge

VERSION_HEADER = "x-version"
MAX_REQUESTS = 100_000
MAX_RATE = 200.0  # requests per second: a probe watches, it is no load test
# Requests in flight at most: what a rate of 20/s has waiting while all of them time out after 5 s.
MAX_PARALLEL = 128
COLUMNS = 120  # of the picture


@dataclass(frozen=True)
class Shot:
    """A request to be sent `at` seconds after the start, through `node` (an address)."""

    at: float
    node: str
    kept: bool  # over a connection that is kept open, instead of one of its own


@dataclass(frozen=True)
class Sample:
    """What became of a shot. `problem` is empty when the answer was right.

    `version` is what the answer's X-Version says, empty without one; `reopened` tells that a kept
    connection had been closed by the other side without an answer, and that the request was
    repeated on a new one, as browsers do (RFC 9112, 9.3.1).
    """

    at: float
    node: str
    kept: bool
    seconds: float
    kind: str = "ok"
    problem: str = ""
    version: str = ""
    reopened: bool = False


def schedule(rate: float, seconds: float, nodes: Sequence[str]) -> Iterator[Shot]:
    """Shots at a constant rate, through each node in turn, by turns fresh and kept.

    At most MAX_REQUESTS. Raises ValueError, in the user's words, when that cannot be.
    """
    if not nodes:
        raise ValueError("there is no address to ask: give at least one.")
    if not 0 < rate <= MAX_RATE:
        raise ValueError(f"a rate of {rate:g} requests/s is not between 0 and {MAX_RATE:g}.")
    if seconds <= 0:
        raise ValueError(f"a duration of {seconds:g} s is not above 0.")
    count = max(1, int(rate * seconds + 1e-9))
    if count > MAX_REQUESTS:
        raise ValueError(
            f"{rate:g} requests/s for {seconds:g} s are {count} requests, more than the "
            f"{MAX_REQUESTS} that one run may send: lower the rate or the duration."
        )
    return (
        Shot(number / rate, nodes[number % len(nodes)], (number // len(nodes)) % 2 == 1)
        for number in range(count)
    )


def kind_of(error: Exception) -> str:
    """One word for a request that got no answer."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    if isinstance(error, http.client.HTTPException):
        return "broken answer"
    return "unreachable" if isinstance(error, OSError) else type(error).__name__


class Visitors:
    """Sends shots and judges the answers; safe for many threads.

    A kept connection belongs to nobody while it is idle; who needs one takes the one used last.
    """

    def __init__(self, port: int, check: Mapping[str, Any], timeout: float) -> None:
        self._port = port
        self._check = check
        self._timeout = timeout
        self._idle: dict[str, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def shoot(self, shot: Shot) -> Sample:
        """One request and its judgement; never raises for what the network does."""
        began = time.monotonic()
        connection = self._take(shot.node) if shot.kept else None
        reopened = False
        try:
            if connection is not None:
                try:
                    answer = self._ask(connection, shot, began)
                except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                    # It had been closed while nobody used it.
                    connection.close()
                    connection, reopened = None, True
            if connection is None:
                connection = self._connect(shot.node)
                answer = self._ask(connection, shot, began)
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            text = f"{error or type(error).__name__}"
            took = time.monotonic() - began
            return Sample(
                shot.at, shot.node, shot.kept, took, kind_of(error), text, reopened=reopened
            )
        self._leave(shot, connection, answer)
        problem = judge(self._check, answer) or ""
        wrong_status = answer.status != (self._check.get("status") or 200)
        kind = "ok" if not problem else f"status {answer.status}" if wrong_status else "content"
        version = answer.headers.get(VERSION_HEADER, "")
        return Sample(
            shot.at, shot.node, shot.kept, answer.seconds, kind, problem, version, reopened
        )

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _connect(self, node: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(node, self._port, timeout=self._timeout)

    def _take(self, node: str) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(node)
            return idle.pop() if idle else None

    def _leave(self, shot: Shot, connection: http.client.HTTPConnection, answer: Answer) -> None:
        # http.client has dropped the socket by itself after "Connection: close".
        if not shot.kept or connection.sock is None or answer.headers.get("connection") == "close":
            connection.close()
            return
        with self._lock:
            self._idle.setdefault(shot.node, []).append(connection)

    def _ask(self, connection: http.client.HTTPConnection, shot: Shot, began: float) -> Answer:
        headers = {
            "User-Agent": "monsterstack.swarm probe",
            "Accept-Language": "en",
            "Connection": "keep-alive" if shot.kept else "close",
        }
        connection.request("GET", str(self._check.get("path") or "/"), headers=headers)
        response = connection.getresponse()
        try:
            body = response.read()
        except ConnectionError as error:
            # An answer that breaks off is a failure; only a silent end may be asked for again.
            raise http.client.HTTPException(f"the answer broke off ({error})") from error
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, body, time.monotonic() - began)


def run(
    shots: Iterable[Shot],
    shoot: Callable[[Shot], Sample],
    note: Callable[[Sample], None],
    stopped: Callable[[], bool],
    parallel: int = MAX_PARALLEL,
) -> tuple[int, int]:
    """Send the shots at their times until the last one or until `stopped()`.

    `note` gets each sample as it comes, one at a time. (how many were sent, how many could not be
    sent because `parallel` of them were still waiting: those are noted as failures of the kind
    "overload", for a request that is not sent is not answered either.)
    """
    lock = threading.Lock()
    free = threading.Semaphore(parallel)
    sent = skipped = 0

    def work(shot: Shot) -> None:
        try:
            sample = shoot(shot)
        finally:
            free.release()
        with lock:
            note(sample)

    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        waiting: list[Future[None]] = []
        for shot in shots:
            while (wait := started + shot.at - time.monotonic()) > 0 and not stopped():
                time.sleep(min(wait, 0.2))
            if stopped():
                break
            if not free.acquire(blocking=False):
                skipped += 1
                text = f"{parallel} requests were still waiting for their answers"
                with lock:
                    note(Sample(shot.at, shot.node, shot.kept, 0.0, "overload", text))
                continue
            sent += 1
            waiting = [future for future in waiting if not future.done()]
            waiting.append(pool.submit(work, shot))
        for future in waiting:
            future.result()
    return sent, skipped


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all does not exceed (nearest rank)."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[min(rank, len(ordered)) - 1]


def longest_gap(samples: Iterable[Sample]) -> float:
    """Seconds between two right answers that follow each other, at most; by when they were asked
    for. Without two right answers it is the time from the first request to the last."""
    ordered = sorted(samples, key=lambda sample: sample.at)
    good = [sample.at for sample in ordered if sample.kind == "ok"]
    if not ordered:
        return 0.0
    # An outage at either end counts too.
    marks = [ordered[0].at, *good, ordered[-1].at]
    return max(after - before for before, after in itertools.pairwise(marks))


def summarise(samples: Sequence[Sample], started: float = 0.0) -> dict[str, Any]:
    """The report. `started` is the clock at the first request, in seconds since 1970.

    {requests, failed, by_kind{kind: count}, by_node{node: {requests, failed}},
    by_connection{fresh|kept: {requests, failed}}, failed_by_version{version: count}, reopened,
    seconds{p50, p95, p99, max} of right answers or null, versions[{version, first, last,
    requests}], longest_gap, duration, started, failures[{at, node, kept, kind, problem, version}]
    (the first 50 of each kind through each node)}. All times are seconds after the start.
    """
    ordered = sorted(samples, key=lambda sample: sample.at)
    bad = [sample for sample in ordered if sample.kind != "ok"]
    right = [sample.seconds for sample in ordered if sample.kind == "ok"]
    latency = {
        name: _milli(percentile(right, share))
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }
    versions: dict[str, dict[str, Any]] = {}
    for sample in ordered:
        if sample.version:
            entry = versions.setdefault(
                sample.version,
                {"version": sample.version, "first": round(sample.at, 2), "last": 0, "requests": 0},
            )
            entry["last"] = round(sample.at, 2)
            entry["requests"] += 1
    return {
        "requests": len(ordered),
        "failed": len(bad),
        "by_kind": _count(sample.kind for sample in bad),
        "by_node": _shares(ordered, lambda sample: sample.node),
        "by_connection": _shares(ordered, lambda sample: "kept" if sample.kept else "fresh"),
        "failed_by_version": _count(sample.version for sample in bad),
        "reopened": sum(sample.reopened for sample in ordered),
        "seconds": latency,
        "versions": list(versions.values()),
        "longest_gap": round(longest_gap(ordered), 2),
        "duration": round(ordered[-1].at, 2) if ordered else 0.0,
        "started": started,
        "failures": [
            {
                key: value
                for key, value in asdict(sample).items()
                if key in ("at", "node", "kept", "kind", "problem", "version")
            }
            for sample in _few_of_each(bad, 50)
        ],
    }


def _few_of_each(bad: Iterable[Sample], most: int) -> list[Sample]:
    """A dead node makes thousands of failures, which must not hide the few of another kind."""
    seen: dict[tuple[str, str], int] = {}
    chosen: list[Sample] = []
    for sample in bad:
        key = (sample.kind, sample.node)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= most:
            chosen.append(sample)
    return chosen


def _milli(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _count(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def _shares(samples: Iterable[Sample], key: Callable[[Sample], str]) -> dict[str, dict[str, int]]:
    shares: dict[str, dict[str, int]] = {}
    for sample in samples:
        share = shares.setdefault(key(sample), {"requests": 0, "failed": 0})
        share["requests"] += 1
        share["failed"] += sample.kind != "ok"
    return dict(sorted(shares.items()))


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report for people."""
    if not report["requests"]:
        return ["probe: no request was sent"]
    took = report["seconds"]
    times = (
        "  ".join(f"{name} {took[name] * 1000:.0f} ms" for name in ("p50", "p95", "p99", "max"))
        if took["p50"] is not None
        else "no right answer"
    )
    text = [
        f"probe: {report['requests']} requests in {report['duration']:.0f} s, "
        f"{report['failed']} failed; {times}; longest gap {report['longest_gap']:.1f} s",
    ]
    for entry in report["versions"]:
        text.append(
            f"  version {entry['version']}: {entry['requests']} answers from {entry['first']:.1f} s"
            f" to {entry['last']:.1f} s"
        )
    if report["reopened"]:
        text.append(f"  {report['reopened']} kept connections had been closed and were reopened")
    for kind, count in report["by_kind"].items():
        first = next(f for f in report["failures"] if f["kind"] == kind)
        nodes = sorted({f["node"] for f in report["failures"] if f["kind"] == kind})
        text.append(
            f"  failed: {count} x {kind} through {', '.join(nodes)}, the first after "
            f"{first['at']:.1f} s: {first['problem']}"
        )
    return text


def verdict(
    samples: Sequence[Sample], version: str, seconds: float, max_failures: int = 0
) -> tuple[str, str]:
    """What the probe says of a canary: (bad, good or waiting; why).

    Bad: more than `max_failures` requests failed. Good: `version` has been answering for
    `seconds`. Only samples of the canary's time are to be given.
    """
    bad = [sample for sample in samples if sample.kind != "ok"]
    if len(bad) > max_failures:
        mine = sum(sample.version == version for sample in bad)
        first = min(bad, key=lambda sample: sample.at)
        return "bad", (
            f"{len(bad)} of {len(samples)} requests failed, {mine} of them answered by {version}; "
            f"the first: {first.problem}"
        )
    seen = [sample.at for sample in samples if sample.version == version]
    latest = max((sample.at for sample in samples), default=0.0)
    if seen and latest - min(seen) >= seconds:
        return "good", f"{len(seen)} answers by {version} in {latest - min(seen):.0f} s, none wrong"
    return "waiting", f"{len(seen)} answers by {version} so far"


# Requests that nobody answered, rightly or wrongly.
_UNHEARD = frozenset({"timeout", "refused", "reset", "unreachable", "overload"})


def is_unheard(samples: Sequence[Sample]) -> bool:
    """Whether none of several requests got an answer: then the way may be closed."""
    return bool(samples) and all(sample.kind in _UNHEARD for sample in samples)


# Colours that people with a red-green weakness tell apart; failures have a shape of their own.
_PALETTE = ("#4477aa", "#ccbb44", "#66ccee", "#aa3377", "#228833")
_FAILURE = "#cc3311"


def svg(samples: Sequence[Sample], title: str) -> str:
    """The timeline as a small SVG: which versions answered over time, stacked by their share of
    the requests with failures on top, and below a mark for each request that failed."""
    width, left, top, height = 720, 44, 28, 120
    ordered = sorted(samples, key=lambda sample: sample.at)
    end = max((sample.at for sample in ordered), default=0.0) or 1.0
    names = list(dict.fromkeys(sample.version for sample in ordered if sample.version))
    colours = {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(names)}
    span = width - left - 14
    bins: list[dict[str, int]] = [{} for _column in range(COLUMNS)]
    for sample in ordered:
        place = bins[min(COLUMNS - 1, int(sample.at / end * COLUMNS))]
        key = sample.version if sample.kind == "ok" else _FAILURE
        place[key] = place.get(key, 0) + 1
    total_height = top + height + 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total_height}" '
        'font-family="sans-serif" font-size="11" role="img">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{width}" height="{total_height}" fill="#ffffff"/>',
        f'<text x="{left}" y="17" font-size="13">{html.escape(title)}: who answered</text>',
        '<g shape-rendering="crispEdges">',
    ]
    column = span / COLUMNS
    for index, counts in enumerate(bins):
        total = sum(counts.values())
        y = float(top + height)
        for key, colour in [*colours.items(), (_FAILURE, _FAILURE)]:
            if counts.get(key):
                tall = height * counts[key] / total
                y -= tall
                parts.append(
                    f'<rect x="{left + index * column:.1f}" y="{y:.1f}" width="{column + 0.2:.1f}" '
                    f'height="{tall:.1f}" fill="{colour}"/>'
                )
    parts.append("</g>")
    base = top + height
    for sample in ordered:
        if sample.kind != "ok":
            x = left + sample.at / end * span
            parts.append(
                f'<path d="M{x - 3:.1f} {base + 3}l6 6m0 -6l-6 6" stroke="{_FAILURE}" '
                'stroke-width="1.5"/>'
            )
    parts.append(
        f'<path d="M{left} {top}V{base}H{left + span}" fill="none" stroke="#444444"/>'
        f'<text x="{left - 5}" y="{top + 9}" text-anchor="end">100 %</text>'
        f'<text x="{left - 5}" y="{base}" text-anchor="end">0</text>'
    )
    for seconds in _ticks(end):
        x = left + seconds / end * span
        parts.append(
            f'<path d="M{x:.1f} {base}v4" stroke="#444444"/>'
            f'<text x="{x:.1f}" y="{base + 22}" text-anchor="middle">{seconds:g} s</text>'
        )
    x = left
    for name in names:
        parts.append(
            f'<rect x="{x}" y="{base + 40}" width="10" height="10" fill="{colours[name]}"/>'
            f'<text x="{x + 14}" y="{base + 49}">{html.escape(name)}</text>'
        )
        x += 30 + 7 * len(name)
    failed = sum(sample.kind != "ok" for sample in ordered)
    parts.append(
        f'<text x="{left + span}" y="{base + 49}" text-anchor="end" '
        f'fill="{_FAILURE if failed else "#444444"}">{len(ordered)} requests, {failed} failed'
        f"{' (x)' if failed else ''}</text></svg>"
    )
    return "\n".join(parts) + "\n"


def _ticks(end: float) -> list[float]:
    """Round numbers of seconds from 0 to the end, at most ten."""
    step = next((s for s in (0.1, 1, 5, 10, 20, 30, 60, 120, 300, 600) if end / s <= 9), 3600)
    return [number * step for number in range(int(end / step) + 1)]
