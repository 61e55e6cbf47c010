# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP requests and what their answers must be, as a visitor would judge them."""

from __future__ import annotations

import http.client
import re
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ansible_collections.monsterstack.swarm.plugins.module_utils.addresses import with_port
from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline

PAUSE = 0.5  # seconds between two attempts
MAX_PARALLEL = 16
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"
# The options of the module http_smoke and of its action plugin.
SPEC: dict[str, Any] = {
    "asked_from": {"type": "str", "choices": ["controller", "host"], "default": "host"},
    "addresses": {"type": "list", "elements": "str", "required": True},
    "inside": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "required": True},
    "checks": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "form": {"type": "dict"},
            "status": {"type": "int", "default": 200},
            "content_type": {"type": "str"},
            "contains": {"type": "str"},
            "png": {"type": "bool", "default": False},
            "header": {"type": "dict"},
        },
    },
    "timeout": {"type": "int", "default": 60},
    "request_timeout": {"type": "int", "default": 5},
}
# For a controller that reaches the nodes' SSH and not what they publish.
FROM_A_MANAGER = (
    "let a manager ask: type the same again with -e probe_from=manager, or write "
    "probe_from: manager to the inventory."
)


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


def _off(first: Mapping[str, str]) -> list[str]:
    return [address for address, problem in first.items() if problem.startswith(NO_ANSWER)]


def is_unheard(results: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no node answered anything at all."""
    first: dict[str, str] = {}
    for result in results:
        first.setdefault(result["address"], result["problem"] or "")
    return bool(first) and len(_off(first)) == len(first)


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
    off = _off(first)
    return len(off) == len(first) or any(address not in off for address in problems)


def run_check(address: str, port: int, check: Mapping[str, Any], timeout: float) -> str | None:
    """Asks once and judges; a request that fails is a wrong answer too."""
    try:
        return judge(check, ask(address, port, check, timeout))
    except (OSError, http.client.HTTPException) as error:
        return f"{NO_ANSWER} ({error or type(error).__name__})"


def _ask_node(address: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All checks through one node; stops at the first that stays wrong."""
    deadline = time.monotonic() + params["timeout"]
    results = []
    for check in params["checks"]:
        attempts = 0
        while True:
            attempts += 1
            problem = run_check(address, params["port"], check, params["request_timeout"])
            if problem is None or time.monotonic() + PAUSE > deadline:
                break
            time.sleep(PAUSE)
        results.append(
            {
                "address": address,
                "check": check["name"],
                "attempts": attempts,
                "problem": problem,
            }
        )
        if problem:
            break
    return results


def look(params: Mapping[str, Any]) -> dict[str, Any]:
    """All checks through all nodes, side by side, from where this runs: the result of http_smoke.

    `params` are as in SPEC.
    """
    with ThreadPoolExecutor(max_workers=MAX_PARALLEL) as pool:
        answers = pool.map(lambda node: _ask_node(node, params), params["addresses"])
        results = [result for node in answers for result in node]
    problems = _problems(results, params["port"])
    if not problems:
        return {"changed": False, "results": results}
    lines = ["Not every node answers as it should:", *problems]
    lines.append("playbooks/doctor.yml looks for the reason and says what to do.")
    return _failed(lines, results, is_wrong(results))


def seen_from_inside(
    result: Mapping[str, Any], other: Mapping[str, Any], name: str, port: int
) -> dict[str, Any]:
    """The result where this computer reached no node; `other` is what the host `name` got.

    What that one was answered tells whether the release is at fault, or only the way from here.
    """
    if is_unheard(other["results"]):
        return dict(result)
    problems, wrong = _problems(other["results"], port), is_wrong(other["results"])
    lines = [
        f"This computer reaches port {port} of no node, but {name} does: {FROM_A_MANAGER}",
        *_problems(result["results"], port),
    ]
    if problems:
        lines += [f"Asked from {name} not every node answers as it should either:", *problems]
    else:
        lines.append(
            f"Asked from {name} every node answers as it should, so only the way from here is "
            "closed. If visitors come this way too, open it instead."
        )
    return {**_failed(lines, result["results"], wrong), "inside": other["results"]}


def _problems(results: Iterable[Mapping[str, Any]], port: int) -> list[str]:
    return [
        f"http://{with_port(result['address'], port)}: {result['check']}: {result['problem']}"
        for result in results
        if result["problem"]
    ]


def _failed(lines: list[str], results: list[dict[str, Any]], wrong: bool) -> dict[str, Any]:
    return {
        "changed": False,
        "failed": True,
        "msg": headline(lines),
        "findings": as_lines(lines),
        "results": results,
        "wrong": wrong,
    }
