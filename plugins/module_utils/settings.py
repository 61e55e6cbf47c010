# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""daemon.json as it should be: what the host has stays, unless somebody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LOG_DRIVER = "json-file"
# What an engine gets that says nothing of its own: without them logs fill the disk.
LOG_OPTS = {"max-size": "10m", "max-file": "3"}


def engine_settings(
    existing: Mapping[str, Any] | None,
    config: Mapping[str, Any],
    mirrors: Sequence[str] = (),
    insecure: Sequence[str] = (),
    log_max_size: str = "",
    log_max_file: int = 0,
) -> dict[str, Any]:
    """The settings of an engine: what is there already, added to it what the inputs say.

    Defaults only fill what is missing. Lists of the inputs come before those of the host. `config`
    is laid over all of it; a key that it sets to None is removed.
    """
    settings: dict[str, Any] = {"no-new-privileges": True, **(existing or {})}
    if settings.setdefault("log-driver", LOG_DRIVER) == LOG_DRIVER:
        asked = {"max-size": log_max_size, "max-file": str(log_max_file) if log_max_file else ""}
        settings["log-opts"] = {
            **LOG_OPTS,
            **(settings.get("log-opts") or {}),
            **{key: value for key, value in asked.items() if value},
        }
    for key, ours in (("registry-mirrors", mirrors), ("insecure-registries", insecure)):
        if ours:
            settings[key] = list(dict.fromkeys([*ours, *(settings.get(key) or [])]))
    settings |= config
    return {key: value for key, value in settings.items() if value is not None}
