"""What all replicas share, in Redis: pictures, the visit counter, the recent monsters.

Redis is a convenience: every method answers within a fraction of a second and never raises.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import redis
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.credentials import CredentialProvider
from redis.retry import Retry

from .breaker import Breaker
from .config import Config, read_secret

# Swarm's load balancer forgets a connection that was silent for 900 s: never be silent so long.
KEEPALIVE = {socket.TCP_KEEPIDLE: 300, socket.TCP_KEEPINTVL: 60, socket.TCP_KEEPCNT: 3}
TIMEOUT = 0.2  # seconds, for connecting and for an answer
RECENT = 12  # monsters in the gallery
_log = logging.getLogger("redis")


class _PasswordFile(CredentialProvider):
    """Reads the password at every new connection, so a rotated secret needs no restart."""

    def __init__(self, config: Config) -> None:
        self._path = config.redis_password_file

    def get_credentials(self) -> tuple[str]:
        assert self._path is not None
        return (read_secret(self._path, "REDIS_PASSWORD_FILE"),)


class Store:
    """The shared memory of all replicas. None and empty answers mean: Redis could not say."""

    def __init__(self, config: Config) -> None:
        self._redis = redis.Redis(
            connection_pool=redis.ConnectionPool(
                host=config.redis_host,
                port=config.redis_port,
                credential_provider=_PasswordFile(config) if config.redis_password_file else None,
                socket_timeout=TIMEOUT,
                socket_connect_timeout=TIMEOUT,
                socket_keepalive=True,
                socket_keepalive_options=KEEPALIVE,
                retry=Retry(NoBackoff(), 0),
                max_connections=64,
            )
        )
        self.breaker = Breaker("redis", self.ping)
        self.refused = Counter("redis_refused", "Commands Redis refused.", registry=None)

    def ping(self) -> None:
        """Ask Redis for an answer; raises when there is none."""
        self._redis.ping()

    def get(self, key: str) -> bytes | None:
        """A value, or None."""
        answer = self._run(lambda pipe: pipe.get(key))
        return answer[0] if answer and isinstance(answer[0], bytes) else None

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """Keep a value for ttl seconds."""
        self._run(lambda pipe: pipe.set(key, value, ex=ttl))

    def visit(self, shown: str | None) -> tuple[int | None, list[str]]:
        """Count a visit, note the monster it was for, if any; the count and the recent monsters."""

        def work(pipe: Pipeline) -> None:
            if shown:
                pipe.zadd("monsterstack:recent", {shown: time.time()})
                pipe.zremrangebyrank("monsterstack:recent", 0, -RECENT - 1)
            pipe.zrevrange("monsterstack:recent", 0, RECENT - 1)
            pipe.incr("monsterstack:visits")

        answer = self._run(work)
        if not answer:
            return None, []
        visits, recent = answer[-1], answer[-2]
        return (
            visits if isinstance(visits, int) else None,
            [item.decode() for item in recent] if isinstance(recent, list) else [],
        )

    def _run(self, work: Callable[[Pipeline], object]) -> list[Any] | None:
        """Run commands in one round trip; None when Redis cannot be reached."""
        if self.breaker.open:
            return None
        for attempt in (1, 2):
            pipe = self._redis.pipeline(transaction=False)
            work(pipe)
            try:
                answer = pipe.execute(raise_on_error=False)
            except redis.AuthenticationError as error:
                # The password may have been rotated: connect again, which reads the file again.
                self._redis.connection_pool.disconnect()
                if attempt == 2:
                    self.breaker.failed(error)
                continue
            except (redis.RedisError, OSError, ValueError) as error:
                self.breaker.failed(error)
                return None
            for item in answer:
                if isinstance(item, redis.RedisError):
                    # It answers, but refuses: full, say. Reads may still work.
                    self.refused.inc()
                    _log.info("redis refuses: %s", item)
            self.breaker.succeeded()
            return answer
        return None
