"""Which services get another login at a registry."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.logins import at_registry

REGISTRY = "registry.swarm.internal:5443"
DIGEST = "@sha256:" + "ab" * 32


def service(image: str, mode: str = "Replicated", state: str | None = None) -> dict[str, Any]:
    """As GET /services of the engine lists it."""
    found: dict[str, Any] = {
        "ID": "id",
        "Version": {"Index": 7},
        "Spec": {
            "Name": "shop_web",
            "TaskTemplate": {"ContainerSpec": {"Image": image}},
            "Mode": {mode: {}},
        },
    }
    if state:
        found["UpdateStatus"] = {"State": state}
    return found


OURS = f"{REGISTRY}/shop/web:1{DIGEST}"
# service, whether it gets the login, whether it is named
CASES: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "ours": (service(OURS), True, False),
    "global": (service(OURS, "Global"), True, False),
    "updated before": (service(OURS, state="completed"), True, False),
    "went back before": (service(OURS, state="rollback_completed"), True, False),
    "another registry": (service(f"docker.io/library/redis:8{DIGEST}"), False, False),
    "another port": (service(f"registry.swarm.internal:5000/shop/web:1{DIGEST}"), False, False),
    "a job": (service(OURS, "ReplicatedJob"), False, False),
    "a global job": (service(OURS, "GlobalJob"), False, False),
    "in the middle of a rollout": (service(OURS, state="updating"), False, True),
    "a rollout that stopped": (service(OURS, state="paused"), False, True),
    "on its way back": (service(OURS, state="rollback_started"), False, True),
}


@pytest.mark.fault("C6")
@pytest.mark.parametrize(("one", "gets", "named"), CASES.values(), ids=CASES)
def test_at_registry(one: dict[str, Any], gets: bool, named: bool) -> None:
    renewed, left = at_registry([one], REGISTRY)
    assert renewed == ({"id": "shop_web"} if gets else {})
    assert [line.partition(":")[0] for line in left] == (["shop_web"] if named else [])


def test_a_plugin_has_no_image() -> None:
    one = service("")
    one["Spec"]["TaskTemplate"] = {"Runtime": "plugin"}
    assert at_registry([one], REGISTRY) == ({}, [])
