# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A swarm's own settings (its Spec): one of them changed and all others kept, and those that are 0.

The engine takes what is posted as the whole Spec. Whoever posts a part of it sets the rest to 0, as
`community.docker.docker_swarm` does, and earlier versions of this collection did with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HISTORY = "Orchestration.TaskHistoryRetentionLimit"
# What `docker swarm init` gives a new swarm, by section and key (seen: Docker 26.1; swarmkit's
# raft.DefaultRaftConfig, dispatcher.DefaultHeartBeatPeriod, ca.DefaultNodeCertExpiration). Of
# KeepOldSnapshots, labels and a log driver nothing is the default, so nothing is no sign of harm.
DEFAULTS: dict[str, int] = {
    HISTORY: 5,
    "Raft.SnapshotInterval": 10000,
    "Raft.LogEntriesForSlowFollowers": 500,
    "Raft.ElectionTick": 10,
    "Raft.HeartbeatTick": 1,
    "Dispatcher.HeartbeatPeriod": 5 * 10**9,
    "CAConfig.NodeCertExpiry": 90 * 86400 * 10**9,
}
_HARM = {
    HISTORY: "a failed task is forgotten at once, so a verdict sees no errors",
    "Raft.SnapshotInterval": "the managers' Raft log grows for ever",
}
# Times in nanoseconds, as Go counts them; people read seconds and days.
_UNITS = {
    "Dispatcher.HeartbeatPeriod": (10**9, "seconds"),
    "CAConfig.NodeCertExpiry": (86400 * 10**9, "days"),
}


def value_of(spec: Mapping[str, Any], key: str) -> Any:
    """A setting such as `Raft.SnapshotInterval`; the engine leaves out many a 0, which is None."""
    section, name = key.split(".")
    return (spec.get(section) or {}).get(name)


def with_value(spec: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The whole Spec with one setting changed; equal to the given one when it has that value."""
    section, name = key.split(".")
    if not value and not value_of(spec, key):
        return dict(spec)  # the engine leaves out what is 0 or false
    return {**spec, section: {**(spec.get(section) or {}), name: value}}


def autolocked(spec: Mapping[str, Any], wanted: bool) -> dict[str, Any]:
    """The whole Spec with the managers' keys encrypted at rest, or not."""
    return with_value(spec, "EncryptionConfig.AutoLockManagers", wanted)


def zeros(spec: Mapping[str, Any] | None) -> list[str]:
    """The settings that are 0 and that nobody sets to 0; of no Spec nothing is known.

    A history of 0 tasks can be somebody's wish. Beside another 0 it is the work of a post that left
    the rest out.
    """
    if not spec:
        return []
    found = [key for key in DEFAULTS if not value_of(spec, key)]
    return [] if found == [HISTORY] else found


def repaired(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The whole Spec with the default for each of its zeros; equal to the given one without any."""
    result = dict(spec)
    for key in zeros(spec):
        result = with_value(result, key, DEFAULTS[key])
    return result


def in_words(key: str, value: Any) -> str:
    """A setting's value for people: `5`, `90 days`, `false`."""
    if isinstance(value, bool):
        return str(value).lower()
    if key in DEFAULTS:
        size, unit = _UNITS.get(key, (1, ""))
        return f"{(value or 0) // size} {unit}".strip()
    return "none" if value is None else str(value)


def complaint(keys: Sequence[str]) -> str:
    """What is wrong with these zeros, and what mends them, in one sentence each."""
    harm = [text for key, text in _HARM.items() if key in keys]
    defaults = ", ".join(f"{key} {in_words(key, DEFAULTS[key])}" for key in keys)
    return (
        f"settings of the swarm are 0 ({', '.join(keys)}), as switching autolock or a backup with "
        f"an earlier version left them{': ' if harm else ''}{' and '.join(harm)}. site.yml puts "
        f"back what a new swarm has: {defaults}."
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between two Specs, as {section.key: (before, after)}; labels and names too."""
    found: dict[str, tuple[Any, Any]] = {}
    for section in sorted({*before, *after}):
        old, new = before.get(section), after.get(section)
        if isinstance(old or new, Mapping):
            for name in sorted({*(old or {}), *(new or {})}):
                pair = ((old or {}).get(name), (new or {}).get(name))
                if pair[0] != pair[1]:
                    found[f"{section}.{name}"] = pair
        elif old != new:
            found[section] = (old, new)
    return found
