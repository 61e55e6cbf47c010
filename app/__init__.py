"""app: the page of MonsterStack. See README.md."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from pathlib import Path

from flask import Flask, Response, current_app, render_template, request
from prometheus_client import Gauge
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from . import runtime
from .config import Config
from .pictures import ALGORITHM, TYPES, Picture, Pictures, UnavailableError
from .store import Store
from .texts import TEXTS

NOBODY = "John Doe"
LONGEST_NAME = 64
SMALLEST, USUAL, LARGEST = 12, 80, 1024  # pixels
SIZES = (20, 40, 80, 120)  # shown on the page, beside the large one
LARGE = 400
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CSS = Path(__file__).with_name("templates") / "style.css"


def monster_id(name: str, salt: bytes) -> str:
    """The id of a name: 32 hex digits that say nothing about it without the salt."""
    return hmac.new(salt, name.encode(), hashlib.sha256).hexdigest()[:32]


def clean_name(text: str) -> str:
    """A name as people mean it: composed characters, single spaces, nothing invisible."""
    composed = unicodedata.normalize("NFC", text)
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in composed)
    return " ".join(visible.split())


def _problem(status: int, title: str, detail: str) -> Response:
    """An error as application/problem+json (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Response(json.dumps(body), status, content_type="application/problem+json")


def _pictures() -> Pictures:
    found = current_app.extensions["pictures"]
    assert isinstance(found, Pictures)
    return found


def _store() -> Store:
    found = current_app.extensions["store"]
    assert isinstance(found, Store)
    return found


def _index(config: Config) -> tuple[str, int]:
    """The page, and its status."""
    language = request.accept_languages.best_match(list(TEXTS)) or "en"
    text = TEXTS[language]
    given = clean_name(request.values.get("name", ""))
    error = text["too_long"] if len(given) > LONGEST_NAME else None
    name = NOBODY if error or not given else given
    who = monster_id(name, config.id_salt)
    picture: Picture | None
    try:
        picture = _pictures().get(who, LARGE, "png", runtime.request_id())
    except UnavailableError:
        picture = None
    visits, recent = _store().visit(who if given and not error else None)
    page = render_template(
        "index.html",
        css=current_app.config["CSS"],
        t=text,
        language=language,
        error=error,
        name=name,
        given=given[: LONGEST_NAME * 2],
        longest=LONGEST_NAME,
        who=who,
        large=LARGE,
        sizes=SIZES,
        kinds=TYPES,
        picture=picture,
        visits=visits,
        recent=[other for other in recent if _ID.fullmatch(other)],
        config=config,
    )
    return page, 400 if error else 200


def _monster(file: str) -> Response:
    """The picture of an id, which may end in .png, .svg or .webp."""
    stem, dot, kind = file.rpartition(".")
    if not dot or kind not in TYPES:
        stem, kind = file, "png"
    if not _ID.fullmatch(stem):
        return _problem(400, "Bad Request", "an id is 1 to 64 letters, digits, '-' or '_'.")
    text = request.args.get("size", str(USUAL))
    if not re.fullmatch("[0-9]{1,4}", text) or not SMALLEST <= int(text) <= LARGEST:
        detail = f"size must be a whole number of pixels from {SMALLEST} to {LARGEST}."
        return _problem(400, "Bad Request", detail)
    size = int(text)
    etag = f'"{ALGORITHM}-{stem}-{size}-{kind}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=3600",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    wanted = request.headers.get("If-None-Match", "")
    if wanted.strip() == "*" or etag in wanted:
        return Response(status=304, headers=headers)
    picture = _pictures().get(stem, size, kind, runtime.request_id())
    headers["X-Cache"] = picture.layer
    return Response(picture.data, 200, headers, content_type=TYPES[kind])


def create_app(config: Config) -> Flask:
    """The Flask application; its clients are in `app.extensions` (store, pictures)."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=8 * 1024,
        MAX_FORM_MEMORY_SIZE=8 * 1024,
        MAX_FORM_PARTS=10,
        TEMPLATES_AUTO_RELOAD=config.development,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # a method that is not meant is a 405
    )
    app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    store = app.extensions["store"] = Store(config)
    pictures = app.extensions["pictures"] = Pictures(config, store)
    broken = Gauge("breaker_open", "1 while a dependency is left alone.", ("name",), registry=None)
    broken.labels("redis").set_function(lambda: float(store.breaker.open))
    broken.labels("imagebackend").set_function(lambda: float(pictures.breaker.open))
    app.extensions["metrics"] = (pictures.served, store.refused, broken)

    # The style stands in the page, allowed by its hash: during a rollout a page and its style can
    # then never come from two versions.
    css = _CSS.read_text(encoding="utf-8")
    app.config["CSS"] = css
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    security = {
        "Content-Security-Policy": (
            f"default-src 'none'; img-src 'self'; style-src 'sha256-{digest}'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }

    @app.route("/", methods=["GET", "POST"])
    def index() -> Response:
        page, status = _index(config)
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
        return Response(page, status, headers, content_type="text/html; charset=utf-8")

    @app.get("/monster/<file>")
    def monster(file: str) -> Response:
        return _monster(file)

    @app.get("/healthz")
    def healthz() -> Response:
        """Shallow: a failing Redis must not make Swarm kill every replica."""
        return Response("ok\n", content_type="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        """Deep: what this replica depends on."""
        state = {}
        for name, ping in (("redis", store.ping), ("imagebackend", pictures.ping)):
            try:
                ping()
                state[name] = "ok"
            except Exception as error:
                state[name] = f"{type(error).__name__}: {error}"[:200]
        ready = all(value == "ok" for value in state.values())
        return Response(json.dumps(state), 200 if ready else 503, content_type="application/json")

    @app.after_request
    def harden(answer: Response) -> Response:
        for name, value in security.items():
            answer.headers.setdefault(name, value)
        return answer

    @app.errorhandler(UnavailableError)
    def unavailable(error: UnavailableError) -> Response:
        answer = _problem(503, "Service Unavailable", str(error))
        answer.headers["Retry-After"] = "2"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        answer = _problem(error.code or 500, error.name, error.description or error.name)
        for name, value in error.get_headers():
            if name == "Allow":  # which methods a 405 would have taken
                answer.headers[name] = value
        if isinstance(error, RequestEntityTooLarge):
            answer.headers["Connection"] = "close"
        return answer

    return app
