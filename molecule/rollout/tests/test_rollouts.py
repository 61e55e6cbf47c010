"""Every kind of release, in the order of the table in docs/rollouts.md, while the probe runs.

The tests build on each other: each begins with what the one before left, which is a good release.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import ARTIFACTS, PROJECT, cluster
from tests.rollouts import (
    STACK,
    Background,
    Sources,
    Table,
    images,
    roll,
    versions,
    words,
)

pytestmark = pytest.mark.machines

UNHEALTHY_AFTER = 10  # seconds: after the first good check, inside the monitor's window


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    made = Sources(tmp_path_factory.mktemp("sources"))
    made.restore()
    return made


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(ARTIFACTS / "rollouts.json")


# Good ones


def test_a_dry_run_prints_the_plan_and_touches_nothing(tmp_path: Path, sources: Sources) -> None:
    before = images()
    run = cluster().playbook(
        "rolling_update.yml", "--check", "--diff", *words(tmp_path, sources, "tag=2.0")
    )
    assert run.code == 0, run.output
    assert re.search(
        r"frontend: changed \(image frontend:1.0@sha256:\w+ -> frontend:2.0", run.output
    )
    assert re.search(r"frontend: start-first needs 1 more task .* free on w", run.text)
    assert "it would be built from" in run.text
    assert images() == before
    assert not (tmp_path / "probe").exists(), "no request was sent"


@pytest.mark.parametrize("tag", ["2.0", "3.0"])
def test_a_good_release(tag: str, tmp_path: Path, sources: Sources, table: Table) -> None:
    before = versions()
    rollout = roll(tmp_path, sources, "rolling_update.yml", f"tag={tag}")
    pace = table.add(f"good {tag}", rollout)
    assert rollout.run.code == 0, rollout.run.output
    # The aims are 1.2 times the floor and 5 s; a machine that others use may be slower.
    assert pace is not None
    assert pace.rollout < 1.5 * pace.floor
    assert pace.verdict < 15
    assert rollout.failed == 0, rollout.report["failures"]
    assert rollout.report["requests"] > 100
    assert versions() == {tag}
    old, new = rollout.report["versions"]
    assert ({old["version"]}, new["version"]) == (before, tag)
    # One task at a time: for a while both answer, the new one for longer than three starts take.
    assert old["last"] - new["first"] > 6


def test_the_same_release_again_changes_nothing(tmp_path: Path, sources: Sources) -> None:
    (tag,) = versions()
    rollout = roll(tmp_path, sources, "rolling_update.yml", f"tag={tag}")
    assert rollout.run.code == 0
    assert rollout.run.changed == 0, rollout.run.output


def test_two_tasks_at_once(tmp_path: Path, sources: Sources, table: Table) -> None:
    rollout = roll(
        tmp_path, sources, "rolling_update.yml", "tag=3.1", "services=frontend", "serial=2"
    )
    table.add("good 3.1, serial=2", rollout)
    assert rollout.run.code == 0, rollout.run.output
    assert "start-first needs 2 more tasks" in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert versions() == {"3.1"}
    # The next rollout has the stack's own pace again.
    assert cluster().service(f"{STACK}_frontend")["UpdateConfig"]["Parallelism"] == 1


# Bad ones


def test_a_tag_that_does_not_exist(tmp_path: Path, sources: Sources, table: Table) -> None:
    before = images()
    rollout = roll(tmp_path, sources, "rolling_update.yml", "tag=404", "build=false")
    table.add("no such tag", rollout)
    assert rollout.run.code != 0
    # One message, with the tags that are there, before the lock.
    for name in ("frontend", "imagebackend"):
        assert f"monsterstack/{name} has no tag 404; it has 1.0, 2.0, 3.0" in rollout.run.text
    assert rollout.run.output.count("fatal:") == 1
    assert "TASK [Lock the stack]" not in rollout.run.text
    assert images() == before


def exits_1(sources: Sources) -> None:
    sources.at_start("raise SystemExit('the table is missing')")


def exits_0(sources: Sources) -> None:
    sources.at_start("print('nothing to do')\nraise SystemExit(0)")


def never_healthy(sources: Sources) -> None:
    sources.health("raise SystemExit('not today')\n")


def unhealthy_later(sources: Sources) -> None:
    age = "float(open('/proc/uptime').read().split()[0]) - int(stat) / 100"
    # After the real check: whoever calls himself healthy before he listens gets visitors too early.
    sources.health(
        (sources.root / "app/healthcheck.py").read_text()
        + "stat = open('/proc/1/stat').read().rpartition(')')[2].split()[19]\n"
        f"raise SystemExit({age} > {UNHEALTHY_AFTER})\n"
    )


def settings(**changes: dict[str, Any]) -> str:
    """The scenario's settings with others over them."""
    pace = cluster().inventory / "group_vars/all/pace.yml"
    found = yaml.safe_load(pace.read_text())["monsterstack_settings"]
    for part, values in changes.items():
        found[part] = {**found[part], **values}
    return json.dumps({"monsterstack_settings": found})


