"""Run the service: `python3 -m imagebackend`."""

import os
import signal
import sys

# Before the imports: as PID 1 a process ignores SIGTERM until it has a handler.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

from . import create_app, runtime  # noqa: E402
from .config import Config  # noqa: E402


def main() -> None:
    """Start, serve until SIGTERM, and return."""
    try:
        config = Config.from_env(os.environ)
    except runtime.ConfigError as error:
        runtime.fail("imagebackend", error)
    runtime.log_json("imagebackend")
    service = runtime.Service(create_app(), "imagebackend", {"X-Version": config.version})
    runtime.serve(
        service,
        bind=config.bind,
        port=config.port,
        metrics_port=config.metrics_port,
        drain=config.drain_seconds,
        threads=2,  # drawing is all CPU: more threads would only wait for each other
    )


if __name__ == "__main__":
    main()
