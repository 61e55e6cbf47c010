"""Each thing is broken on purpose, doctor.yml names it, and afterwards all is well again."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import plan as lab
from tests.cluster import Node, Run, cluster
from tests.life import STACK, redis

pytestmark = pytest.mark.machines


class Doctor:
    """A run of the playbook and its report."""

    def __init__(self, folder: Path) -> None:
        file = folder / "doctor.json"
        file.unlink(missing_ok=True)
        self.run: Run = cluster().playbook("playbooks/doctor.yml", "-e", f"report={file}")
        self.report: dict[str, Any] = json.loads(file.read_text())

    def said(self, level: str = "error") -> list[str]:
        return [
            f"{finding['where']}: {finding['problem']}"
            for finding in self.report["findings"]
            if finding["level"] == level
        ]


def wait_until_well(folder: Path, seconds: float = 240) -> None:
    """After a repair: tasks are placed anew, gossip finds its way back."""
    deadline = time.monotonic() + seconds
    while (doctor := Doctor(folder)).run.code:
        assert time.monotonic() < deadline, doctor.run.output


@contextmanager
def broken(node: Node, harm: str, repair: str) -> Iterator[None]:
    node.run(harm)
    try:
        yield
    finally:
        node.run(repair)


def test_a_well_cluster(tmp_path: Path) -> None:
    wait_until_well(tmp_path)
    doctor = Doctor(tmp_path)
    assert doctor.run.code == 0, doctor.run.output
    assert doctor.run.changed == 0
    assert doctor.said() == []
    assert doctor.report["checked"] == ["m1", "w1", "w2"]
    assert "3 of 3 nodes looked at, 6 paths between them" in doctor.run.output


def test_a_firewall_between_two_nodes(tmp_path: Path) -> None:
    w1, w2 = cluster().workers
    rules = "add table inet harm; add chain inet harm in { type filter hook input priority -10; }; "
    rules += f"add rule inet harm in ip saddr {w2.address} udp dport 4789 drop; "
    rules += f"add rule inet harm in ip saddr {w2.address} meta l4proto esp drop"
    with broken(w1, f'nft "{rules}"', "nft delete table inet harm"):
        doctor = Doctor(tmp_path)
    assert doctor.run.code != 0
    (said,) = doctor.said()
    assert said.startswith("w1: 4789/udp, ESP (IP protocol 50) do not pass to it from w2")
    wait_until_well(tmp_path)


def test_a_firewall_that_keeps_gossip_away(tmp_path: Path) -> None:
    w2 = cluster().node("w2")
    rules = "add table inet harm; add chain inet harm in { type filter hook input priority -10; }; "
    rules += "add rule inet harm in udp dport 7946 drop"
    with broken(w2, f'nft "{rules}"', "nft delete table inet harm"):
        doctor = Doctor(tmp_path)
    assert any(
        said.startswith("w2: 7946/udp does not pass to it from m1, w1") for said in doctor.said()
    ), doctor.run.output
    wait_until_well(tmp_path)


def test_a_short_line(tmp_path: Path) -> None:
    """The line to w2 loses long packets, and neither end knows."""
    cable = lab.Node("w2", ipaddress.IPv4Address(cluster().node("w2").address)).tap
    line = ["ip", "-n", "lab-sight", "link", "set", cable, "mtu"]
    subprocess.run([*line, "1400"], check=True)
    try:
        doctor = Doctor(tmp_path)
    finally:
        subprocess.run([*line, "1500"], check=True)
    (said,) = doctor.said()
    assert said.startswith("w2: packets of more than 1400 bytes do not pass to it from m1, w1")
    assert "monsterstack_monster_network" in said
    wait_until_well(tmp_path)


def test_a_node_that_is_cut_off(tmp_path: Path) -> None:
    cluster().lab("cut", "w2")
    try:
        doctor = Doctor(tmp_path)
    finally:
        cluster().lab("join", "w2")
    assert doctor.run.code != 0
    assert doctor.said()[0].startswith("w2: nothing passes between it and m1, w1")
    assert not [said for said in doctor.said() if "do not pass" in said or "calls it" in said]
    wait_until_well(tmp_path)


def test_an_engine_that_is_stopped(tmp_path: Path) -> None:
    w2 = cluster().node("w2")
    with broken(w2, "systemctl stop docker.socket docker", "systemctl start docker.socket docker"):
        doctor = Doctor(tmp_path)
    assert doctor.run.code != 0
    assert doctor.said()[0] == "w2: its Docker Engine is stopped"
    assert not [said for said in doctor.said() if said.startswith(("m1", "w1"))], doctor.said()
    wait_until_well(tmp_path)


def test_a_host_that_is_off(tmp_path: Path) -> None:
    cluster().lab("off", "w2")
    try:
        doctor = Doctor(tmp_path)
    finally:
        cluster().lab("on", "w2")
    assert doctor.run.code != 0
    assert doctor.said()[0] == "w2: Ansible does not reach it"
    assert doctor.report["checked"] == ["m1", "w1"]
    wait_until_well(tmp_path)


def test_a_service_address_that_leads_nowhere(tmp_path: Path) -> None:
    node, _container = cluster().containers("monsterstack_frontend")[0]
    found = cluster().managers[0].docker("service inspect monsterstack_imagebackend")[0]
    vip = found["Endpoint"]["VirtualIPs"][0]["Addr"].partition("/")[0]
    # Each task has a view of its own, and doctor.yml looks from one of them: all are spoilt here.
    pids = node.run(
        "docker ps -q --filter label=com.docker.stack.namespace=monsterstack"
        " | xargs docker inspect -f {{.State.Pid}}"
    ).split()
    rule = f"iptables -t mangle -I OUTPUT -d {vip} -p tcp -j DROP"
    harm = "; ".join(f"nsenter --net=/proc/{pid}/ns/net {rule}" for pid in pids)
    with broken(node, harm, harm.replace(" -I ", " -D ")):
        doctor = Doctor(tmp_path)
    (said,) = doctor.said()
    assert said.startswith(f"{node.name}/monsterstack_imagebackend")
    assert f"address {vip} does not answer" in said
    wait_until_well(tmp_path)


def test_a_disk_that_fills(tmp_path: Path) -> None:
    w1 = cluster().node("w1")
    fill = "fallocate -l $(( $(df --output=avail -B1 / | tail -n 1) - 100000000 )) /var/tmp/harm"
    with broken(w1, fill, "rm /var/tmp/harm"):
        doctor = Doctor(tmp_path)
    assert any(said.startswith("w1: /") and "left" in said for said in doctor.said())
    wait_until_well(tmp_path)


@pytest.mark.fault("point2")
def test_what_is_advised_for_a_full_disk_takes_nothing_away(tmp_path: Path) -> None:
    redis("set kept-by-the-prune yes")
    volumes = [node.run("docker volume ls -q") for node in cluster().nodes]
    for node in cluster().nodes:
        node.run("docker image prune --force")
    assert [node.run("docker volume ls -q") for node in cluster().nodes] == volumes
    assert "yes" in redis("get kept-by-the-prune")
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
    wait_until_well(tmp_path)


@pytest.mark.fault("point2")
def test_a_service_that_is_forced_keeps_its_data(tmp_path: Path) -> None:
    redis("set kept-by-the-force yes")
    for name in ("redis", "frontend", "imagebackend"):
        cluster().managers[0].run(f"docker service update --detach --force {STACK}_{name}")
    wait_until_well(tmp_path)
    assert "yes" in redis("get kept-by-the-force")
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output


def test_a_wrong_clock(tmp_path: Path) -> None:
    w1 = cluster().node("w1")
    ahead, back = (f"date -s @$(( $(date +%s) {sign} 600 ))" for sign in "+-")
    with broken(w1, ahead, back):
        doctor = Doctor(tmp_path)
    assert any("clocks are at least" in said for said in doctor.said()), doctor.run.output
    wait_until_well(tmp_path)
