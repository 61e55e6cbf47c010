"""The rows of docs/security.md, from outside and on the nodes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import (
    PROJECT,
    assert_no_secret,
    cluster,
    environment,
    everything_said_on,
    open_ports,
)

pytestmark = pytest.mark.machines

PAGE, REGISTRY = 5000, 5443
PUBLISHED = {PAGE, REGISTRY}
SWARM_PORTS = {2377, 7946, 4789}
STACK = "monsterstack"
SERVICES = ("frontend", "imagebackend", "redis")
CIS_ROW = re.compile(r"^\| ([\d., -]+) \| .*? \| (pass|fail|exception|not here) \|", re.MULTILINE)


# From outside


@pytest.mark.fault("C16")
@pytest.mark.parametrize("name", ["m1", "w1"])
def test_open_tcp_ports(name: str) -> None:
    address = cluster().node(name).address
    found = asyncio.run(open_ports(address, range(1, 65536), 1.5))
    # While all are asked at once, an open one may need longer.
    found |= asyncio.run(open_ports(address, {22, *PUBLISHED} - found, 10))
    assert found == {22, PAGE}


# Listens behind the host's firewall for packets with a mark, and says from whom they came.
LISTEN = """
import select, socket, time
socks = [socket.socket(socket.AF_INET, socket.SOCK_RAW, p) for p in (17, 50)]
seen, end = set(), time.time() + {seconds}
print("listening", flush=True)
while time.time() < end:
    for sock in select.select(socks, [], [], 0.2)[0]:
        packet = sock.recv(65535)
        if b"{mark}" in packet:
            start = (packet[0] & 15) * 4
            port = packet[9] == 17 and int.from_bytes(packet[start + 2:start + 4], "big")
            seen.add((socket.inet_ntoa(packet[12:16]), port or "esp"))
for source, port in sorted(seen, key=str):
    print(source, port)
