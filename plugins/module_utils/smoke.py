# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One HTTP request and what its answer must be, as a visitor would judge it."""

from __future__ import annotations

import http.client
import re
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"


class Answer(NamedTuple):
    """What came back: status, headers by lower-case name, body, seconds it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


def ask(address: str, port: int, check: Mapping[str, Any], timeout: float) -> Answer:
    """One request over a connection of its own: a GET, or a POST where the check has a form.

    Raises OSError (also for time-outs) and http.client.HTTPException.
    """
    started = time.monotonic()
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        form = check.get("form")
        headers = {"User-Agent": "monsterstack.swarm smoke test", "Accept-Language": "en"}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("POST", check["path"], urllib.parse.urlencode(form), headers)
        else:
            connection.request("GET", check["path"], headers=headers)
        response = connection.getresponse()
        body = response.read()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, body, time.monotonic() - started)
    finally:
        connection.close()


def judge(check: Mapping[str, Any], answer: Answer) -> str | None:
    """What is wrong with the answer, in words; None when nothing is."""
    wanted_status = check.get("status") or 200
    if answer.status != wanted_status:
        return f"status {answer.status} instead of {wanted_status}"
    content_type = answer.headers.get("content-type", "").partition(";")[0]
    if check.get("content_type") and content_type != check["content_type"]:
        return f"content type {content_type or 'missing'} instead of {check['content_type']}"
    if check.get("contains") and check["contains"].encode() not in answer.body:
        return f"the body lacks {check['contains']!r}"
    if check.get("png") and not (
        answer.body.startswith(PNG_SIGNATURE) and answer.body.endswith(PNG_END)
    ):
        return "the body is no complete PNG"
    for name, pattern in (check.get("header") or {}).items():
        value = answer.headers.get(name.lower(), "")
        if not re.fullmatch(pattern, value):
            return f"header {name} is {value or 'missing'} instead of {pattern}"
    return None


NO_ANSWER = "no answer"


def is_wrong(results: Iterable[Mapping[str, Any]]) -> bool:
    """Whether what answers is wrong, and not only the way to it through some of the nodes.

    A node is off the way when its first check already got no answer at all. `results` are those of
    all nodes, each node's until its first problem: {address, check, problem}."""
    first: dict[str, str] = {}
    problems: dict[str, str] = {}
    for result in results:
        first.setdefault(result["address"], result["problem"] or "")
        if result["problem"]:
            problems[result["address"]] = result["problem"]
    off = [address for address, problem in first.items() if problem.startswith(NO_ANSWER)]
    return len(off) == len(first) or any(address not in off for address in problems)


def run_check(address: str, port: int, check: Mapping[str, Any], timeout: float) -> str | None:
    """Asks once and judges; a request that fails is a wrong answer too."""
    try:
        return judge(check, ask(address, port, check, timeout))
    except (OSError, http.client.HTTPException) as error:
        return f"{NO_ANSWER} ({error or type(error).__name__})"
