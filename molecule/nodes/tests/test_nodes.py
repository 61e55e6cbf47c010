"""Nodes that come and go, are reinstalled and change their role, while somebody asks for the page.

Each test begins and ends with all nodes there and all services whole.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import PROJECT, Cluster, cluster, note, until
from tests.life import (
    STACK,
    all_well,
    is_whole,
    leader,
    listed,
    lost,
    node_of,
    other_worker,
    play,
    redis,
)

pytestmark = pytest.mark.machines

SCENARIO = "nodes"


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Cluster]:
    """The cluster with hosts in other groups: a copy of the inventory."""

    def make(managers: list[str], workers: list[str]) -> Cluster:
        folder = tmp_path_factory.mktemp("moved") / cluster().inventory.name
        shutil.copytree(cluster().inventory, folder)
        groups = {
            group: {
                "hosts": {
                    name: {
                        "ansible_host": cluster().node(name).address,
                        "zone": cluster().node(name).zone,
                    }
                    for name in names
                }
            }
            for group, names in (("managers", managers), ("workers", workers))
        }
        (folder / "hosts.yml").write_text(json.dumps(groups), encoding="utf-8")
        return Cluster(folder, cluster().managers, cluster().workers)

    return make


def credentials() -> tuple[str, str]:
    """A copy of an inventory has the secrets of the original."""
    return "-e", f"credentials_dir={cluster().credentials}"


def test_a_node_is_removed_and_added(tmp_path: Path) -> None:
    gone = other_worker()
    run, reports, seconds = play(tmp_path, "playbooks/node_remove.yml", f"node={gone.name}")
    assert run.code == 0, run.output
    note(SCENARIO, "node removed", seconds=seconds, **lost(reports))
    assert lost(reports)["failed"] == 0, reports
    assert gone.name not in listed()
    assert gone.run("docker info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
    until(is_whole, 60)

    run, reports, seconds = play(tmp_path / "none", "site.yml")
    assert run.code == 0, run.output
    assert set(listed()) == {node.name for node in cluster().nodes}
    assert sum(row["changed"] for host, row in run.recap.items() if host != gone.name) <= 1, (
        run.output
    )
    note(SCENARIO, "node added", seconds=seconds)

    run, reports, seconds = play(tmp_path / "spread", "playbooks/rebalance.yml")
    assert run.code == 0, run.output
    note(SCENARIO, "tasks spread again", seconds=seconds, **lost(reports))
    assert lost(reports)["failed"] == 0, reports
    for service in ("frontend", "imagebackend"):
        places = {task["Node"] for task in cluster().tasks(f"{STACK}_{service}")}
        assert places == {node.name for node in cluster().workers}, run.output


@pytest.mark.parametrize("kind", ["worker", "manager"])
def test_a_reinstalled_machine_takes_its_place(kind: str) -> None:
    registry = node_of("registry")
    managers = [node for node in cluster().managers if node not in (registry, leader())]
    victim = other_worker() if kind == "worker" else managers[-1]
    witness = next(node for node in cluster().managers if node != victim)
    witness.run(f"docker node update --label-add mine=kept {victim.name}")
    cluster().lab("wipe", victim.name)
    cluster().lab("on", victim.name)
    run = cluster().playbook("playbooks/node_replace.yml", "-e", f"node={victim.name}")
    assert run.code == 0, run.output
    note(SCENARIO, f"reinstalled {kind} replaced", seconds=run.seconds)
    names = witness.run("docker node ls --format '{{.Hostname}}'").split()
    assert sorted(names) == sorted(node.name for node in cluster().nodes)
    inspected = witness.docker(f"node inspect {victim.name}")[0]
    assert inspected["Spec"]["Labels"] == {"zone": victim.zone, "mine": "kept"}
    assert inspected["Spec"]["Role"] == kind
    until(lambda: all_well(witness), 60)
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output


def test_a_dead_node_is_removed() -> None:
    victim = other_worker()
    cluster().lab("off", victim.name)
    until(lambda: listed()[victim.name] == "Down", 60)
    words = ["playbooks/node_remove.yml", "-e", f"node={victim.name}"]
    refused = cluster().playbook(*words)
    assert refused.code != 0
    assert "-e dead=true" in refused.output
    run = cluster().playbook(*words, "-e", "dead=true")
    assert run.code == 0, run.output
    note(SCENARIO, "dead node removed", seconds=run.seconds)
    assert victim.name not in listed()
    # Back from the dead it still thinks that it is in the swarm: said, with the remedy.
    cluster().lab("on", victim.name)
    run = cluster().playbook("site.yml")
    assert run.code != 0
    assert f"Run 'docker swarm leave --force' on {victim.name}" in run.output
    victim.run("docker swarm leave --force")
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    until(all_well, 60)


def test_hosts_change_their_groups(moved: Callable[..., Cluster]) -> None:
    up = other_worker().name
    down = next(n.name for n in cluster().managers if n not in (node_of("registry"), leader()))
    managers = [n.name for n in cluster().managers if n.name != down]
    workers = [n.name for n in cluster().workers if n.name != up]
    run = moved([*managers, up], [*workers, down]).playbook("site.yml", *credentials())
    assert run.code == 0, run.output
    note(SCENARIO, "roles changed", seconds=run.seconds)
    roles = roles_seen()
    assert {name for name, role in roles.items() if role == "manager"} == {*managers, up}
    assert {task["Node"] for task in cluster().tasks(f"{STACK}_frontend")} <= {*workers, down}
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    assert {n for n, role in roles_seen().items() if role == "manager"} == {*managers, down}
    until(all_well, 60)


def labels_of(node: str) -> dict[str, str]:
    found: dict[str, str] = (
        cluster().managers[0].docker(f"node inspect {node}")[0]["Spec"]["Labels"]
    )
    return found


@pytest.mark.fault("A11")
def test_a_purge_leaves_the_pin_of_a_node_that_changed_its_group(
    moved: Callable[..., Cluster],
) -> None:
    holder = node_of(f"{STACK}_redis").name
    down = next(n.name for n in cluster().managers if n not in (node_of("registry"), leader()))
    managers = [n.name for n in cluster().managers if n.name != down]
    workers = [n.name for n in cluster().workers if n.name != holder]
    cluster().managers[0].run(
        f"docker node update --label-add old=x --label-add shop.db=true {down}"
    )
    purge = ("-e", '{"swarm_purge_labels": true}')
    # Those of this test and the one that an earlier test has left.
    gone = [f"node {down}/Labels/(old|shop[.]db)", "node .*/Labels/mine"]
    run = moved([*managers, holder], [*workers, down]).playbook(
        "site.yml", *credentials(), *purge, meant=gone
    )
    assert run.code == 0, run.output
    assert labels_of(holder)[f"{STACK}.redis"] == "true"
    assert node_of(f"{STACK}_redis").name == holder
    # Nothing is bound to the label of a shop, so it was nobody's pin.
    assert not {"old", "shop.db"} & set(labels_of(down))
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    until(all_well, 60)


@pytest.mark.fault("A11")
def test_a_pin_that_somebody_took_off_is_not_given_to_another_node() -> None:
    holder, manager = node_of(f"{STACK}_redis").name, cluster().managers[0]
    manager.run(f"docker node update --label-rm {STACK}.redis {holder}")
    refused = cluster().playbook("site.yml")
    assert refused.code != 0, refused.output
    back = f"docker node update --label-add {STACK}.redis=true {holder}"
    assert back in refused.text
    # The volume is there, so nobody is believed who says that it is not.
    lost = cluster().playbook("site.yml", "-e", "data=lost")
    assert lost.code != 0, lost.output
    assert back in lost.text
    # Nor while the machine that has it is off: the machine is what is named first.
    cluster().lab("off", holder)
    until(lambda: listed()[holder] == "Down", 60)
    away = cluster().playbook("site.yml", "-e", "data=lost")
    cluster().lab("on", holder)
    until(lambda: listed()[holder] == "Ready", 120)
    assert f"{holder}: it cannot be reached" in away.text, away.output
    assert f"It ran last on {holder}" in away.text
    assert f"node_remove.yml -e node={holder} -e dead=true" in away.text
    # What the operator is advised to type.
    manager.run(back)
    until(all_well, 60)
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
    assert node_of(f"{STACK}_redis").name == holder


def roles_seen() -> dict[str, str]:
    """Host name and role of each node."""
    form = "{{.Description.Hostname}} {{.Spec.Role}}"
    lines = cluster().managers[0].run(f"docker node inspect $(docker node ls -q) --format '{form}'")
    return dict(line.split() for line in lines.splitlines())


def test_a_demotion_below_quorum_is_refused(moved: Callable[..., Cluster]) -> None:
    first, silent, other = (node.name for node in cluster().managers)
    cluster().lab("off", silent)
    workers = [node.name for node in cluster().workers]
    run = moved([first], [silent, other, *workers]).playbook("site.yml", *credentials())
    kept = roles_seen()
    cluster().lab("on", silent)
    until(all_well, 120)
    assert run.code != 0
    assert f"{other} must stay a manager" in run.output
    assert kept[other] == "manager"


@pytest.mark.fault("point2")
def test_data_are_moved_to_another_node() -> None:
    """As docs/nodes.md says; a node that has the data is not removed before, whatever is typed."""
    old, new, manager = node_of(f"{STACK}_redis"), other_worker(), cluster().managers[0]
    redis("set kept-by-the-move yes")
    refused = cluster().playbook(
        "playbooks/node_remove.yml", "-e", f"node={old.name}", "-e", "data=lost"
    )
    assert refused.code != 0, refused.output
    assert f"{STACK}_redis_data is there" in refused.text
    volume = f"{STACK}_redis_data"
    place = f"/var/lib/docker/volumes/{volume}/_data"
    manager.run(f"docker node update --label-rm {STACK}.redis {old.name}")
    old.run(f"while docker ps -q --filter volume={volume} | grep -q .; do sleep 1; done")
    new.run(f"docker volume create --label com.docker.stack.namespace={STACK} {volume}")
    lab = f"{PROJECT}/bin/lab -i {cluster().inventory} ssh"
    copy = (
        f"{lab} {old.name} -- sudo tar -C {place} -c . | {lab} {new.name} -- sudo tar -C {place} -x"
    )
    subprocess.run(["sh", "-c", copy], check=True, timeout=120)
    manager.run(f"docker node update --label-add {STACK}.redis=true {new.name}")
    until(all_well, 120)
    assert node_of(f"{STACK}_redis") == new
    assert "yes" in redis("get kept-by-the-move")
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
