"""status.yml shows what the cluster itself says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster import Run, cluster

pytestmark = pytest.mark.machines


def show(folder: Path) -> tuple[Run, str]:
    """The run and the page."""
    page = folder / "status.html"
    run = cluster().playbook("playbooks/status.yml", "-e", f"page={page}")
    assert run.code == 0, run.output
    assert run.changed == 0
    return run, page.read_text(encoding="utf-8")


def test_nodes_services_tasks_and_releases_are_there(tmp_path: Path) -> None:
    run, page = show(tmp_path)
    assert "everything that is wanted runs" in run.output
    for node in cluster().nodes:
        assert re.search(rf"^ *{node.name} +{node.zone} ", run.output, re.MULTILINE)
        assert f"<h4>{node.name}</h4>" in page
        assert node.address in page
    for name, replicas in (("frontend", 3), ("imagebackend", 2), ("redis", 1)):
        assert re.search(rf"monsterstack_{name} +{replicas}/{replicas} ", run.output)
        assert f"{replicas} of {replicas}" in page
    for task in cluster().tasks("monsterstack_frontend"):
        line = re.search(rf"^ *{task['Node']} .*$", run.output, re.MULTILINE)
        assert line is not None
        assert task["Name"].removeprefix("monsterstack_") in line[0]
    assert "converged · runs now" in page
    assert "monsterstack 1.0" in run.output


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    _run, page = show(tmp_path)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "<script" not in page
    assert "url(" not in page


def test_what_is_not_well_is_said(tmp_path: Path) -> None:
    manager = cluster().managers[0]
    manager.run("docker node update --availability drain w2")
    try:
        run, page = show(tmp_path)
    finally:
        manager.run("docker node update --availability active w2")
    assert "! w2 takes no new tasks (drain)" in run.output
    assert "w2 takes no new tasks (drain)" in page


def test_without_a_manager_it_says_why(tmp_path: Path) -> None:
    manager = cluster().managers[0]
    manager.run("systemctl stop docker.socket docker")
    try:
        page = tmp_path / "status.html"
        run = cluster().playbook("playbooks/status.yml", "-e", f"page={page}")
    finally:
        manager.run("systemctl start docker.socket docker")
    assert run.code != 0
    assert "no manager tells anything of a Swarm (m1: the Docker Engine" in run.output
    assert "playbooks/doctor.yml says why" in run.output
    assert not page.exists()
