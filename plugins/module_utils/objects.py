# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets and configs of a stack under names that tell their content apart without telling it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

# Swarm's own limit for the names of secrets and configs.
NAME_LIMIT = 64
NAME_PATTERN = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?")
HASH_DIGITS = 12
# A service in one of these states may still go back to its previous spec.
UNDER_WAY = ("updating", "paused", "rollback_started", "rollback_paused")


def full_name(stack: str, name: str, key: str, value: str) -> str:
    """`<stack>_<name>_<hash>`: a keyed hash of name and value, so that nobody without the key can
    try out passwords against it (docker_secret's own label can be tried).

    Raises ValueError, in the user's words, when Swarm would not take the name or when the value
    stands in it.
    """
    code = hmac.new(key.encode(), f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()
    full = f"{stack}_{name}_{code[:HASH_DIGITS]}"
    if not NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be a name in Swarm: use letters, digits, '.', '_' and '-'."
        )
    if len(full) > NAME_LIMIT:
        raise ValueError(
            f"{full} has {len(full)} characters, Swarm allows {NAME_LIMIT}: shorten the name "
            f"{name!r} or the stack's."
        )
    if value and value in f"{stack}_{name}":
        raise ValueError(f"the value of {name} is part of its own name: choose a better one.")
    if not value:
        raise ValueError(f"{name} is empty: give it a value.")
    return full


def full_names(stack: str, values: Mapping[str, Any], key: str) -> dict[str, str]:
    """The full name by short name, of {short name: value}. Raises ValueError as full_name does."""
    return {name: full_name(stack, name, key, str(value)) for name, value in values.items()}


def short_name(stack: str, full: str) -> str | None:
    """The short name in a full one, or None for what is no name of full_name's."""
    found = re.fullmatch(rf"{re.escape(stack)}_(.+)_[0-9a-f]{{{HASH_DIGITS}}}", full)
    return found[1] if found else None


def labels(stack: str, kind: str, name: str) -> dict[str, str]:
    """The labels by which a stack's objects are found again; `docker stack rm` knows the first."""
    return {"com.docker.stack.namespace": stack, f"monsterstack.swarm.{kind}": name}


def used_names(services: Collection[Mapping[str, Any]], kind: str) -> set[str]:
    """Names of the secrets or configs that any service mounts, or may mount again: until an update
    has ended, Swarm can put back what was before it."""
    key, name = ("Secrets", "SecretName") if kind == "secret" else ("Configs", "ConfigName")
    specs = [service["Spec"] for service in services]
    specs += [
        service["PreviousSpec"]
        for service in services
        if (service.get("UpdateStatus") or {}).get("State") in UNDER_WAY
        and service.get("PreviousSpec")
    ]
    return {
        reference[name]
        for spec in specs
        for reference in (spec["TaskTemplate"].get("ContainerSpec") or {}).get(key) or []
    }


def obsolete(
    objects: Iterable[Mapping[str, Any]], used: set[str], kind: str, keep: Iterable[str]
) -> dict[str, str]:
    """Those of our objects that nobody needs any more, as {id: name}."""
    needed = used | set(keep)
    return {
        item["ID"]: item["Spec"]["Name"]
        for item in objects
        if f"monsterstack.swarm.{kind}" in (item["Spec"].get("Labels") or {})
        and item["Spec"]["Name"] not in needed
    }
