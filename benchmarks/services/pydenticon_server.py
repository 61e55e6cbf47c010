"""pydenticon behind Flask, on the same server as the imagebackend: /ID?size=PIXELS is a PNG."""

from __future__ import annotations

import os
from importlib import import_module

from flask import Flask, Response, request

from benchmarks.services.constant import Plain
from imagebackend import runtime
from imagebackend.config import Config


def main() -> None:
    """Serve until SIGTERM."""
    config = Config.from_env(os.environ)
    app = Flask(__name__, static_folder=None)
    generator = import_module("pydenticon").Generator(
        5, 5, foreground=["rgb(45,79,255)", "rgb(254,180,44)"]
    )

    def draw(name: str) -> Response:
        size = int(request.args["size"])
        body = generator.generate(name, size, size, output_format="png")
        return Response(body, content_type="image/png")

    app.add_url_rule("/<name>", "draw", draw)
    app.add_url_rule("/healthz", "healthz", lambda: "ok")
    runtime.serve(
        Plain(app, "pydenticon", {}),
        bind=config.bind,
        port=config.port,
        metrics_port=config.metrics_port,
        drain=0,
        threads=2,
    )


if __name__ == "__main__":
    main()
