"""A cluster of the first release's code is taken over; then what a cluster meets over the years.

The tests of this file build on each other.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import PROJECT, cluster, environment, until

pytestmark = pytest.mark.machines

# The code whose clusters are taken over.
OLD = "1c642f1"
REGISTRY = "registry.swarm.internal:5443"
STACKS = "/var/lib/monsterstack-swarm/stacks"


def seen() -> dict[str, Any]:
    """What must outlive a take-over: by node the containers and when the engine was started, the
    releases and secrets of the stack."""
    manager = cluster().managers[0]
    engine = "systemctl show --property ActiveEnterTimestampMonotonic --value docker containerd"
    return {
        "containers": {
            node.name: sorted(node.run("docker ps --no-trunc -q").split())
            for node in cluster().nodes
        },
        "engines": {node.name: node.run(engine).split() for node in cluster().nodes},
        "releases": manager.run(
            "docker config ls --filter label=monsterstack.swarm.release --format '{{.Name}}'"
            " | grep ^monsterstack_"
        ).split(),
        "secrets": sorted(
            manager.run("docker secret ls --format '{{.Name}}' | grep ^monsterstack_").split()
        ),
    }


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old code, unpacked from the history."""
    folder = tmp_path_factory.mktemp("old")
    git = ["git", "-c", "safe.directory=*", "-C", str(PROJECT)]
    known = subprocess.run([*git, "cat-file", "-e", f"{OLD}^{{commit}}"], check=False)
    if known.returncode:
        pytest.skip(f"this checkout's history does not reach back to {OLD}.")
    packed = subprocess.run([*git, "archive", OLD], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def old_playbook(old: Path, *words: str) -> None:
    """Runs a playbook of the old code."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(cluster().inventory), *words],
        cwd=old,
        env={**environment(), "ANSIBLE_CONFIG": str(old / "ansible.cfg")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_cluster_of_the_old_code_is_taken_over(old: Path) -> None:
    old_playbook(old, "site.yml")
    # A lock whose owner is gone: the process that took it has ended.
    lock = ["ansible", "-i", str(cluster().inventory), "m1", "--become"]
    subprocess.run(
        [*lock, "-m", "monsterstack.swarm.stack_lock", "-a", "stack=monsterstack state=taken"],
        cwd=old,
        env={**environment(), "ANSIBLE_CONFIG": str(old / "ansible.cfg")},
        timeout=300,
        check=True,
    )
    before = seen()
    assert len(before["containers"]["w1"]) == 4, before
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    assert seen() == before
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output
    assert seen() == before


@pytest.mark.fault("C13")
def test_compose_files_are_for_root_alone() -> None:
    mode = cluster().managers[0].run(f"stat -c %a {STACKS}/monsterstack/compose.yml").strip()
    assert mode == "600"


@pytest.mark.fault("C6", "C13")
def test_another_password_reaches_the_services_and_restarts_nothing() -> None:
    manager, worker = cluster().managers[0], cluster().workers[0]
    file = cluster().credentials / "registry_password"
    former = manager.run("docker secret ls --format '{{.Name}}' | grep ^registry_htpasswd_").strip()
    file.write_text(secrets.token_hex(16) + "\n")
    before = seen()
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    after = seen()
    # The registry itself is a new container, on the manager; the stack's are the same.
    assert after["containers"]["w1"] == before["containers"]["w1"]
    left = manager.run("docker secret ls --format '{{.Name}}'").split()
    assert former not in left
    assert len([name for name in left if name.startswith("registry_htpasswd_")]) == 1
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output
    # A task that comes to a node without its image.
    service = "monsterstack_imagebackend"
    manager.run(f"docker service scale --detach {service}=0")
    image = cluster().service(service)["TaskTemplate"]["ContainerSpec"]["Image"]
    until(lambda: not worker.run(f"docker ps -q --filter name={service}").strip(), 60, "no task")
    worker.run(f"docker ps -aq --filter name={service} | xargs -r docker rm -f")
    worker.run(f"docker images -q {REGISTRY}/monsterstack/imagebackend | xargs docker rmi -f")
    manager.run(f"docker service scale --detach {service}=1")
    until(
        lambda: cluster().tasks(service)[0]["CurrentState"].startswith("Running"),
        60,
        f"the worker pulls {image}",
    )


class TestImages:
    """Two small images, built by the role alone: quicker than rollouts."""

    @pytest.fixture(scope="class")
    def sources(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("sources") / "thing"
        folder.mkdir()
        (folder / "Dockerfile").write_text(
            "ARG BASE\nFROM $BASE\nARG COLOUR=red\nRUN echo $COLOUR >/colour\nCOPY . /thing/\n"
        )
        (folder / "kept").write_text("1")
        (folder / "secret.key").write_text("1")
        return folder

    def build(self, sources: Path, tag: str, **args: str) -> str:
        """The id of the image that the role gives this tag."""
        inventory = cluster().inventory
        mirror = cluster().managers[0].address.rpartition(".")[0] + ".1:5000"
        play = {
            "hosts": "m1",
            "become": True,
            "gather_facts": False,
            "tasks": [
                {"ansible.builtin.import_role": {"name": "monsterstack.swarm.images"}},
            ],
            "vars": {
                "images_registry": REGISTRY,
                "images_build": {"thing": {"context": "thing", "repository": "test/thing"}},
                "images_sources_dir": str(sources.parent),
                "images_build_args": {"BASE": f"{mirror}/debian-python:3.13", **args},
                "images_tag": tag,
            },
        }
        file = sources.parent / "play.json"
        file.write_text(json.dumps([play]))
        done = subprocess.run(
            ["ansible-playbook", "-i", str(inventory), str(file)],
            cwd=PROJECT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        name = f"{REGISTRY}/test/thing:{tag}"
        return cluster().managers[0].run(f"docker image inspect -f '{{{{.Id}}}}' {name}").strip()

    def files(self, tag: str) -> list[str]:
        return (
            cluster()
            .managers[0]
            .run(f"docker run --rm {REGISTRY}/test/thing:{tag} ls /thing")
            .split()
        )

    @pytest.mark.fault("A10")
    def test_what_was_deleted_is_in_no_image(self, sources: Path) -> None:
        self.build(sources, "1")
        assert "secret.key" in self.files("1")
        (sources / "secret.key").unlink()
        self.build(sources, "2")
        assert self.files("2") == ["Dockerfile", "kept"]
        left = cluster().managers[0].run("ls /var/lib/monsterstack-swarm/build")
        assert "thing" not in left

    @pytest.mark.fault("A10")
    def test_another_argument_is_another_image(self, sources: Path) -> None:
        same = self.build(sources, "3")
        assert same == self.build(sources, "4")
        assert same != self.build(sources, "5", COLOUR="blue")

    @pytest.mark.fault("A10")
    def test_a_patched_base_is_another_image(self, sources: Path) -> None:
        """The base is patched where it comes from, as a registry's tag is: another digest."""
        manager = cluster().managers[0]
        base = f"{REGISTRY}/test/base:1"
        mirror = manager.address.rpartition(".")[0] + ".1:5000"
        for patch in ("one", "two"):
            manager.run(
                f"printf 'FROM {mirror}/debian-python:3.13\\nRUN echo {patch} >/patch\\n'"
                f" | docker build -q -t {base} - && docker push -q {base}"
            )
            found = self.build(sources, f"on-{patch}", BASE=base)
            assert found
            patched = manager.run(
                f"docker run --rm {REGISTRY}/test/thing:on-{patch} cat /patch"
            ).strip()
            assert patched == patch


class TestSecondStack:
    """Another stack beside the first: without ports, probe and smoke test."""

    @pytest.fixture(scope="class")
    def words(self, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        folder = tmp_path_factory.mktemp("stacks")
        (folder / "shop").mkdir()
        (folder / "shop/stack.yml").write_text(
            "stack_definition:\n  tag: '1'\n  images: {cache: docker.io/library/redis:8.0}\n"
        )
        (folder / "shop/compose.yml.j2").write_text(
            "services:\n  cache:\n    image: {{ image.cache }}\n"
            "    volumes: [data:/data]\n    deploy: {replicas: 1}\nvolumes: {data: {}}\n"
        )
        mirror = cluster().managers[0].address.rpartition(".")[0] + ".1:5000"
        images = {"shop_images": {"cache": f"{mirror}/debian-redis:8.0"}}
        return ["-e", "stack=shop", "-e", f"stacks_dir={folder}", "-e", json.dumps(images)]

    def test_it_comes_and_changes_nothing_of_the_first(self, words: list[str]) -> None:
        before = {key: seen()[key] for key in ("engines", "releases", "secrets")}
        first = [node for node, _id in cluster().containers("monsterstack_frontend")]
        run = cluster().playbook("site.yml", *words)
        assert run.code == 0, run.output
        assert "stack shop, release 1: converged" in run.text
        assert {key: seen()[key] for key in ("engines", "releases", "secrets")} == before
        assert [node for node, _id in cluster().containers("monsterstack_frontend")] == first

    def test_both_are_as_they_should_be(self, words: list[str]) -> None:
        for about in ([], words):
            again = cluster().playbook("site.yml", *about)
            assert (again.code, again.changed) == (0, 0), again.output

    def test_one_goes_the_other_stays(self, words: list[str]) -> None:
        run = cluster().playbook("playbooks/teardown.yml", *words, "-e", "confirm=shop")
        assert run.code == 0, run.output
        services = cluster().managers[0].run("docker service ls --format '{{.Name}}'").split()
        assert sorted(services) == [
            "monsterstack_frontend",
            "monsterstack_imagebackend",
            "monsterstack_redis",
            "registry",
        ]
        assert cluster().managers[0].get("/")[0] == 200
        again = cluster().playbook("site.yml")
        assert (again.code, again.changed) == (0, 0), again.output
