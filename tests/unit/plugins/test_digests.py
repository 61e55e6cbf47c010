"""Image references, logins and refusals."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import digests
from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import Reference

DIGEST = "sha256:" + "ab" * 32
REFERENCES = {
    "name": ("redis", Reference("redis")),
    "tag": ("redis:8", Reference("redis", "8")),
    "port, no tag": ("host:5000/web", Reference("host:5000/web")),
    "port and tag": ("host:5000/web:1.0", Reference("host:5000/web", "1.0")),
    "all": (f"h:5000/a/b:1@{DIGEST}", Reference("h:5000/a/b", "1", DIGEST)),
    "digest, no tag": (f"redis@{DIGEST}", Reference("redis", "", DIGEST)),
}


@pytest.mark.parametrize(("text", "reference"), REFERENCES.values(), ids=REFERENCES)
def test_reference(text: str, reference: Reference) -> None:
    assert digests.parse_reference(text) == reference
    assert str(reference) == text


REGISTRIES = {
    "no registry": ("redis", digests.HUB),
    "a user": ("someone/web", digests.HUB),
    "a port": ("mirror:5000/web", "mirror:5000"),
    "a domain": ("ghcr.example/a/b", "ghcr.example"),
    "localhost": ("localhost/web", "localhost"),
}


@pytest.mark.parametrize(("name", "registry"), REGISTRIES.values(), ids=REGISTRIES)
def test_registry(name: str, registry: str) -> None:
    assert digests.registry_of(name) == registry


TAGS = {"number": ("2.0", True), "text": ("v2_a-b", True), "dash first": ("-2", False)}
TAGS |= {"128": ("a" * 128, True), "129": ("a" * 129, False), "slash": ("a/b", False)}


@pytest.mark.parametrize(("tag", "good"), TAGS.values(), ids=TAGS)
def test_tag(tag: str, good: bool) -> None:
    assert bool(digests.TAG_PATTERN.fullmatch(tag)) == good


AUTH = base64.b64encode(b"ann:pa:ss").decode()
ANN = {"username": "ann", "password": "pa:ss"}
HELPED = {"Username": "bob", "Secret": "x"}
BOB = {"username": "bob", "password": "x"}
LOGINS: dict[str, tuple[str, dict[str, Any], Mapping[str, Any] | None, dict[str, str] | None]] = {
    "none": ("reg:5000", {}, None, None),
    "file": ("reg:5000", {"auths": {"reg:5000": {"auth": AUTH}}}, None, ANN),
    "file with a scheme": ("reg", {"auths": {"https://reg": {"auth": AUTH}}}, None, ANN),
    "another registry's": ("reg", {"auths": {"other": {"auth": AUTH}}}, None, None),
    "the hub's key": ("docker.io", {"auths": {digests.HUB_KEY: {"auth": AUTH}}}, None, ANN),
    "common store": ("reg", {"credsStore": "pass"}, HELPED, BOB),
    "helper of the registry": ("reg", {"credHelpers": {"reg": "x"}}, HELPED, BOB),
    "helper knows nothing, the file does": (
        "reg",
        {"credsStore": "pass", "auths": {"reg": {"auth": AUTH}}},
        None,
        ANN,
    ),
    "token from a helper": (
        "reg",
        {"credsStore": "pass"},
        {"Username": "<token>", "Secret": "t"},
        {"identitytoken": "t"},
    ),
    "token from the file": (
        "reg",
        {"auths": {"reg": {"identitytoken": "t"}}},
        None,
        {"identitytoken": "t"},
    ),
    "spoilt": ("reg", {"auths": {"reg": {"auth": "%%%"}}}, None, None),
    "logged out": ("reg", {"auths": {"reg": {}}}, None, None),
}


@pytest.mark.parametrize(("registry", "config", "helped", "login"), LOGINS.values(), ids=LOGINS)
def test_login(
    registry: str,
    config: dict[str, Any],
    helped: Mapping[str, Any] | None,
    login: dict[str, str] | None,
) -> None:
    found = digests.login_for(registry, config, lambda _program, _registry: helped)
    if found:
        found.pop("serveraddress")
    assert found == login


def test_login_header_is_what_the_engine_decodes() -> None:
    assert digests.login_header(None) == {}
    header = digests.login_header({"username": "ann", "password": "?>~"})["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {"username": "ann", "password": "?>~"}


REFUSALS = {
    "unknown tag": (404, "manifest unknown: manifest unknown", "not_found"),
    "unknown tag, old status": (500, "errors: manifest unknown", "not_found"),
    "unknown name": (404, "name unknown: repository name not known to registry", "not_found"),
    "no login": (401, "no basic auth credentials", "unauthorized"),
    "wrong login": (500, "unauthorized: authentication required", "unauthorized"),
    "hidden": (403, "requested access to the resource is denied", "unauthorized"),
    "refused connection": (
        500,
        "dial tcp 198.18.0.1:5000: connect: connection refused",
        "unreachable",
    ),
    "no such host": (500, "dial tcp: lookup reg on 198.18.0.1:53: no such host", "unreachable"),
    "certificate": (500, "x509: certificate signed by unknown authority", "unreachable"),
    "slow": (0, "the Docker Engine does not answer (timed out)", "unreachable"),
}


@pytest.mark.parametrize(("status", "message", "kind"), REFUSALS.values(), ids=REFUSALS)
def test_classify(status: int, message: str, kind: str) -> None:
    assert digests.classify(status, message) == kind


LISTED: dict[str, tuple[list[str], list[str]]] = {
    "people's order": (["1.10", "1.9", "2.0"], ["1.9", "1.10", "2.0"]),
    "without sources": (["1.0", "src-0a1b2c"], ["1.0"]),
    "words and numbers": (["rc1", "1.0", "latest"], ["1.0", "latest", "rc1"]),
    "none": ([], []),
}


@pytest.mark.parametrize(("tags", "expected"), LISTED.values(), ids=LISTED)
def test_release_tags(tags: list[str], expected: list[str]) -> None:
    assert digests.release_tags(tags) == expected
