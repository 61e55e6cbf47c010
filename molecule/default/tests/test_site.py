"""What site.yml promises: from outside (HTTP, Ansible's output) and inside (the nodes)."""

from __future__ import annotations

import collections
import http.client
import re
import ssl
import time
from typing import Any

import pytest

from tests.cluster import Node, assert_no_secret, cluster, everything_said_on

pytestmark = pytest.mark.machines

SERVICES = {"frontend": 3, "imagebackend": 2, "redis": 1}
LIMITS = {  # memory in bytes, CPU time in microseconds of each 100 ms
    "frontend": (256 << 20, 50000),
    "imagebackend": (128 << 20, 30000),
    "redis": (256 << 20, 30000),
}
OWN = ["frontend", "imagebackend"]


def test_the_inventory_is_not_empty() -> None:
    assert len(cluster().managers) == 1
    assert len(cluster().workers) == 2


class TestFromOutside:
    """As a visitor and as an operator."""

    @pytest.mark.parametrize("name", ["m1", "w1", "w2"])
    def test_every_node_answers(self, name: str) -> None:
        node = cluster().node(name)
        status, headers, body = node.get("/")
        assert status == 200
        assert b"<title>MonsterStack</title>" in body
        assert headers["x-version"] == "1.0"
        status, headers, body = node.get("/monster/verify?size=64")
        assert (status, headers["content-type"]) == (200, "image/png")
        assert body.startswith(b"\x89PNG\r\n\x1a\n")

    def test_all_replicas_answer_through_one_node(self) -> None:
        node = cluster().managers[0]
        replicas = {node.get("/")[1]["x-replica"] for _ in range(30)}
        assert replicas == {"1", "2", "3"}

    def test_the_second_answer_comes_from_a_cache(self) -> None:
        path = f"/monster/cache-{time.time_ns()}?size=64"
        assert cluster().workers[0].get(path)[1]["x-cache"] == "backend"
        assert cluster().workers[1].get(path)[1]["x-cache"] in ("redis", "lru")

    def test_the_registry_speaks_tls_and_wants_a_login(self) -> None:
        node = cluster().workers[0]
        status, _headers, body = node.get("/v2/", port=5443)
        assert (status, b"HTTPS server" in body) == (400, True)
        context = ssl.create_default_context(cafile=cluster().credentials / "registry_ca.pem")
        context.check_hostname = False  # the name is known to the nodes, not to the controller
        connection = http.client.HTTPSConnection(node.address, 5443, context=context, timeout=10)
        connection.request("GET", "/v2/_catalog")
        assert connection.getresponse().status == 401
        connection.close()

    def test_check_mode_changes_nothing_and_no_secret_is_shown(self) -> None:
        run = cluster().playbook("site.yml", "--check", "--diff", "-vv")
        assert run.code == 0, run.output
        assert run.changed == 0, run.output
        assert_no_secret(run.output, "the output of ansible-playbook --check --diff -vv")

    def test_check_mode_predicts_a_change_and_does_nothing(self) -> None:
        before = cluster().service("monsterstack_frontend")
        settings = '{"monsterstack_settings": {"frontend": {"replicas": 4}}}'
        run = cluster().playbook("site.yml", "--check", "-e", settings)
        assert run.code == 0, run.output
        assert run.changed > 0, run.output
        assert re.search(r"frontend.*replicas", run.output)
        assert cluster().service("monsterstack_frontend") == before

    def test_a_second_run_changes_nothing(self) -> None:
        run = cluster().playbook("site.yml", "--diff", "-vvv")
        assert run.code == 0, run.output
        assert run.changed == 0, run.output
        assert_no_secret(run.output, "the output of ansible-playbook --diff -vvv")
        assert "kept tag 1.0" in run.output
        assert "SWMTKN-" not in run.output

    @pytest.mark.parametrize("part", ["docker_engine", "swarm", "registry", "images", "stack"])
    def test_a_part_runs_alone(self, part: str) -> None:
        run = cluster().playbook("site.yml", "--tags", part)
        assert run.code == 0, run.output
        assert run.changed == 0, run.output

    def test_a_label_changed_by_hand_is_set_back(self) -> None:
        cluster().managers[0].run("docker node update --label-add zone=nowhere w1")
        run = cluster().playbook("site.yml")
        assert run.code == 0, run.output
        assert run.changed == 1, run.output
        zones = {n["Description"]["Hostname"]: n["Spec"]["Labels"]["zone"] for n in inspect_nodes()}
        assert zones["w1"] == "a"

    def test_a_registry_changed_by_hand_is_set_back(self) -> None:
        manager = cluster().managers[0]
        manager.run("docker service update --quiet --env-add REGISTRY_LOG_LEVEL=debug registry")
        run = cluster().playbook("site.yml")
        assert run.code == 0, run.output
        assert run.changed == 1, run.output
        spec = manager.run("docker service inspect -f '{{json .Spec}}' registry")
        assert "REGISTRY_AUTH_HTPASSWD_PATH" in spec
        assert "REGISTRY_LOG_LEVEL" not in spec


