"""The yardstick: Flask on the same server, answering every request with the same 1,000 bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response

from imagebackend import runtime
from imagebackend.config import Config

BODY = bytes(1000)


class Plain(runtime.Service):
    """No log, no metrics, no request id: the bare application."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        return self._flask.wsgi_app(environ, start_response)


def create_app() -> Flask:
    """The Flask application, for any server."""
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/", "constant", lambda: Response(BODY, content_type="image/png"))
    app.add_url_rule("/healthz", "healthz", lambda: "ok")
    return app


def main() -> None:
    """Serve until SIGTERM."""
    config = Config.from_env(os.environ)
    runtime.serve(
        Plain(create_app(), "constant", {}),
        bind=config.bind,
        port=config.port,
        metrics_port=config.metrics_port,
        drain=0,
        threads=2,
    )


if __name__ == "__main__":
    main()