BROKEN = {
    "exits 1 at start": (exits_1, "the table is missing", "3s"),
    "exits 0 at start": (exits_0, "nothing to do", "3s"),
    "starts, never healthy": (never_healthy, "its health check failed", "3s"),
    # At the others' pace all tasks are new ones before the first of them counts as failed.
    "healthy, then unhealthy": (unhealthy_later, "its health check failed", "15s"),
}


@pytest.mark.parametrize(("name", "breaks", "shown", "delay"), [(k, *v) for k, v in BROKEN.items()])
def test_a_broken_release(
    name: str,
    breaks: Callable[[Sources], None],
    shown: str,
    delay: str,
    tmp_path: Path,
    sources: Sources,
    table: Table,
) -> None:
    before, answering = images(), versions()
    sources.restore()
    breaks(sources)
    tag = "bad-" + name.replace(" ", "-").replace(",", "")
    rollout = roll(
        tmp_path,
        sources,
        "rolling_update.yml",
        f"tag={tag}",
        "services=frontend",
        settings(rollout={"delay": delay}),
    )
    sources.restore()
    table.add(name, rollout)
    assert rollout.run.code != 0, rollout.run.output
    assert "frontend: rolled_back" in rollout.run.text
    assert shown in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert images() == before
    assert versions() == answering


def test_a_canary_catches_what_is_healthy_and_wrong(
    tmp_path: Path, sources: Sources, table: Table
) -> None:
    before, answering = images(), versions()
    sources.edit("app/__init__.py", "page, status = _index(config)", 'page, status = "broken", 500')
    rollout = roll(
        tmp_path,
        sources,
        "rolling_update.yml",
        "tag=bad-500",
        "services=frontend",
        "canary=true",
        "canary_seconds=20",
    )
    sources.restore()
    table.add("500 on the page, canary", rollout)
    assert rollout.run.code != 0, rollout.run.output
    assert "canary rejected" in rollout.run.text
    assert set(rollout.report["failed_by_version"]) == {"bad-500"}, rollout.report["failures"]
    assert images() == before
    assert versions() == answering


def test_a_good_canary_goes_on(tmp_path: Path, sources: Sources, table: Table) -> None:
    rollout = roll(
        tmp_path, sources, "rolling_update.yml", "tag=4.0", "canary=true", "canary_seconds=15"
    )
    table.add("good 4.0, canary", rollout)
    assert rollout.run.code == 0, rollout.run.output
    assert "canary good" in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert versions() == {"4.0"}
    assert cluster().service(f"{STACK}_frontend")["UpdateConfig"]["Delay"] == 3_000_000_000


TOO_LARGE = {"memory": {"limit": "64G", "reservation": "64G"}}  # fits no node


def test_a_reservation_that_fits_nowhere(tmp_path: Path, sources: Sources, table: Table) -> None:
    before = images()
    rollout = roll(tmp_path, sources, "rolling_update.yml", "tag=5.0", settings(frontend=TOO_LARGE))
    table.add("reservation that fits nowhere", rollout)
    assert rollout.run.code != 0
    assert "service frontend" in rollout.run.text
    assert "find room" in rollout.run.text
    assert images() == before
    assert not rollout.report, "the probe was never started"


def test_the_same_forced(tmp_path: Path, sources: Sources, table: Table) -> None:
    before = images()
    rollout = roll(
        tmp_path,
        sources,
        "rolling_update.yml",
        "tag=5.0",
        "services=frontend",
        "force=true",
        "stack_timeout=40",
        settings(frontend=TOO_LARGE),
    )
    table.add("the same, forced", rollout)
    assert rollout.run.code != 0, rollout.run.output
    assert "frontend: pending" in rollout.run.text
    assert "was put back: converged" in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert images() == before


def test_the_registry_goes_down(tmp_path: Path, sources: Sources, table: Table) -> None:
    manager = cluster().managers[0]
    before = images()
    sources.at_start("print('an image that no node has yet')")
    update = Background(
        tmp_path,
        "rolling_update.yml",
        *words(tmp_path, sources, "tag=6.0", "services=frontend", "stack_timeout=120"),
    )
    try:
        update.wait_for(lambda _printed, samples: samples.count("\n") > 1)
        manager.run("docker service scale --detach registry=0")
        rollout = update.finish()
    finally:
        manager.run("docker service scale registry=1")
    sources.restore()
    table.add("registry down", rollout)
    assert rollout.run.code != 0, rollout.run.output
    assert "was put back: converged" in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert images() == before