class TestServices:
    """As Swarm sees them."""

    @pytest.mark.parametrize(("name", "replicas"), SERVICES.items(), ids=SERVICES)
    def test_replicas(self, name: str, replicas: int) -> None:
        tasks = cluster().tasks(f"monsterstack_{name}")
        assert len(tasks) == replicas
        assert all(task["CurrentState"].startswith("Running") for task in tasks)
        assert len(cluster().containers(f"monsterstack_{name}")) == replicas

    @pytest.mark.parametrize("name", OWN)
    def test_own_services_run_on_workers_of_all_zones(self, name: str) -> None:
        workers = {node.name: node for node in cluster().workers}
        places = [task["Node"] for task in cluster().tasks(f"monsterstack_{name}")]
        assert set(places) <= set(workers)
        zones = collections.Counter(workers[place].zone for place in places)
        assert set(zones) == {"a", "b"}
        assert max(zones.values()) - min(zones.values()) <= 1

    @pytest.mark.parametrize("name", SERVICES)
    def test_the_digest_is_pinned(self, name: str) -> None:
        spec = cluster().service(f"monsterstack_{name}")
        image = spec["TaskTemplate"]["ContainerSpec"]["Image"]
        assert re.search(r":[\w.]+@sha256:[0-9a-f]{64}$", image)
        for node, container in cluster().containers(f"monsterstack_{name}"):
            found = node.docker(f"inspect {container}")[0]
            digests = node.docker(f"image inspect {found['Image']}")[0]["RepoDigests"]
            assert image.rpartition("@")[2] in " ".join(digests)

    def test_redis_is_pinned_to_the_node_with_its_volume(self) -> None:
        labelled = [
            node["Description"]["Hostname"]
            for node in inspect_nodes()
            if node["Spec"]["Labels"].get("monsterstack.redis") == "true"
        ]
        assert [task["Node"] for task in cluster().tasks("monsterstack_redis")] == labelled
        node = cluster().node(labelled[0])
        assert "monsterstack_redis_data" in node.run("docker volume ls -q")

    def test_zones_are_labels(self) -> None:
        zones = {n["Description"]["Hostname"]: n["Spec"]["Labels"]["zone"] for n in inspect_nodes()}
        assert zones == {node.name: node.zone for node in cluster().nodes}

    def test_the_compose_file_stays_and_is_valid(self) -> None:
        file = "/var/lib/monsterstack-swarm/stacks/monsterstack/compose.yml"
        config = cluster().managers[0].run(f"docker stack config --compose-file {file}")
        assert "monsterstack/frontend" in config


class TestContainers:
    """On the nodes themselves."""

    @pytest.mark.parametrize("name", SERVICES)
    def test_limits_are_in_force(self, name: str) -> None:
        for node, container in cluster().containers(f"monsterstack_{name}"):
            pid = node.run(f"docker inspect -f {{{{.State.Pid}}}} {container}").strip()
            group = "/sys/fs/cgroup" + node.run(f"cut -d: -f3 /proc/{pid}/cgroup").strip()
            memory = int(node.run(f"cat {group}/memory.max"))
            quota, period = node.run(f"cat {group}/cpu.max").split()
            assert (memory, int(quota) * 100000 // int(period)) == LIMITS[name]

    @pytest.mark.parametrize("name", SERVICES)
    def test_containers_are_confined(self, name: str) -> None:
        for node, container in cluster().containers(f"monsterstack_{name}"):
            found: dict[str, Any] = node.docker(f"inspect {container}")[0]
            assert found["HostConfig"]["ReadonlyRootfs"]
            assert found["HostConfig"]["CapDrop"] in (["ALL"], ["CAP_ALL"])
            status = node.run(f"cat /proc/{found['State']['Pid']}/status")
            fields = dict(line.split(":\t", 1) for line in status.splitlines())
            assert int(fields["Uid"].split()[0]) != 0
            assert int(fields["CapEff"], 16) == 0
            assert fields["NoNewPrivs"] == "1"

    @pytest.mark.parametrize("name", ["frontend", "redis"])
    def test_the_password_is_mounted(self, name: str) -> None:
        password = (cluster().credentials / "redis_password").read_text().strip()
        for node, container in cluster().containers(f"monsterstack_{name}"):
            assert node.run(f"docker exec {container} cat /run/secrets/redis_password") == password

    def test_secrets_stand_nowhere_else(self) -> None:
        for node in cluster().nodes:
            where = f"inspect, logs or command lines on {node.name}"
            assert_no_secret(everything_said_on(node), where)
        manager = cluster().managers[0]
        assert_no_secret(
            manager.run(
                "docker service ls -q | xargs docker service inspect;"
                " docker secret ls -q | xargs docker secret inspect;"
                " docker config ls -q | xargs -r docker config inspect;"
                " cat /var/lib/monsterstack-swarm/stacks/*/*"
            ),
            "services, secrets, configs or compose files",
        )

    def test_redis_refuses_without_the_password(self) -> None:
        ((node, container),) = cluster().containers("monsterstack_redis")
        answer = node.run(f"docker exec {container} redis-cli ping; true")
        assert "NOAUTH" in answer


class TestNetwork:
    """Between the nodes."""

    def test_traffic_between_nodes_is_encrypted(self) -> None:
        before = {node.name: esp_bytes(node) for node in cluster().workers}
        # Each new picture asks Redis, and one node's replicas must cross over for that.
        for number in range(40):
            cluster().managers[0].get(f"/monster/esp-{time.time_ns()}-{number}?size=64")
        after = {node.name: esp_bytes(node) for node in cluster().workers}
        assert all(after[name] > before[name] for name in before), (before, after)

    def test_the_overlay_is_encrypted(self) -> None:
        network = cluster().managers[0].docker("network inspect monsterstack_monster_network")[0]
        assert "encrypted" in network["Options"]


def inspect_nodes() -> list[dict[str, Any]]:
    """All nodes, as the swarm has them."""
    return cluster().managers[0].docker("node inspect $(docker node ls -q)")  # type: ignore[no-any-return]


def esp_bytes(node: Node) -> int:
    """Bytes that passed all of a node's IPsec associations so far."""
    return sum(int(n) for n in re.findall(r"(\d+)\(bytes\), ", node.run("ip -s xfrm state")))
