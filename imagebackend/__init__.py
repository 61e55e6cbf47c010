"""imagebackend: draws a monster for every id. See README.md."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from . import encode
from .monsters import COUNT, VERSION, describe, monster, picture

SMALLEST, USUAL, LARGEST = 12, 80, 1024  # pixels
LONGEST_ID = 256
_ENCODERS = {
    "png": ("image/png", encode.png),
    "svg": ("image/svg+xml", encode.svg),
    "webp": ("image/webp", encode.webp),
}
_OPENAPI = Path(__file__).with_name("openapi.json")

_HOME = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>imagebackend</title>
<h1>imagebackend</h1><p>{COUNT:,} different monsters:
<a href="/monster/John%20Doe.png?size=200">/monster/&lt;id&gt;.png?size=200</a>,
<a href="/sheet">a sheet of 100</a>, <a href="/openapi.json">the API</a>.</p></html>"""

_SHEET = """<!doctype html><html lang="en"><meta charset="utf-8"><title>100 monsters</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>img {{ margin: 4px; background: #ece6fa; border-radius: 18%; }}</style>
{}</html>"""


class BadRequestError(ValueError):
    """A request that cannot be answered; the text is for the one who sent it."""


def _problem(status: int, title: str, detail: str) -> Response:
    """An error as application/problem+json (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Response(json.dumps(body), status, content_type="application/problem+json")


@lru_cache(maxsize=256)
def _size(query: str) -> int:
    """The size a query string asks for, in pixels: the first of size, width and height that it
    has, for pictures are square. BadRequestError when one of them is not a size."""
    given: dict[str, int] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name in ("size", "width", "height"):
            # isdecimal alone also takes the digits of other scripts
            good = text.isascii() and text.isdecimal() and len(text) <= 4
            if not good or not SMALLEST <= int(text) <= LARGEST:
                wanted = f"a whole number of pixels from {SMALLEST} to {LARGEST}"
                raise BadRequestError(f"{name} must be {wanted}.")
            given.setdefault(name, int(text))
    return given.get("size") or given.get("width") or given.get("height") or USUAL


def _answer(name: str, cache_control: str) -> Response:
    """The picture or description of `name`, which may end in .png, .svg, .webp or .json."""
    stem, dot, kind = name.rpartition(".")
    if not dot or not stem or kind not in ("png", "svg", "webp", "json"):
        stem, kind = name, "png"
    if len(stem) > LONGEST_ID:
        raise BadRequestError(f"the id is longer than {LONGEST_ID} characters.")
    size = _size(request.environ["QUERY_STRING"])
    what = monster(stem)
    etag = f'"{VERSION}-{what.digest}-{size}-{kind}"'
    headers = [
        ("ETag", etag),
        ("Cache-Control", cache_control),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
    ]
    wanted = request.environ.get("HTTP_IF_NONE_MATCH")
    if wanted and (wanted.strip() == "*" or etag in wanted):
        return Response(status=304, headers=headers)
    if kind == "json":
        body = json.dumps(
            {"id": stem, "algorithm": VERSION, "size": size, "parts": describe(what)}
        ).encode()
        return Response(body, 200, headers, content_type="application/json")
    content_type, encoder = _ENCODERS[kind]
    body = encoder(picture(what), what.palette.colours, size)
    if kind == "svg":  # opened on its own, an SVG is a document
        headers.append(("Content-Security-Policy", "default-src 'none'"))
    return Response(body, 200, headers, content_type=content_type)


def create_app() -> Flask:
    """The Flask application; it holds no state."""
    app = Flask(__name__, static_folder=None)
    # No answers of Flask's own: what is not described in openapi.json is a 404 or a 405.
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False

    @app.get("/monster/<name>")
    def newest(name: str) -> Response:
        """The picture in the newest version of the algorithm, which may change one day."""
        return _answer(name, "public, max-age=86400")

    @app.get(f"/{VERSION}/monster/<name>")
    def versioned(name: str) -> Response:
        """The picture in this version of the algorithm, which never changes."""
        return _answer(name, "public, max-age=31536000, immutable")

    @app.get("/")
    def home() -> str:
        return _HOME

    @app.get("/sheet")
    def sheet() -> Response:
        """100 monsters to look at."""
        images = "".join(
            f'<img src="/{VERSION}/monster/sheet-{i}.png?size=80" width="80" height="80" alt="">'
            for i in range(100)
        )
        return Response(_SHEET.format(images))

    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(_OPENAPI.read_bytes(), content_type="application/json")

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        """Deep: draws a picture."""
        what = monster("ready")
        encode.png(picture(what), what.palette.colours, SMALLEST)
        return Response("ready\n", content_type="text/plain")

    @app.errorhandler(BadRequestError)
    def bad_request(error: BadRequestError) -> Response:
        return _problem(400, "Bad Request", str(error))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        answer = _problem(error.code or 500, error.name, error.description or error.name)
        for name, value in error.get_headers():
            if name == "Allow":  # which methods a 405 would have taken
                answer.headers[name] = value
        return answer

    return app