def test_a_plug_is_pulled(tmp_path: Path, sources: Sources, table: Table) -> None:
    before = versions()
    redis = {task["Node"] for task in cluster().tasks(f"{STACK}_redis")}
    victim = next(node for node in cluster().workers if node.name not in redis)
    lab = [str(PROJECT / "bin/lab"), "-i", str(cluster().inventory)]
    update = Background(tmp_path, "rolling_update.yml", *words(tmp_path, sources, "tag=7.0"))
    update.wait_for(lambda _printed, samples: '"version": "7.0"' in samples)
    subprocess.run([*lab, "off", victim.name], check=True)
    pulled = time.time()
    rollout = update.finish()
    subprocess.run([*lab, "on", victim.name], check=True)
    table.add("plug pulled", rollout)
    # Either way it says so; that a node is off is no success, even if the release is one.
    back = "was put back" in rollout.run.text
    assert versions_without(victim.name) == (before if back else {"7.0"}), rollout.run.output
    assert back or "release 7.0: converged" in rollout.run.text
    assert rollout.run.code == 0 or back or victim.address in rollout.run.text
    assert f"probe: {rollout.report['requests']} requests" in rollout.run.text
    # Through the others only those are lost that were sent to its tasks before they were missed.
    offset = pulled - rollout.report["started"]
    late = [
        failure
        for failure in rollout.report["failures"]
        if failure["node"] != victim.address and not offset - 6 < failure["at"] < offset + 30
    ]
    assert not late
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output


def versions_without(name: str) -> set[str]:
    nodes = [node for node in cluster().nodes if node.name != name]
    return {node.get("/")[1]["x-version"] for node in nodes for _ in range(6)}


def test_killed_in_the_middle(tmp_path: Path, sources: Sources, table: Table) -> None:
    update = Background(tmp_path, "rolling_update.yml", *words(tmp_path, sources, "tag=8.0"))
    update.wait_for(lambda _printed, samples: '"version": "8.0"' in samples)
    update.kill()
    rollout = roll(tmp_path, sources, "rolling_update.yml", "tag=8.0")
    table.add("killed, run again", rollout)
    assert rollout.run.code == 0, rollout.run.output
    assert "recovered the lock of the stack monsterstack" in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert versions() == {"8.0"}


def test_two_at_once(tmp_path: Path, sources: Sources, table: Table) -> None:
    second = tmp_path / "second"
    second.mkdir()
    first = Background(tmp_path, "rolling_update.yml", *words(tmp_path, sources, "tag=9.2"))
    first.wait_for(lambda _printed, samples: samples.count("\n") > 1)
    refused = roll(second, sources, "rolling_update.yml", "tag=9.1")
    rollout = first.finish()
    table.add("two at once", rollout)
    assert refused.run.code != 0
    assert "the stack monsterstack is locked by" in refused.run.text
    assert rollout.run.code == 0, rollout.run.output
    assert rollout.failed == 0, rollout.report["failures"]
    assert versions() == {"9.2"}


# The daily ones


@pytest.mark.parametrize("replicas", [6, 3])
def test_scale(replicas: int, tmp_path: Path, sources: Sources, table: Table) -> None:
    rollout = roll(tmp_path, sources, "playbooks/scale.yml", f"frontend={replicas}")
    table.add(f"scale to {replicas}", rollout)
    assert rollout.run.code == 0, rollout.run.output
    assert rollout.failed == 0, rollout.report["failures"]
    mode = cluster().service(f"{STACK}_frontend")["Mode"]
    assert mode["Replicated"]["Replicas"] == replicas
    again = cluster().playbook("site.yml")
    assert again.code == 0, again.output
    assert again.changed == 0, again.output
    assert ("6 replicas by scale.yml" in again.text) == (replicas == 6)


def test_scale_refuses_what_does_not_fit(tmp_path: Path, sources: Sources) -> None:
    rollout = roll(tmp_path, sources, "playbooks/scale.yml", "frontend=500")
    assert rollout.run.code != 0
    assert "find room" in rollout.run.text


