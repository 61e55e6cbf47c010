"""The registry's name on a node whose /etc/hosts cloud-init writes anew at each boot."""

from __future__ import annotations

import pytest

from tests.cluster import cluster

pytestmark = pytest.mark.machines

TEMPLATE = "/etc/cloud/templates/hosts.debian.tmpl"
NAME = "registry.swarm.internal"


@pytest.mark.fault("C11")
def test_the_registrys_name_survives_what_cloud_init_does_at_boot() -> None:
    m1 = cluster().node("m1")
    m1.run(f"mkdir -p $(dirname {TEMPLATE}) && grep -v {NAME} /etc/hosts > {TEMPLATE}")
    try:
        run = cluster().playbook("site.yml", "--tags", "registry")
        assert run.code == 0, run.output
        m1.run(f"cp {TEMPLATE} /etc/hosts")  # manage_etc_hosts: true
        assert m1.run(f"getent hosts {NAME}").split() == [m1.address, NAME]
        run = cluster().playbook("site.yml", "--tags", "registry")
        assert (run.code, run.changed) == (0, 0), run.output
    finally:
        m1.run(f"rm -r {TEMPLATE}")
