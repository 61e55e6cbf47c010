"""The service's configuration, read from the environment in this one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import runtime
from .runtime import ConfigError

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_DEV_SALT = b"for development only: with this salt names can be guessed from ids"


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; the defaults in from_env are those of a container."""

    development: bool
    redis_host: str
    redis_port: int
    redis_password_file: Path | None
    backend_host: str
    backend_port: int
    id_salt: bytes
    version: str
    replica: str
    node: str
    bind: str
    port: int
    metrics_port: int
    drain_seconds: float

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Config:
        """Read the environment and the secret files; ConfigError says which value is wrong."""
        context = env.get("CONTEXT") or "PROD"
        if context not in ("DEV", "PROD"):
            raise ConfigError(f"CONTEXT={context!r} is neither DEV nor PROD.")
        development = context == "DEV"
        password = env.get("REDIS_PASSWORD_FILE")
        if password:
            read_secret(Path(password), "REDIS_PASSWORD_FILE")
        return cls(
            development=development,
            redis_host=_host(env, "REDIS_DOMAIN", "redis"),
            redis_port=runtime.port(env, "REDIS_PORT", 6379),
            redis_password_file=Path(password) if password else None,
            backend_host=_host(env, "IMAGEBACKEND_DOMAIN", "imagebackend"),
            backend_port=runtime.port(env, "IMAGEBACKEND_PORT", 8080),
            id_salt=_salt(env, development),
            version=env.get("VERSION") or "dev",
            replica=env.get("REPLICA") or "-",
            node=env.get("NODE") or "-",
            bind=env.get("BIND") or "0.0.0.0",
            port=runtime.port(env, "PORT", 5000),
            metrics_port=runtime.port(env, "METRICS_PORT", 9090),
            drain_seconds=runtime.seconds(env, "DRAIN_SECONDS", 3.0, most=15.0),
        )


def read_secret(path: Path, variable: str) -> str:
    """A secret file's text without the newline that editors and `echo` add; ConfigError when it
    cannot be read or is empty."""
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{variable} names {path}, which cannot be read: {error}.") from error
    if not text:
        raise ConfigError(f"{variable} names {path}, which is empty.")
    return text


def _host(env: Mapping[str, str], name: str, default: str) -> str:
    host = env.get(name) or default
    if not _HOST.fullmatch(host):
        raise ConfigError(f"{name}={host!r} is not a host name or an address.")
    return host


def _salt(env: Mapping[str, str], development: bool) -> bytes:
    path = env.get("ID_SALT_FILE")
    if path:
        salt = read_secret(Path(path), "ID_SALT_FILE").encode()
        if len(salt) < 16:
            raise ConfigError(
                f"ID_SALT_FILE names {path}, whose secret is shorter than 16 bytes: "
                "names could be guessed from ids."
            )
        return salt
    if development:
        return _DEV_SALT
    raise ConfigError(
        "ID_SALT_FILE is not set: in CONTEXT=PROD it must name a file with a secret of 16 bytes "
        "or more, the same for all replicas (CONTEXT=DEV uses a fixed one)."
    )
