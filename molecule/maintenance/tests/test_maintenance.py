"""Nodes that are worked on, while somebody keeps asking for the page.

Each test begins and ends with all nodes there and all services whole.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster import PROJECT, Node, cluster, note, until
from tests.life import (
    STACK,
    all_well,
    boot_id,
    leader,
    listed,
    lost,
    node_of,
    other_worker,
    play,
    redis,
)

pytestmark = pytest.mark.machines

SCENARIO = "maintenance"


def test_refusals() -> None:
    def said(*words: str) -> str:
        run = cluster().playbook(*words)
        assert run.code != 0, run.output
        return run.output

    assert "Say what is to be done" in said("playbooks/maintenance.yml")
    assert "there is no file" in said("playbooks/maintenance.yml", "-e", "do=nowhere.yml")
    assert "has no w9" in said("playbooks/maintenance.yml", "-e", "do=reboot", "-e", "node=w9")
    assert "-e node=w1" in said("playbooks/maintenance.yml", "-e", "do=reboot", "--limit", "w1")
    holder = node_of(f"{STACK}_redis").name
    words = ["playbooks/node_remove.yml", "-e", f"node={holder}"]
    assert "holds monsterstack.redis" in said(*words)
    assert "is not dead" in said(*words, "-e", "dead=true", "-e", "data=lost")
    assert "nothing to replace" in said("playbooks/node_replace.yml", "-e", f"node={holder}")
    assert all_well()


def test_reboot_every_node(tmp_path: Path) -> None:
    boots = {node.name: boot_id(node) for node in cluster().nodes}
    redis("SET maintenance:kept yes")
    visits = redis("DBSIZE")
    run, reports, seconds = play(tmp_path, "playbooks/maintenance.yml", "do=reboot")
    assert run.code == 0, run.output
    figures = lost(reports)
    note(SCENARIO, "every node rebooted", seconds=seconds, **figures)
    assert set(reports) == {*boots, "rebalance"}
    assert figures["failed"] == 0, {name: report["failures"] for name, report in reports.items()}
    assert all(boot_id(node) != boots[node.name] for node in cluster().nodes)
    assert redis("GET maintenance:kept") == "yes"
    assert int(redis("DBSIZE")) >= int(visits)
    assert all_well()
    places = {task["Node"] for task in cluster().tasks(f"{STACK}_frontend")}
    assert places == {node.name for node in cluster().workers}


def test_the_node_of_redis_is_rebooted(tmp_path: Path) -> None:
    redis("SET maintenance:kept again")
    node = node_of(f"{STACK}_redis")
    run, reports, seconds = play(
        tmp_path, "playbooks/maintenance.yml", "do=reboot", f"node={node.name}"
    )
    assert run.code == 0, run.output
    note(SCENARIO, "Redis' node rebooted", seconds=seconds, data_lost=0, **lost(reports))
    assert lost(reports)["failed"] == 0, reports
    assert redis("GET maintenance:kept") == "again"


def test_engine_settings_reach_one_node_at_a_time(tmp_path: Path) -> None:
    settings = json.dumps({"docker_engine_config": {"max-concurrent-downloads": 5}})
    begun = {node.name: started(node) for node in cluster().nodes}
    run, reports, seconds = play(tmp_path, "site.yml", settings)
    assert run.code == 0, run.output
    figures = lost(reports)
    note(SCENARIO, "engine settings through site.yml", seconds=seconds, **figures)
    assert set(reports) == set(begun)
    assert figures["failed"] == 0, reports
    assert all(started(node) > begun[node.name] for node in cluster().nodes)
    again = cluster().playbook("site.yml", "-e", settings)
    assert (again.code, again.changed) == (0, 0), again.output
    # And back, by the other way.
    undone = json.dumps({"docker_engine_config": {"max-concurrent-downloads": None}})
    run, reports, seconds = play(tmp_path, "playbooks/maintenance.yml", "do=engine", undone)
    assert run.code == 0, run.output
    assert lost(reports)["failed"] == 0, reports
    assert (
        "no node needs it"
        in cluster().playbook("playbooks/maintenance.yml", "-e", "do=engine", "-e", undone).output
    )


OFFER = r"""
mkdir -p /srv/newer
cd /srv/newer
apt-get -qq update
apt-get -qq -o APT::Sandbox::User=root download docker.io
dpkg-deb -R docker.io_*.deb tree
sed -i "s/^Version: .*/&+newer/" tree/DEBIAN/control
dpkg-deb -Zgzip -z1 -b tree newer.deb
rm -r tree docker.io_*.deb
{
  dpkg-deb -f newer.deb
  echo "Filename: ./newer.deb"
  echo "Size: $(stat -c %s newer.deb)"
  echo "SHA256: $(sha256sum newer.deb | cut -d " " -f 1)"
} >Packages
echo "deb [trusted=yes] file:/srv/newer ./" >/etc/apt/sources.list.d/newer.list
"""


def test_a_newer_engine_reaches_those_that_are_offered_it(tmp_path: Path) -> None:
    # Debian's own package under a higher version, in a repository on the node: apt, the package's
    # scripts and the restart are the real ones.
    offered = (other_worker(), next(n for n in cluster().managers if n != leader()))
    begun = {node.name: started(node) for node in cluster().nodes}
    try:
        for node in offered:
            node.run(f"set -e{OFFER}")
        run, reports, seconds = play(tmp_path, "playbooks/maintenance.yml", "do=upgrade")
        assert run.code == 0, run.output
        again = cluster().playbook("playbooks/maintenance.yml", "-e", "do=upgrade")
    finally:
        for node in offered:
            node.run("rm -rf /srv/newer /etc/apt/sources.list.d/newer.list")
    note(SCENARIO, "engine upgraded on two nodes", seconds=seconds, **lost(reports))
    assert set(reports) == {*(node.name for node in offered), "rebalance"}
    assert lost(reports)["failed"] == 0, reports
    for node in cluster().nodes:
        version = node.run("dpkg-query -W -f '${Version}' docker.io")
        assert version.endswith("+newer") == (node in offered), (node.name, version)
        assert (started(node) > begun[node.name]) == (node in offered), node.name
    assert again.code == 0, again.output
    assert "no node needs it" in again.output
    assert all_well()


def started(node: Node) -> float:
    """When the node's engine was started, in seconds since 1970."""
    return float(node.run("stat -c %Y /var/run/docker.pid"))


