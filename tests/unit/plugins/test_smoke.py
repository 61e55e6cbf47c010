"""What a visitor's answer must be, judged on answers and on a real server of the loopback."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.smoke import (
    PNG_END,
    PNG_SIGNATURE,
    Answer,
    is_wrong,
    judge,
    run_check,
)

PNG = PNG_SIGNATURE + b"..." + PNG_END


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, fields, body, 0.0)


JUDGEMENTS: dict[str, tuple[dict[str, Any], Answer, str | None]] = {
    "nothing asked": ({}, answer(), None),
    "status": ({}, answer(500), "status 500 instead of 200"),
    "wanted status": ({"status": 404}, answer(404), None),
    "type": ({"content_type": "text/html"}, answer(content_type="text/html; charset=utf-8"), None),
    "no type": ({"content_type": "text/html"}, answer(), "content type missing"),
    "text": ({"contains": "<title>"}, answer(body=b"<title>x"), None),
    "no text": ({"contains": "<title>"}, answer(body=b"x"), "the body lacks '<title>'"),
    "png": ({"png": True}, answer(body=PNG), None),
    "half a png": ({"png": True}, answer(body=PNG[:-3]), "no complete PNG"),
    "header": ({"header": {"X-Cache": "lru|redis"}}, answer(x_cache="redis"), None),
    "wrong header": (
        {"header": {"X-Cache": "lru|redis"}},
        answer(x_cache="backend"),
        "header X-Cache is backend instead of lru|redis",
    ),
}


@pytest.mark.parametrize(("check", "given", "problem"), JUDGEMENTS.values(), ids=JUDGEMENTS)
def test_judge(check: dict[str, Any], given: Answer, problem: str | None) -> None:
    found = judge(check, given)
    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")


class Page(BaseHTTPRequestHandler):
    """Answers a form with its own body, anything else with its path."""

    def do_GET(self) -> None:
        self._answer(self.path.encode())

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Quiet."""


def test_a_real_server(port: int) -> None:
    assert run_check("127.0.0.1", port, {"path": "/x?y=1", "contains": "/x?y=1"}, 5) is None
    form = {"path": "/", "form": {"name": "A b"}, "contains": "name=A+b"}
    assert run_check("127.0.0.1", port, form, 5) is None


def test_nobody_there() -> None:
    problem = run_check("127.0.0.1", 1, {"path": "/"}, 1)
    assert problem is not None
    assert problem.startswith("no answer (")


OFF = "no answer ([Errno 113] No route to host)"
THROUGH: dict[str, tuple[list[tuple[str, str | None]], bool]] = {
    "one node is off": ([("n1", None), ("n1", None), ("n2", OFF)], False),
    "all nodes are off": ([("n1", OFF), ("n2", OFF)], True),
    "500 everywhere": ([("n1", "status 500"), ("n2", "status 500")], True),
    "500 through one, the other is off": ([("n1", "status 500"), ("n2", OFF)], True),
    "500 through one": ([("n1", None), ("n2", "status 500")], True),
    "the second check gets no answer": ([("n1", None), ("n2", None), ("n2", OFF)], True),
}


@pytest.mark.fault("B6")
@pytest.mark.parametrize(("given", "wrong"), THROUGH.values(), ids=THROUGH)
def test_what_answers_is_wrong(given: list[tuple[str, str | None]], wrong: bool) -> None:
    results = [{"address": node, "check": "c", "problem": problem} for node, problem in given]
    assert is_wrong(results) == wrong
