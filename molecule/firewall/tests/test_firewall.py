"""What the firewall lets through, from outside and between nodes, and what it does when it would
lock the controller out. In this order: each test leaves the cluster as the next one needs it."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.cluster import Node, cluster, note, until
from tests.walls import PAGE, REGISTRY, SSH, controller, guard, on, private, scan, variables

pytestmark = [pytest.mark.machines, pytest.mark.fault("A5")]

DATA_PORT = 7777
RULES = "/etc/monsterstack-swarm-firewall.nft"
UNIT = "monsterstack-swarm-firewall.service"
STATE = "/run/monsterstack-swarm-firewall"
REVERT = "monsterstack-swarm-firewall-revert"
INTERESTING = {22, 2222, 2375, 2376, 2377, PAGE, 5001, REGISTRY, 7946, 8080}


@pytest.mark.fault("C16")
@pytest.mark.parametrize("name", ["m1", "w1"])
def test_from_outside_only_ssh_and_the_page_answer(name: str) -> None:
    address = cluster().node(name).address
    assert scan(address, INTERESTING) == {SSH[name], PAGE}
    assert cluster().node(name).get("/")[0] == 200


def knock(source: str, address: str, port: int) -> str:
    """open or shut, as one node finds another node's port."""
    said = on(source, f"timeout 6 bash -c '</dev/tcp/{address}/{port}' && echo open || echo shut")
    return said.split()[-1]


@pytest.mark.fault("C16")
def test_the_registry_is_for_the_nodes_by_either_network() -> None:
    assert knock("m1", cluster().node("w1").address, REGISTRY) == "open"
    assert knock("w1", private("m1"), REGISTRY) == "open"


def test_the_swarm_lives_in_the_private_network_on_its_own_data_port() -> None:
    nodes = json.loads(on("m1", "docker node inspect $(docker node ls -q)"))
    # A manager lists itself by 0.0.0.0 where it did not join.
    told = {node["Status"]["Addr"] for node in nodes} - {"0.0.0.0"}
    assert told <= {private("m1"), private("w1")}
    told_of_swarm = json.loads(on("m1", "docker info --format json"))["Swarm"]
    assert told_of_swarm["Cluster"]["DataPathPort"] == DATA_PORT
    run = cluster().playbook("playbooks/doctor.yml")
    assert run.code == 0, run.output
    assert "2 of 2 nodes looked at, 2 paths between them" in run.text


def test_a_second_run_changes_nothing() -> None:
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    assert run.changed == 0, run.output


def test_over_ipv6_too() -> None:
    """The addresses are given by hand: the lab's machines have none of their own."""
    link = f"lab-{variables('m1')['lab_name']}"
    here, there = "fd00:111::254", "fd00:111::11"
    on("m1", f"ip address replace {there}/64 dev eth0 nodad")
    subprocess.run(["ip", "address", "replace", f"{here}/64", "dev", link, "nodad"], check=True)
    try:
        until(lambda: scan(there, {22}) == {22}, 20, "SSH answers over IPv6")
        assert scan(there, INTERESTING) == {22}
    finally:
        subprocess.run(["ip", "address", "delete", f"{here}/64", "dev", link], check=True)
        on("m1", f"ip address delete {there}/64 dev eth0")


@pytest.mark.fault("C16")
def test_published_ports_can_be_for_some_networks_only() -> None:
    network = str(variables("m1")["lab_private_subnet"])
    run = guard(docker_engine_published_from=[network])
    assert run.code == 0, run.output
    # The smoke test asks from here, so this is said before it fails.
    assert f"leave out this computer, which the host knows as {controller()}" in run.text
    for name in ("m1", "w1"):
        assert scan(cluster().node(name).address, INTERESTING) == {SSH[name]}
    assert knock("m1", private("w1"), PAGE) == "open"
    run = guard(docker_engine_published_from=[network, f"{controller()}/32"])
    assert run.code == 0, run.output
    assert "leave out this computer" not in run.text
    assert scan(cluster().node("w1").address, {PAGE, REGISTRY}) == {PAGE}
    run = guard()
    assert run.code == 0, run.output


def answers(node: Node) -> bool:
    return scan(node.address, {SSH[node.name]}) == {SSH[node.name]}


def test_rules_that_cut_the_controller_off_revert_themselves_and_the_run_says_so() -> None:
    before = {name: on(name, f"sha256sum {RULES}") for name in SSH}
    begun = time.monotonic()
    run = guard(docker_engine_firewall_rules=[f"ip saddr {controller()} drop"])
    lasted = time.monotonic() - begun
    assert run.code != 0
    for name in SSH:
        assert f"{name}: the new firewall would have cut this computer off" in run.text, run.output
    reverted = until(lambda: all(answers(node) for node in cluster().nodes), 60, "SSH again")
    for name in SSH:
        assert on(name, f"sha256sum {RULES}") == before[name]
        said = on(name, f"nft list table inet monsterstack_swarm; systemctl is-enabled {UNIT}")
        assert f"ip saddr {controller()} drop" not in said
        assert "policy drop" in said
    note("firewall", "cut off", run_seconds=round(lasted), answered_after_the_run=reverted)
    run = guard()
    assert (run.code, run.changed) == (0, 0), run.output


def test_a_run_that_dies_before_the_new_login_leaves_the_old_rules() -> None:
    """The first half of what the action does, by hand: nobody logs in to confirm."""
    other = "tcp dport 9999 accept"
    arming = (
        f"mkdir -p {STATE} && cd {STATE} && cp {RULES} previous.nft"
        f" && sed '0,/iifname \"lo\" accept/s//&\\n    {other}/' {RULES} > next.nft"
        f" && systemd-run --on-active=5s --unit={REVERT} --collect /bin/sh -c"
        f" 'mv {STATE}/next.nft {STATE}/reverted.nft && nft --file {STATE}/previous.nft"
        f" && rm {STATE}/previous.nft' && nft --file next.nft"
    )
    on("w1", arming)
    assert "9999" in on("w1", "nft list table inet monsterstack_swarm")
    until(lambda: "9999" not in on("w1", "nft list table inet monsterstack_swarm"), 60, "reverted")
    run = guard()
    assert (run.code, run.changed) == (0, 0), run.output


def test_the_rules_are_there_after_a_reboot() -> None:
    cluster().lab("off", "m1")
    cluster().lab("on", "m1")
    m1 = cluster().node("m1")
    until(lambda: m1.get("/")[0] == 200, 180, "the page through m1")
    assert scan(m1.address, INTERESTING) == {22, PAGE}
