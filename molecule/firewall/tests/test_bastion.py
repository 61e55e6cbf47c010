"""A controller that reaches SSH and no published port, as one behind a bastion: a manager asks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import cluster, note, until
from tests.rollouts import Background
from tests.tiny import PORT, PROBE, Tiny, page
from tests.walls import PAGE, SSH, guard, on, private, scan, variables

pytestmark = [pytest.mark.machines, pytest.mark.fault("C10")]

FROM_A_MANAGER = "probe_from=manager"
SMOKE = [{"name": "the page", "path": "/", "contains": "hello"}]


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[list[str]]:
    """Published ports for the private network alone; the words that keep them so."""
    published = {"docker_engine_published_from": [str(variables("m1")["lab_private_subnet"])]}
    run = guard(**published)
    assert run.code == 0, run.output
    for name in SSH:
        assert scan(cluster().node(name).address, {SSH[name], PAGE}) == {SSH[name]}
    yield ["-e", json.dumps(published)]
    run = guard()
    assert run.code == 0, run.output


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    made = Tiny(tmp_path_factory.mktemp("bastion"))
    made.write({"web": page(deploy={"replicas": 2})}, probe=PROBE, smoke=SMOKE)
    yield made
    made.run("playbooks/teardown.yml", f"confirm={made.name}")


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def left_on_m1() -> int:
    """How many probes have a folder there."""
    return int(on("m1", "find /tmp -maxdepth 1 -name 'monsterstack-probe-*' | wc -l"))


def test_a_closed_way_undoes_nothing_and_names_the_input(closed: list[str]) -> None:
    """The stack runs already: nothing is deployed, and the smoke test cannot see it."""
    run = cluster().playbook("site.yml", *closed)
    assert run.code == 2, run.output
    assert run.changed == 0, run.output
    assert f"This computer reaches port {PAGE} of no node, but m1 does" in run.text
    assert f"-e {FROM_A_MANAGER}" in run.text
    assert "was put back" not in run.text


def test_a_manager_asks(closed: list[str]) -> None:
    """What the message advises, typed at once."""
    run = cluster().playbook("site.yml", *closed, "-e", FROM_A_MANAGER)
    assert (run.code, run.changed) == (0, 0), run.output
    assert "leave out this computer" not in run.text


def test_a_release_that_the_controller_cannot_see_is_kept(tiny: Tiny) -> None:
    run = tiny.release("1", "probe=false")
    assert run.code == 2, run.output
    assert "release 1: converged, and it is not what is wrong" in run.text
    assert f"This computer reaches port {PORT} of no node" in run.text
    assert tiny.recorded() == [1]


def test_a_canary_is_watched_from_a_manager(tiny: Tiny, tmp_path: Path) -> None:
    words = ["canary=true", "canary_seconds=8", "fail_on_loss=true"]
    run = tiny.release("2", *words, FROM_A_MANAGER, f"probe_dir={tmp_path}")
    assert run.code == 0, run.output
    assert "canary good" in run.text
    seen = report(tmp_path)
    assert (seen["failed"], seen["asked_from"]) == (0, "m1"), seen
    assert seen["requests"] > 200
    assert {entry["version"] for entry in seen["versions"]} == {"1", "2"}
    assert set(seen["by_node"]) == {private("m1"), private("w1")}
    note("firewall", "canary from a manager", **{k: seen[k] for k in ("requests", "failed")})
    until(lambda: left_on_m1() == 0, 30, "nothing is left of the probe on m1")


def test_a_bad_canary_is_seen_from_a_manager(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write({"web": page(status=500, deploy={"replicas": 2})}, probe=PROBE, smoke=SMOKE)
    words = ["canary=true", "canary_seconds=8"]
    run = tiny.release("3", *words, FROM_A_MANAGER, f"probe_dir={tmp_path}")
    assert run.code == 2, run.output
    assert "canary rejected" in run.text
    assert "was put back: converged" in run.text
    assert set(report(tmp_path)["failed_by_version"]) == {"3"}


def test_the_probe_alone(tmp_path: Path) -> None:
    given = ["duration=20", f"probe_dir={tmp_path}", FROM_A_MANAGER, "fail_on_loss=true"]
    run = cluster().playbook("playbooks/probe.yml", *(w for one in given for w in ("-e", one)))
    assert run.code == 0, run.output
    seen = report(tmp_path)
    assert (seen["requests"], seen["failed"], seen["asked_from"]) == (400, 0, "m1")


def test_maintenance_is_watched_from_a_manager(tiny: Tiny, tmp_path: Path) -> None:
    """By force, since what is bound to workers has no room: here nobody counts losses."""
    given = ["do=nothing", "node=w1", "force=true", "rebalance=false", FROM_A_MANAGER]
    run = tiny.run("playbooks/maintenance.yml", *given, f"probe_dir={tmp_path}/probe")
    assert run.code == 0, run.output
    seen = report(tmp_path / "probe-w1")
    assert seen["asked_from"] == "m1"
    assert set(seen["by_node"]) == {private("m1")}
    assert seen["requests"] > 20


def test_nothing_outlives_a_killed_run(tmp_path: Path) -> None:
    words = ["-e", "duration=600", "-e", f"probe_dir={tmp_path}/probe", "-e", FROM_A_MANAGER]
    run = Background(tmp_path, "playbooks/probe.yml", *words)
    run.wait_for(lambda _printed, samples: samples.count("\n") > 20)
    run.kill()
    killed = time.monotonic()
    seen = "tail -qc 200 /tmp/monsterstack-probe-*/samples.jsonl"
    until(lambda: "ended" in on("m1", "cat /tmp/monsterstack-probe-*/done"), 90, "it ends")
    note("firewall", "probe of a killed run", ended_after=round(time.monotonic() - killed))
    before = on("m1", seen)
    time.sleep(2)
    assert on("m1", seen) == before
