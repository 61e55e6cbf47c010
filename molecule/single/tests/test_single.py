"""A cluster of one machine."""

from __future__ import annotations

import pytest

from tests.cluster import cluster

pytestmark = pytest.mark.machines


def test_all_services_run_on_the_one_machine() -> None:
    for service, replicas in {"frontend": 3, "imagebackend": 2, "redis": 1}.items():
        tasks = cluster().tasks(f"monsterstack_{service}")
        assert [task["Node"] for task in tasks] == ["m1"] * replicas


def test_the_page_answers() -> None:
    status, headers, body = cluster().managers[0].get("/")
    assert (status, headers["x-node"]) == (200, "m1")
    assert b"<title>MonsterStack</title>" in body


def test_the_summary_says_what_one_machine_lacks() -> None:
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    assert run.changed == 0, run.output
    assert "one kind of node" in run.output
    assert "no zones" in run.output
