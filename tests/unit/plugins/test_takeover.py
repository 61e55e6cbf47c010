"""What a cluster keeps that the first release's code made, read by today's code.

The record was taken from real machines (records/1c642f1.json); the scenario `upgrade` takes such a
cluster over.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import (
    compose,
    host,
    lock,
    logins,
    objects,
    release,
)

STACK = "monsterstack"


@pytest.fixture(scope="module")
def old() -> dict[str, Any]:
    file = Path(__file__).parent / "records" / "1c642f1.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def of_stack(old: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    label = "com.docker.stack.namespace"
    return [item for item in old[kind] if item["Spec"]["Labels"].get(label) == STACK]


def test_its_releases_are_understood(old: dict[str, Any]) -> None:
    records = release.read_records(of_stack(old, "configs"))
    assert [(one["number"], one["tag"], one["verdict"]) for one in records] == [
        (1, "1.0", "converged")
    ]
    summary = release.summary(
        records, release.running_state(of_stack(old, "services"), STACK), old["secrets"]
    )
    assert summary["current"]["number"] == 1
    assert {name: entry["drift"] for name, entry in summary["running"].items()} == {
        "frontend": [],
        "imagebackend": [],
        "redis": [],
    }


def test_its_release_deployed_again_changes_nothing(old: dict[str, Any]) -> None:
    records = release.read_records(of_stack(old, "configs"))
    record = release.current_record(records)
    assert record
    running = release.running_state(of_stack(old, "services"), STACK)
    plan = release.plan(record["compose"], running, record)
    assert {name: entry["action"] for name, entry in plan.items()} == dict.fromkeys(
        ["frontend", "imagebackend", "redis"], "unchanged"
    )


def test_its_lock_is_understood(old: dict[str, Any]) -> None:
    [left] = [item for item in old["configs"] if item["Spec"]["Name"] == lock.config_name(STACK)]
    assert left["Spec"]["Labels"][lock.LABEL] == "1"
    data = json.loads(base64.b64decode(left["Spec"]["Data"]))
    owner = lock.owner_from(data)
    assert (owner.user, owner.pid) == ("root", 28221)


def test_its_secrets_keep_their_names(old: dict[str, Any]) -> None:
    """Whatever a service mounts has the form that full_name gives, so that it is found again."""
    used = objects.used_names(old["services"], "secret")
    assert len(used) == 6
    for name in used:
        assert re.fullmatch(r"(monsterstack|registry)_\w+_[0-9a-f]{12}", name)
    assert objects.obsolete(old["secrets"], used, "secret", []) == {}


def test_its_registry_is_as_it_was_noted(old: dict[str, Any]) -> None:
    stacks = host.summarise_services(old["services"])
    noted = old["files"]["/etc/monsterstack-swarm-registry"].split()
    assert len(noted) == 2
    assert stacks["registry"]["services"]["registry"]["spec_sha256"] == noted[1]


def test_its_services_get_a_login_and_none_is_under_way(old: dict[str, Any]) -> None:
    renewed, left = logins.at_registry(old["services"], "registry.swarm.internal:5443")
    assert sorted(renewed.values()) == ["monsterstack_frontend", "monsterstack_imagebackend"]
    assert left == []


def test_its_compose_file_is_the_release(old: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml")
    text = old["files"]["/var/lib/monsterstack-swarm/stacks/monsterstack/compose.yml"]
    services = compose.parse(yaml.safe_load(text)).services
    [record] = release.read_records(of_stack(old, "configs"))
    assert {name: service.image for name, service in services.items()} == record["images"]


def test_its_pins_are_labels(old: dict[str, Any]) -> None:
    labels = {node["Description"]["Hostname"]: node["Spec"]["Labels"] for node in old["nodes"]}
    assert labels == {
        "m1": {"zone": "a", "monsterstack.registry": "true"},
        "w1": {"zone": "b", "monsterstack.redis": "true"},
    }
