"""A circuit breaker: after a few failures a dependency is left alone until it answers again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("breaker")


class Breaker:
    """Counts failures in a row. After `limit` of them it is open, and callers do not try at all.

    While open, one background thread calls `probe` every `interval` seconds and closes the breaker
    when it returns without an exception, so no visitor ever waits to find out.
    """

    def __init__(
        self, name: str, probe: Callable[[], object], limit: int = 3, interval: float = 1.0
    ) -> None:
        self.name = name
        self._probe = probe
        self._limit = limit
        self._interval = interval
        self._failures = 0
        self._open = threading.Event()
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether calls should be left out."""
        return self._open.is_set()

    def succeeded(self) -> None:
        """Note a good answer."""
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """Note a failure; opens the breaker when there were too many in a row."""
        _log.info("%s: %s", self.name, error)
        with self._lock:
            self._failures += 1
            if self._failures < self._limit or self._open.is_set():
                return
            self._open.set()
        _log.warning("%s: left alone until it answers again", self.name)
        threading.Thread(target=self._wait, name=f"probe-{self.name}", daemon=True).start()

    def _wait(self) -> None:
        waiting = threading.Event()
        while True:
            waiting.wait(self._interval)
            try:
                self._probe()
            except Exception as error:
                _log.info("%s: still down: %s", self.name, error)
                continue
            self._failures = 0
            self._open.clear()
            _log.warning("%s: answers again", self.name)
            return
