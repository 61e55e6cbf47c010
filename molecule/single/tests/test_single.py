"""A cluster of one machine, and on it the ways that images can take to a cluster."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cluster import PROJECT, Run, assert_as_meant, cluster, environment

pytestmark = pytest.mark.machines

REGISTRY = "registry.swarm.internal:5443"
# As in the inventory: the machine has one processor.
SMALL = {"frontend": {"cpus": {"limit": "0.50", "reservation": "0.10"}}}


def version() -> str:
    """Which release answers."""
    return cluster().managers[0].get("/")[1]["x-version"]


def site(folder: Path, **extra: object) -> Run:
    """site.yml with these variables, given in a file, as passwords should be."""
    file = folder / "extra.json"
    file.write_text(json.dumps(extra), encoding="utf-8")
    return cluster().playbook("site.yml", "-e", f"@{file}")


def test_all_services_run_on_the_one_machine() -> None:
    for service, replicas in {"frontend": 3, "imagebackend": 2, "redis": 1}.items():
        tasks = cluster().tasks(f"monsterstack_{service}")
        assert [task["Node"] for task in tasks] == ["m1"] * replicas


def test_the_page_answers() -> None:
    status, headers, body = cluster().managers[0].get("/")
    assert (status, headers["x-node"]) == (200, "m1")
    assert b"<title>MonsterStack</title>" in body


def test_the_summary_says_what_one_machine_lacks() -> None:
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    assert run.changed == 0, run.output
    assert "one kind of node" in run.output
    assert "no zones" in run.output


def test_the_oldest_ansible_changes_nothing_either() -> None:
    script = 'source bin/lib.sh; ensure_venv controller 3.11; ansible --version; exec "$@"'
    playbook = ["ansible-playbook", "-i", str(cluster().inventory), "site.yml"]
    before = cluster().specs()
    done = subprocess.run(
        ["bash", "-c", script, "-", *playbook],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    # The oldest core needs that Python, and Debian 13 has none: what is not there cannot be tried.
    if "no Python 3.11" in done.stdout:
        pytest.skip("this machine has no Python 3.11, which the oldest ansible-core needs.")
    assert "ansible [core 2.19" in done.stdout
    run = Run(done.returncode, done.stdout)
    assert run.code == 0, run.output
    assert run.changed == 0, run.output
    assert_as_meant(playbook, run, before, cluster().specs())


class TestRegistryOfOnesOwn:
    """The cluster's registry, called as one that somebody else runs."""

    def test_a_wrong_password_is_refused_at_once(self, tmp_path: Path) -> None:
        run = site(tmp_path, registry_mode="external", registry_password="not-this", tag="2.0")
        assert run.code != 0
        assert f"the registry {REGISTRY} lets swarm not in" in run.output
        assert version() == "1.0"

    def test_it_is_used(self, tmp_path: Path) -> None:
        password = (cluster().credentials / "registry_password").read_text().strip()
        extra = {"registry_mode": "external", "registry_password": password}
        run = site(tmp_path, **extra, tag="2.0")
        assert run.code == 0, run.output
        assert version() == "2.0"
        again = site(tmp_path, **extra)
        assert (again.code, again.changed) == (0, 0), again.output
        assert password not in run.output + again.output