def test_failed_work_puts_the_node_back_and_stops(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.yml"
    tasks.write_text(
        "- ansible.builtin.command: touch /run/was-here\n"
        "- ansible.builtin.command: /bin/false\n"
        "  when: inventory_hostname == 'w1'\n"
    )
    for node in cluster().nodes:
        node.run("rm -f /run/was-here")
    run, reports, _seconds = play(
        tmp_path, "playbooks/maintenance.yml", f"do={tasks}", "node=w1,w2"
    )
    assert run.code != 0
    assert "It takes work as before (active)" in run.output
    assert lost(reports)["failed"] == 0, reports
    was = {node.name: node.run("ls /run") for node in cluster().nodes}
    assert [name for name, files in was.items() if "was-here" in files] == ["w1"]
    until(all_well, 60)
    states = cluster().managers[0].run("docker node ls --format '{{.Availability}}'")
    assert set(states.split()) == {"Active"}


def test_a_node_that_does_not_come_back_is_said_to_be_left_without_work(tmp_path: Path) -> None:
    victim = other_worker()
    off = json.dumps([str(PROJECT / "bin/lab"), "-i", str(cluster().inventory), "off", victim.name])
    tasks = tmp_path / "tasks.yml"
    tasks.write_text(
        f"- ansible.builtin.command: {{argv: {off}}}\n"
        "  delegate_to: localhost\n"
        "  become: false\n"
        "  vars: {ansible_connection: local}\n"
        "- ansible.builtin.wait_for_connection: {timeout: 10}\n"
    )
    run, reports, _seconds = play(
        tmp_path, "playbooks/maintenance.yml", f"do={tasks}", f"node={victim.name}"
    )
    cluster().lab("on", victim.name)
    assert run.code != 0
    assert "The host does not answer, so it gets no work" in run.text
    assert f"maintenance.yml -e do=nothing -e node={victim.name}" in run.text
    assert lost(reports)["failed"] == 0, reports
    until(lambda: listed()[victim.name] == "Ready", 60)
    run, _reports, _seconds = play(
        tmp_path / "again", "playbooks/maintenance.yml", "do=nothing", f"node={victim.name}"
    )
    assert run.code == 0, run.output
    until(all_well, 60)
    states = cluster().managers[0].run("docker node ls --format '{{.Availability}}'")
    assert set(states.split()) == {"Active"}
