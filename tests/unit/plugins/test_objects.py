"""Names of secrets and configs, and which of them are obsolete."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.filter.secret_names import secret_names
from ansible_collections.monsterstack.swarm.plugins.module_utils import objects


def test_the_name_is_the_keyed_hash_of_name_and_value() -> None:
    code = hmac.new(b"key", b"db\0s3cret", hashlib.sha256).hexdigest()[:12]
    assert objects.full_name("shop", "db", "key", "s3cret") == f"shop_db_{code}"


OTHER = {
    "value": ("shop", "db", "key", "other"),
    "key": ("shop", "db", "kez", "s3cret"),
    "short name": ("shop", "dc", "key", "s3cret"),
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_the_hash_depends_on(other: tuple[str, str, str, str]) -> None:
    first = objects.full_name("shop", "db", "key", "s3cret")
    assert objects.full_name(*other)[-12:] != first[-12:]


BAD = {
    "too long": ("s" * 60, "db", "value", "Swarm allows 64"),
    "strange letters": ("shop", "d b", "value", "'d b' cannot be a name"),
    "empty value": ("shop", "db", "", "db is empty"),
    "value in the name": ("shop", "redis_password", "password", "part of its own name"),
}


@pytest.mark.parametrize(("stack", "name", "value", "message"), BAD.values(), ids=BAD)
def test_refused(stack: str, name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        objects.full_name(stack, name, "key", value)


def item(name: str, kind: str = "secret") -> dict[str, Any]:
    return {"ID": f"id-{name}", "Spec": {"Name": name, "Labels": objects.labels("s", kind, "x")}}


def service(**references: Any) -> dict[str, Any]:
    return {"Spec": {"TaskTemplate": {"ContainerSpec": references}}}


def test_obsolete_spares_what_is_used_kept_or_not_ours() -> None:
    services = [
        service(Secrets=[{"SecretName": "s_used"}]),
        service(Configs=[{"ConfigName": "s_conf"}]),
        service(),
    ]
    foreign = {"ID": "f", "Spec": {"Name": "s_foreign", "Labels": {}}}
    there = [item("s_used"), item("s_old"), item("s_kept"), item("s_release", "release"), foreign]
    used = objects.used_names(services, "secret")
    assert used == {"s_used"}
    assert objects.used_names(services, "config") == {"s_conf"}
    assert objects.obsolete(there, used, "secret", ["s_kept"]) == {"id-s_old": "s_old"}


GOING_BACK = {
    "updating": True,
    "paused": True,
    "rollback_started": True,
    "rollback_paused": True,
    "completed": False,
    "rollback_completed": False,
    None: False,
}


@pytest.mark.fault("C13")
@pytest.mark.parametrize(("state", "needed"), GOING_BACK.items(), ids=map(str, GOING_BACK))
def test_what_a_service_may_go_back_to_is_used(state: str | None, needed: bool) -> None:
    updated = {
        **service(Secrets=[{"SecretName": "s_new"}]),
        "PreviousSpec": service(Secrets=[{"SecretName": "s_old"}])["Spec"],
        "UpdateStatus": {"State": state},
    }
    assert ("s_old" in objects.used_names([updated], "secret")) is needed


def test_names_of_many_are_those_of_each() -> None:
    values = {"db": "s3cret", "pin": 1234}
    assert objects.full_names("shop", values, "key") == {
        "db": objects.full_name("shop", "db", "key", "s3cret"),
        "pin": objects.full_name("shop", "pin", "key", "1234"),
    }
    assert secret_names(values, "shop", "key") == objects.full_names("shop", values, "key")


def test_the_filter_says_whose_secret_it_was() -> None:
    with pytest.raises(AnsibleFilterError, match="secrets of the stack shop: db is empty"):
        secret_names({"db": ""}, "shop", "key")


SHORT: dict[str, tuple[str, str | None]] = {
    "ours": ("shop_db_password_0123456789ab", "db_password"),
    "another stack's": ("shopping_pin_0123456789ab", None),
    "made by hand": ("shop_pin", None),
    "an older hash": ("shop_pin_0123", None),
}


@pytest.mark.fault("A7")
@pytest.mark.parametrize(("full", "short"), SHORT.values(), ids=SHORT)
def test_short_name(full: str, short: str | None) -> None:
    assert objects.short_name("shop", full) == short
