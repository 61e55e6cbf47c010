"""The service's configuration, read from the environment in this one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import runtime


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; the defaults in from_env are those of a container."""

    version: str
    bind: str
    port: int
    metrics_port: int
    drain_seconds: float

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Config:
        """Read the environment; ConfigError says which value is wrong."""
        return cls(
            version=env.get("VERSION") or "dev",
            bind=env.get("BIND") or "0.0.0.0",
            port=runtime.port(env, "PORT", 8080),
            metrics_port=runtime.port(env, "METRICS_PORT", 9090),
            drain_seconds=runtime.seconds(env, "DRAIN_SECONDS", 3.0, most=15.0),
        )
