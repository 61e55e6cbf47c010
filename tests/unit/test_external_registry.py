"""A registry that exists already takes no port of the cluster's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.test_refusals import refused_first, run


@pytest.mark.fault("C3")
def test_the_port_of_an_external_registry_is_free_for_stacks(tmp_path: Path) -> None:
    words = {
        "registry_mode": "external",
        "registry_host": "registry.example.org",
        "registry_port": 443,
        "registry_user": "deploy",
        "registry_password": "not-a-real-one",
        "monsterstack_settings": {"port": 443},
        # Refused for another reason, since what is not refused would go on to the hosts.
        "tag": 2.1,
    }
    done = run(tmp_path, "site.yml", "-e", json.dumps(words))
    refused_first(done, ["tag", "2.1"])
    assert "443" not in done.stdout, done.stdout