def test_a_secret_is_renewed(tmp_path: Path, sources: Sources, table: Table) -> None:
    manager = cluster().managers[0]
    file = cluster().credentials / "redis_password"
    old = file.read_text().strip()
    names = set(manager.run("docker secret ls --format '{{.Name}}'").split())
    rollout = roll(tmp_path, sources, "playbooks/rotate_secrets.yml")
    table.add("secret renewed", rollout)
    new = file.read_text().strip()
    assert rollout.run.code == 0, rollout.run.output
    # Two releases: with both values, then with the new one alone.
    assert rollout.run.text.count(", 0 failed;") == 2, rollout.run.output
    assert new != old
    assert not list(cluster().credentials.glob("*.previous"))
    assert old not in rollout.run.text
    assert new not in rollout.run.text
    left = set(manager.run("docker secret ls --format '{{.Name}}'").split())
    gone = {name for name in names if "redis_password" in name or "redis_acl" in name}
    assert len(gone) == 2
    assert not gone & left
    node, container = cluster().containers(f"{STACK}_redis")[0]
    ask = 'REDISCLI_AUTH="$(cat)" redis-cli -e ping'
    for value, right in ((new, True), (old, False)):
        answer = node.run(f"printf %s {value} | docker exec -i {container} sh -c '{ask}' 2>&1 || :")
        assert ("PONG" in answer) == right
    for inspected in ("frontend", "redis"):
        text = json.dumps(cluster().service(f"{STACK}_{inspected}"))
        assert old not in text
        assert new not in text


def test_roll_back(tmp_path: Path, sources: Sources, table: Table) -> None:
    before = versions()
    rollout = roll(tmp_path, sources, "playbooks/rollback.yml")
    table.add("rollback", rollout)
    assert rollout.run.code == 0, rollout.run.output
    assert rollout.failed == 0, rollout.report["failures"]
    said = re.search(r"back to release \d+ \((\S+),", rollout.run.text)
    assert said is not None
    assert versions() == {said[1]} != before
    run = cluster().playbook("playbooks/releases.yml")
    assert run.changed == 0
    assert re.search(rf"^\* \d+: {re.escape(said[1])}, converged", run.output, re.M), run.output
    assert "rolled_back" in run.text


def test_roll_back_to_a_number(tmp_path: Path, sources: Sources, table: Table) -> None:
    listed = cluster().playbook("playbooks/releases.yml").output
    number, tag = re.findall(r"^ +(\d+): (\S+), converged", listed, re.M)[0]
    refused = roll(tmp_path, sources, "playbooks/rollback.yml", "release=999")
    assert refused.run.code != 0
    assert "has no release 999" in refused.run.text
    rollout = roll(tmp_path, sources, "playbooks/rollback.yml", f"release={number}")
    table.add("rollback to a number", rollout)
    assert rollout.run.code == 0, rollout.run.output
    assert rollout.failed == 0, rollout.report["failures"]
    assert versions() == {tag}


def test_probe_alone(tmp_path: Path, sources: Sources) -> None:
    rollout = roll(tmp_path, sources, "playbooks/probe.yml", "duration=10", "fail_on_loss=true")
    assert rollout.run.code == 0, rollout.run.output
    assert rollout.report["requests"] == 200
    assert rollout.failed == 0, rollout.report["failures"]
    assert set(rollout.report["by_node"]) == {node.address for node in cluster().nodes}
    assert "200 requests in 10 s, 0 failed" in rollout.run.text


def test_lint_finds_nothing() -> None:
    run = cluster().playbook("playbooks/lint.yml")
    assert run.code == 0, run.output
    assert run.changed == 0
    assert "no errors, 0 warnings" in run.text


def test_lint_finds_all_at_once(tmp_path: Path, sources: Sources) -> None:
    file = "stacks/monsterstack/compose.yml.j2"
    sources.edit(file, "{condition: any, delay: 2s}", "{condition: on-failure, delay: 2s}")
    sources.edit(file, "node.labels.monsterstack.redis == true", "node.hostname == nobody")
    sources.edit(
        file,
        "      order: start-first\n        failure_action: rollback\n",
        "      order: start-first\n        failure_action: pause\n",
    )
    run = cluster().playbook("playbooks/lint.yml", *words(tmp_path, sources, "tag=404"))
    sources.restore()
    assert run.code != 0
    for piece in (
        "service frontend: a task that ends with exit code 0 is never replaced",
        "service redis: no node that takes tasks meets node.hostname == nobody",
        "service frontend: the registry has no registry.swarm.internal:5443/monsterstack/front",
        "service frontend: a failed update stops half-way",
    ):
        assert piece in run.text, run.output


def test_teardown() -> None:
    refused = cluster().playbook("playbooks/teardown.yml")
    assert refused.code != 0
    assert "confirm=monsterstack" in refused.text
    run = cluster().playbook("playbooks/teardown.yml", "-e", "confirm=monsterstack")
    assert run.code == 0, run.output
    manager = cluster().managers[0]
    mine = "--filter label=com.docker.stack.namespace=monsterstack"
    for kind in ("service", "network", "secret", "config"):
        assert manager.run(f"docker {kind} ls -q {mine}").split() == []
    assert "monsterstack_redis_data on" in run.text
    again = cluster().playbook("playbooks/teardown.yml", "-e", "confirm=monsterstack")
    assert again.changed == 0, again.output