"""
SEND = """
import socket
for port in (4789, 7946):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"{mark}", ("{to}", port))
esp = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
esp.sendto(bytes(8) + b"{mark}", ("{to}", 0))
"""


def as_command(program: str) -> str:
    text = base64.b64encode(program.encode()).decode()
    return f"echo {text} | base64 -d | python3 -"


def test_udp_and_esp_of_swarm_are_closed_to_others_and_open_to_nodes() -> None:
    m1, w1 = cluster().node("m1"), cluster().node("w1")
    mark = f"mark-{time.time_ns()}"
    send = SEND.format(mark=mark, to=w1.address)
    with ThreadPoolExecutor() as pool:
        heard = pool.submit(w1.run, as_command(LISTEN.format(seconds=12, mark=mark)))
        time.sleep(5)  # it listens by then
        exec(compile(send, "outside", "exec"), {})  # this computer is no node
        m1.run(as_command(send))
        lines = heard.result().splitlines()
    assert lines == [
        "listening",
        f"{m1.address} esp",
        f"{m1.address} 4789",
        f"{m1.address} 7946",
    ]


# On the nodes


@pytest.mark.parametrize("name", ["m1", "w1", "w2"])
def test_dockers_interface_is_on_no_tcp_port(name: str) -> None:
    node = cluster().node(name)
    listening = node.run("ss --no-header -tlnp")
    ports = {
        int(line.split()[3].rpartition(":")[2])
        for line in listening.splitlines()
        if '"dockerd"' in line
    }
    assert ports, "the Swarm's own ports are listened on"
    assert ports <= SWARM_PORTS | PUBLISHED
    assert "-H tcp" not in node.run("cat /proc/$(pidof dockerd)/cmdline | tr '\\0' ' '")


def test_secrets_stand_in_no_facts_and_no_output() -> None:
    inventory = str(cluster().inventory)
    facts = subprocess.run(
        ["ansible", "-i", inventory, "all", "-m", "ansible.builtin.setup", "--become"],
        cwd=PROJECT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "ansible_hostname" in facts.stdout
    assert_no_secret(facts.stdout + facts.stderr, "the facts of ansible")
    for playbook in ("doctor", "status", "audit"):
        run = cluster().playbook(f"playbooks/{playbook}.yml", "-vvv")
        assert run.code == 0, run.output
        assert_no_secret(run.output, f"the output of {playbook}.yml -vvv")
        assert "SWMTKN-" not in run.output


@pytest.mark.parametrize("name", ["m1", "w1", "w2"])
def test_secrets_stand_in_no_log_and_no_inspect(name: str) -> None:
    assert_no_secret(everything_said_on(cluster().node(name)), f"what {name} tells")


# The registry


# On a node: to all others the registry's port is closed.
ASK = """
import http.client, ssl
name, port = "registry.swarm.internal", 5443
context = ssl.create_default_context(cafile=f"/etc/docker/certs.d/{{name}}:{{port}}/ca.crt")
connection = http.client.HTTPSConnection(name, port, context=context, timeout=10)
connection.request("{method}", "{path}", headers={headers})
print(connection.getresponse().status)
"""


def ask_registry(method: str, path: str, login: str = "") -> int:
    token = base64.b64encode(login.encode()).decode()
    headers = {"Authorization": f"Basic {token}"} if login else {}
    program = ASK.format(method=method, path=path, headers=headers)
    return int(cluster().workers[0].run(as_command(program)))


REQUESTS = {
    "list": ("GET", "/v2/_catalog", 200),
    "pull": ("GET", "/v2/monsterstack/frontend/manifests/1.0", 200),
    "push": ("POST", "/v2/monsterstack/frontend/blobs/uploads/", 202),
    "push something new": ("POST", "/v2/stranger/thing/blobs/uploads/", 202),
}


@pytest.mark.parametrize(("method", "path", "good"), REQUESTS.values(), ids=REQUESTS)
def test_the_registry_wants_a_login(method: str, path: str, good: int) -> None:
    password = (cluster().credentials / "registry_password").read_text().strip()
    assert ask_registry(method, path) == 401
    assert ask_registry(method, path, "swarm:wrong") == 401
    assert ask_registry(method, path, f"swarm:{password}") == good


# The running containers


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_confined(service: str) -> None:
    containers = cluster().containers(f"{STACK}_{service}")
    assert containers
    for node, container in containers:
        found = node.docker(f"inspect {container}")[0]
        status = node.run(f"cat /proc/{found['State']['Pid']}/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert 0 not in {int(number) for number in fields["Uid"].split()}
        assert {int(fields[kind], 16) for kind in ("CapEff", "CapPrm", "CapInh")} == {0}
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == "2"
        # From the host, so that the image needs no shell: root itself cannot write there.
        said = node.run(f"touch /proc/{found['State']['Pid']}/root/x 2>&1 || :")
        assert "Read-only file system" in said


# The benchmark


def audit(folder: Path) -> tuple[int, dict[str, str], str]:
    """How audit.yml ended, each check's result, and what it printed."""
    run = cluster().playbook("playbooks/audit.yml", "-e", f"table={folder / 'cis.md'}")
    return run.code, dict(CIS_ROW.findall((folder / "cis.md").read_text())), run.output


def test_the_benchmark_passes_and_the_document_says_the_same(tmp_path: Path) -> None:
    code, results, output = audit(tmp_path)
    assert code == 0, output
    assert len(results) > 40
    assert "fail" not in results.values()
    documented = dict(CIS_ROW.findall((PROJECT / "docs/security.md").read_text()))
    assert documented == results


def test_the_benchmark_finds_what_is_wrong(tmp_path: Path) -> None:
    node, container = cluster().containers(f"{STACK}_redis")[0]
    image = node.run(f"docker inspect -f {{{{.Image}}}} {container}").strip()
    node.run(
        "docker run -d --rm --name harm --privileged --network host -v /etc:/host --user 0"
        f" -e ROOT_PASSWORD=x --entrypoint sleep {image} 600"
    )
    try:
        code, results, output = audit(tmp_path)
    finally:
        node.run("docker rm -f harm")
    assert code != 0
    for number in ("4.1", "5.4", "5.5", "5.6", "5.10", "5.11", "5.13", "7.4"):
        assert results[number] == "fail", (number, output)
    assert f"{node.name}: harm" in output


# What a scan proves needs hosts that are guarded


def test_the_firewall_is_what_this_scenario_is_about() -> None:
    listed = subprocess.run(
        ["ansible-inventory", "-i", str(cluster().inventory), "--host", "m1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(listed.stdout)["docker_engine_firewall"] is True
    with socket.create_connection((cluster().node("m1").address, 22), timeout=5):
        pass
