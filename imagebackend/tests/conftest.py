"""What the tests of the imagebackend share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.services.harness import Service, running


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The imagebackend as a process of its own."""
    with running("imagebackend", {"VERSION": "7.8"}) as service:
        yield service
