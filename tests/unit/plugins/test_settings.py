"""daemon.json: what the host has stays, unless somebody says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.settings import engine_settings

pytestmark = pytest.mark.fault("C5")

DEFAULTS = {
    "no-new-privileges": True,
    "log-driver": "json-file",
    "log-opts": {"max-size": "10m", "max-file": "3"},
}
JOURNAL = {"log-driver": "journald", "log-opts": {"tag": "x"}, "no-new-privileges": True}
ROWS: dict[str, tuple[dict[str, Any] | None, dict[str, Any], dict[str, Any]]] = {
    "no file": (None, {}, DEFAULTS),
    "what we wrote": (DEFAULTS, {}, DEFAULTS),
    "mirrors stay": (
        {"registry-mirrors": ["https://a"], "insecure-registries": ["b:5000"]},
        {},
        {"registry-mirrors": ["https://a"], "insecure-registries": ["b:5000"], **DEFAULTS},
    ),
    "ours are added, first": (
        {"registry-mirrors": ["https://a", "https://c"]},
        {"mirrors": ["https://c"], "insecure": ["d:5000"]},
        {
            "registry-mirrors": ["https://c", "https://a"],
            "insecure-registries": ["d:5000"],
            **DEFAULTS,
        },
    ),
    "another log driver stays": (JOURNAL, {"log_max_size": "50m"}, JOURNAL),
    "log options stay": (
        {"log-opts": {"max-size": "50m", "labels": "x"}},
        {},
        {**DEFAULTS, "log-opts": {"max-size": "50m", "max-file": "3", "labels": "x"}},
    ),
    "log options asked for": (
        {"log-opts": {"max-size": "50m"}},
        {"log_max_size": "20m", "log_max_file": 5},
        {**DEFAULTS, "log-opts": {"max-size": "20m", "max-file": "5"}},
    ),
    "privileges that are allowed stay": (
        {"no-new-privileges": False},
        {},
        {**DEFAULTS, "no-new-privileges": False},
    ),
    "over all of it": (
        {"registry-mirrors": ["https://a"], "debug": True},
        {"config": {"registry-mirrors": None, "debug": False}, "insecure": ["d:5000"]},
        {"insecure-registries": ["d:5000"], "debug": False, **DEFAULTS},
    ),
}


@pytest.mark.parametrize(("existing", "inputs", "expected"), ROWS.values(), ids=ROWS)
def test_settings(
    existing: dict[str, Any] | None, inputs: dict[str, Any], expected: dict[str, Any]
) -> None:
    once = engine_settings(existing, **{"config": {}, **inputs})
    assert once == expected
    assert engine_settings(once, **{"config": {}, **inputs}) == once