class TestImagesOfOthers:
    """What is not built here: pulled, or loaded from an archive."""

    def test_pulled_images_must_be_there(self, tmp_path: Path) -> None:
        run = site(tmp_path, images_mode="pull", tag="3.0")
        assert run.code != 0
        assert "monsterstack/frontend has no tag 3.0" in run.text
        assert version() == "2.0"

    def test_pulled(self, tmp_path: Path) -> None:
        run = site(tmp_path, images_mode="pull", tag="1.0")
        assert run.code == 0, run.output
        assert version() == "1.0"

    def test_loaded_from_an_archive(self, tmp_path: Path) -> None:
        manager, tag = cluster().managers[0], "offline"
        variables = json.loads(
            subprocess.run(
                ["ansible-inventory", "-i", str(cluster().inventory), "--host", "m1"],
                cwd=PROJECT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        # What is listed is not rendered.
        redis = variables["monsterstack_images"]["redis"]
        redis = redis.replace("{{ lab_mirror }}", variables["lab_mirror"])
        own = [f"{REGISTRY}/monsterstack/{name}" for name in ("frontend", "imagebackend")]
        for name in own:
            manager.run(f"docker tag {name}:1.0 {name}:{tag}")
        # Somebody with a network makes the archive, ...
        manager.run(f"docker pull --quiet {redis}")
        names = [f"{name}:{tag}" for name in own] + [redis]
        archive = tmp_path / "images.tar"
        with archive.open("wb") as stream:
            lab = [str(PROJECT / "bin/lab"), "-i", str(manager.inventory), "ssh", manager.name]
            save = [*lab, "--", f"sudo docker save {' '.join(names)}"]
            subprocess.run(save, stdout=stream, env=os.environ, timeout=300, check=True)
        # ... and a machine that has none of them loads it.
        manager.run(f"docker rmi --force {' '.join(names)}")
        extra = {"images_mode": "load", "images_archives": [str(archive)], "tag": tag}
        run = site(tmp_path, **extra)
        assert run.code == 0, run.output
        assert version() == tag
        used = cluster().service("monsterstack_redis")["TaskTemplate"]["ContainerSpec"]["Image"]
        assert used.startswith(f"{REGISTRY}/")
        again = site(tmp_path, **extra)
        assert (again.code, again.changed) == (0, 0), again.output


class TestAppliedByTheMachineItself:
    """inventory/local, as README says it: a checkout, its requirements, one command."""

    CHECKOUT = "/root/checkout"

    def on_machine(self, command: str, seconds: int = 600) -> subprocess.CompletedProcess[str]:
        manager = cluster().managers[0]
        lab = [str(PROJECT / "bin/lab"), "-i", str(manager.inventory), "ssh", manager.name, "--"]
        return subprocess.run(
            [*lab, f"sudo bash -c {shlex.quote(command)}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def site(self) -> Run:
        """site.yml from a shell on the machine, with what the lab's machines need instead of the
        Internet's images."""
        files = sorted((cluster().inventory / "group_vars/all").glob("*.yml"))
        own = [file for file in files if file.name != "ssh.yml"]
        words = [f"-e @{self.CHECKOUT}/{file.relative_to(PROJECT)}" for file in own]
        small = json.dumps({"monsterstack_settings": SMALL})
        done = self.on_machine(
            f"cd {self.CHECKOUT} && PATH=/root/venv/bin:$PATH ansible-playbook -i inventory/local"
            f" site.yml {' '.join(words)} -e {shlex.quote(small)}",
            seconds=1200,
        )
        return Run(done.returncode, done.stdout)

    def test_it_makes_a_cluster_of_itself(self) -> None:
        manager = cluster().managers[0]
        files = subprocess.run(
            ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True
        ).stdout
        pack = subprocess.run(
            ["tar", "--create", "--null", "--files-from=-"],
            cwd=PROJECT,
            input=files,
            capture_output=True,
            check=True,
        ).stdout
        lab = [str(PROJECT / "bin/lab"), "-i", str(manager.inventory), "ssh", manager.name, "--"]
        unpack = f"sudo mkdir -p {self.CHECKOUT} && sudo tar x -C {self.CHECKOUT}"
        subprocess.run([*lab, unpack], input=pack, timeout=120, check=True)
        installed = self.on_machine(
            "apt-get -qq update && apt-get -qq install -y python3-venv"
            " && python3 -m venv /root/venv"
            " && /root/venv/bin/pip install -q --require-hashes"
            f" -r {self.CHECKOUT}/requirements.txt"
        )
        assert installed.returncode == 0, installed.stdout
        # What the tests before made is another cluster, with passwords of its own.
        manager.run(
            "docker swarm leave --force; while docker ps -q | grep -q .; do sleep 1; done;"
            " docker container prune --force; docker volume prune --all --force"
        )
        run = self.site()
        assert run.code == 0, run.output
        assert version() == "1.0"
        again = self.site()
        assert (again.code, again.changed) == (0, 0), again.output
