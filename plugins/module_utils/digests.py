# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Image references, the login that a registry wants, and what its refusals mean."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# The tag of an OCI reference (distribution specification, "Pulling manifests").
TAG_PATTERN = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")

HUB = "docker.io"
# Under this key `docker login` stores the login of the registry that needs no name.
HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True)
class Reference:
    """`name:tag@digest`; tag and digest are empty when they are not given."""

    name: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """An image reference in its parts; a colon before the last slash is a registry's port."""
    rest, _at, digest = text.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        return Reference(rest, "", digest)
    return Reference(head, tag, digest)


def registry_of(name: str) -> str:
    """The registry of an image name, as Docker finds it: the part before the first slash if it
    looks like a host."""
    first, slash, _rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return HUB


def login_for(
    registry: str,
    config: Mapping[str, Any],
    ask_helper: Callable[[str, str], Mapping[str, Any] | None],
) -> dict[str, str] | None:
    """The login for a registry from docker's config.json, as the engine wants it, or None.

    `ask_helper(program suffix, registry)` asks a credential helper; the order (helper of the
    registry, common store, file) is the Docker command's own.
    """
    key = HUB_KEY if registry == HUB else registry
    helper = (config.get("credHelpers") or {}).get(key) or config.get("credsStore")
    if helper:
        answer = ask_helper(helper, key)
        if answer:
            token = answer.get("Username") == "<token>"
            secret = str(answer.get("Secret", ""))
            if token:
                return {"identitytoken": secret, "serveraddress": key}
            return {
                "username": str(answer.get("Username", "")),
                "password": secret,
                "serveraddress": key,
            }
    auths = config.get("auths") or {}
    names = [name for name in (key, f"https://{key}", f"http://{key}") if name in auths]
    entry: Mapping[str, Any] = auths[names[0]] if names else {}
    if entry.get("identitytoken"):
        return {"identitytoken": entry["identitytoken"], "serveraddress": key}
    try:
        user, colon, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not colon:
        return None
    return {"username": user, "password": password.rstrip("\0"), "serveraddress": key}


def login_header(login: Mapping[str, str] | None) -> dict[str, str]:
    """The HTTP header that carries a login to the engine."""
    if not login:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()}


def release_tags(tags: Iterable[str]) -> list[str]:
    """The tags that people gave, in the order that people count in: without those that name
    sources (`src-…`), and 1.10 after 1.9."""
    given = {tag for tag in tags if not tag.startswith("src-")}
    return sorted(
        given,
        key=lambda tag: [
            (part.isdigit(), int(part) if part.isdigit() else 0, part)
            for part in re.split(r"(\d+)", tag)
        ],
    )


def classify(status: int, message: str) -> str:
    """What a failed question for a digest means: not_found, unauthorized or unreachable.

    The engine passes the registry's own words on, with a status that depends on its version: the
    words are looked at first. Registries that hide what one may not see say "denied" for both.
    """
    said = message.lower()
    if "manifest unknown" in said or "name unknown" in said or "not found" in said:
        return "not_found"
    if any(word in said for word in ("unauthorized", "authentication required", "denied")):
        return "unauthorized"
    if "no basic auth credentials" in said or "incorrect username or password" in said:
        return "unauthorized"
    return {404: "not_found", 401: "unauthorized", 403: "unauthorized"}.get(status, "unreachable")
