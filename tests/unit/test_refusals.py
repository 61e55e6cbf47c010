"""Bad inventories and arguments, given to the playbook itself: refused before any host is touched.

The addresses are of a range for documentation: a run that reached for a host would not come back
within the time that is allowed here.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def hosts(*numbers: int, **more: Any) -> dict[str, Any]:
    """Hosts n1, n2, … each with an address and a zone of its own; `more` for all of them."""
    return {f"n{n}": {"ansible_host": f"192.0.2.{n}", "zone": f"z{n % 2}", **more} for n in numbers}


Row = tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]

# Each row: managers, workers, extra variables, what the refusal must name.
REFUSED: dict[str, Row] = {
    "no manager": ({}, hosts(4), {}, ["managers", "Put 1, 3, 5 or 7 hosts into it"]),
    "four managers": (hosts(1, 2, 3, 5), hosts(4), {}, ["4 managers", "use 1, 3, 5 or 7"]),
    "a node in two groups": (hosts(1), hosts(1, 4), {}, ["n1", "managers", "workers"]),
    "one address for two": (
        hosts(1),
        hosts(4) | {"twin": {"ansible_host": "192.0.2.4", "zone": "a"}},
        {},
        ["twin", "192.0.2.4"],
    ),
    "a worker without zone": (
        hosts(1),
        hosts(4) | {"w": {"ansible_host": "192.0.2.9"}},
        {},
        ["w", "zone"],
    ),
    "SSH's port": (hosts(1), hosts(4), {"monsterstack_settings": {"port": 22}}, ["22", "SSH"]),
    "Swarm's port": (hosts(1), hosts(4), {"monsterstack_settings": {"port": 7946}}, ["7946"]),
    "the registry's port": (
        hosts(1),
        hosts(4),
        {"monsterstack_settings": {"port": 5443}},
        ["5443"],
    ),
    "an unknown variable": (
        hosts(1),
        hosts(4, swarm_adress_pool=["10.0.0.0/8"]),
        {},
        ["swarm_adress_pool", "Did you mean swarm_address_pool?"],
    ),
    "an unknown key": (
        hosts(1),
        hosts(4),
        {"monsterstack_settings": {"frontend": {"replica": 2}}},
        ["monsterstack_settings.frontend.replica", "replicas"],
    ),
    "a misspelt word": (
        hosts(1),
        hosts(4),
        {"cannary": True},
        ["cannary", "Did you mean canary?"],
    ),
    "a truth that is none": (hosts(1), hosts(4), {"canary": "ture"}, ["canary", "true or false"]),
    "seconds that are none": (
        hosts(1),
        hosts(4),
        {"canary_seconds": "soon"},
        ["canary_seconds", "from 5 to 3600"],
    ),
    "too many requests": (hosts(1), hosts(4), {"probe_rate": 5000}, ["probe_rate", "to 200"]),
    "a release that is none": (hosts(1), hosts(4), {"release": "last"}, ["release", "whole"]),
    "a bad tag": (hosts(1), hosts(4), {"tag": "not a tag"}, ["tag", "not a tag"]),
    "a registry without its password": (
        hosts(1),
        hosts(4),
        {"registry_mode": "external", "registry_host": "registry.example"},
        ["registry_password", "Give it, with registry_user"],
    ),
    "archives that are not named": (
        hosts(1),
        hosts(4),
        {"images_mode": "load"},
        ["images_archives", "docker save"],
    ),
    "an archive that is not there": (
        hosts(1),
        hosts(4),
        {"images_mode": "load", "images_archives": ["/nowhere/images.tar"]},
        ["/nowhere/images.tar cannot be found"],
    ),
    "a number for a tag": (hosts(1), hosts(4), {"tag": 2.1}, ["tag", "2.1"]),
}


@pytest.mark.parametrize(("managers", "workers", "extra", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_before_any_host_is_touched(
    tmp_path: Path,
    managers: dict[str, Any],
    workers: dict[str, Any],
    extra: dict[str, Any],
    words: list[str],
) -> None:
    inventory = tmp_path / "inventory" / "hosts.json"
    inventory.parent.mkdir()
    inventory.write_text(
        json.dumps({"managers": {"hosts": managers}, "workers": {"hosts": workers}})
    )
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "site.yml", "-e", json.dumps(extra)],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "Look at the hosts" not in done.stdout
    message = " ".join(done.stdout.split("fatal:", 1)[1].replace("''", "'").split())
    for word in words:
        assert word in message, done.stdout
