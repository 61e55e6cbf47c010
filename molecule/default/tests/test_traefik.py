"""The stack's Traefik labels, read by a real Traefik that a user would run beside it."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import PROJECT, Node, cluster

pytestmark = pytest.mark.machines

PORT = 8088
HOST = "monsterstack.local"
IMAGE = "traefik:of-this-test"
SECONDS = 90


@pytest.fixture(scope="module")
def traefik(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The manager on which Traefik answers; the service goes afterwards."""
    program = shutil.which("traefik")
    assert program, "traefik is not in this environment: it comes with tests/requirements-dev.txt"
    manager = cluster().managers[0]
    archive = tmp_path_factory.mktemp("traefik") / "traefik.tar"
    folder = Path(program).parent
    subprocess.run(["tar", "-cf", archive, "-C", folder, "traefik"], check=True)
    lab = [str(PROJECT / "bin/lab"), "-i", str(manager.inventory), "ssh", manager.name, "--"]
    with archive.open("rb") as stream:
        importing = [*lab, f"sudo docker import --change 'ENTRYPOINT [\"/traefik\"]' - {IMAGE}"]
        subprocess.run(importing, stdin=stream, check=True, timeout=120, stdout=subprocess.DEVNULL)
    manager.run(
        "docker service create --quiet --detach --name traefik --no-resolve-image"
        " --constraint node.role==manager --network monsterstack_monster_network"
        f" --publish published={PORT},target=80,mode=host"
        " --mount type=bind,source=/var/run/docker.sock,target=/var/run/docker.sock,readonly"
        f" {IMAGE} --providers.swarm.exposedByDefault=false --providers.swarm.refreshSeconds=2"
        " --entrypoints.web.address=:80"
    )
    yield manager
    manager.run("docker service rm traefik")


def ask(node: Node, host: str) -> tuple[int, dict[str, str], bytes]:
    """What Traefik answers to a request for `/` of that host; a refused connection is status 0."""
    connection = http.client.HTTPConnection(node.address, PORT, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    except OSError:
        return 0, {}, b""
    finally:
        connection.close()


def test_traefik_finds_the_page_by_its_labels(traefik: Node) -> None:
    deadline = time.monotonic() + SECONDS
    while (answer := ask(traefik, HOST))[0] != 200:
        assert time.monotonic() < deadline, (
            f"{answer}\n{traefik.run('docker service logs traefik')}"
        )
        time.sleep(1)
    assert b"<title>MonsterStack</title>" in answer[2]
    # Its balancer reaches every task, over the encrypted network.
    replicas = {ask(traefik, HOST)[1].get("x-replica") for _ in range(12)}
    assert replicas == {"1", "2", "3"}


def test_another_host_is_not_the_page(traefik: Node) -> None:
    assert ask(traefik, "elsewhere.example")[0] == 404
