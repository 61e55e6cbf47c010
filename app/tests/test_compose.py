"""docker-compose.yml, on a machine of its own from the lab: up, page, picture, down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.services.harness import ROOT

NAME, NET = "compose", "198.18.8"  # the lab's name, and its network (of RFC 2544's test range)
PYTHON_IMAGE, REDIS_IMAGE = f"{NET}.1:5000/debian-python:3.13", f"{NET}.1:5000/debian-redis:8.0"
SOURCES = ("docker-compose.yml", "app", "imagebackend")


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An inventory of one machine, which is running."""
    folder = tmp_path_factory.mktemp("inventory")
    settings = folder / "group_vars" / "all"
    settings.mkdir(parents=True)
    (folder / "hosts.yml").write_text(
        f"managers: {{hosts: {{c1: {{ansible_host: {NET}.11, zone: a}}}}}}\n"
        "workers: {hosts: {}}\n"
    )
    lab = {"lab_name": NAME, "lab_subnet": f"{NET}.0/24", "lab_mirror": f"{NET}.1:5000"}
    (settings / "lab.yml").write_text(json.dumps(lab))
    shared = ROOT / "inventory" / "lab" / "group_vars" / "all" / "ssh.yml"
    (settings / "ssh.yml").write_text(shared.read_text())
    lab_command: list[str | Path] = [ROOT / "bin" / "lab", "-i", folder]
    try:
        subprocess.run([*lab_command, "up"], check=True, timeout=1200)
        yield folder
    finally:
        subprocess.run([*lab_command, "down"], check=True, timeout=120)


def on_machine(inventory: Path, script: str, stdin: bytes = b"", timeout: int = 600) -> str:
    """What a shell script prints on the machine; the test fails when the script does."""
    done = subprocess.run(
        [ROOT / "bin" / "lab", "-i", inventory, "ssh", "c1", f"set -e; {script}"],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    return done.stdout.decode()


@pytest.fixture(scope="module")
def machine(inventory: Path) -> Path:
    """The inventory of a machine that has the sources in `stack` and trusts the mirror."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *SOURCES], cwd=ROOT, check=True, capture_output=True
    ).stdout
    archive = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=listed, check=True, capture_output=True
    ).stdout
    on_machine(inventory, "mkdir -p stack; tar -x -C stack", archive)
    on_machine(
        inventory,
        f"""echo '{{"insecure-registries": ["{NET}.1:5000"]}}' | sudo tee /etc/docker/daemon.json
        sudo systemctl restart docker""",
    )
    return inventory


@pytest.mark.machines
@pytest.mark.slow
def test_up_page_picture_down(machine: Path) -> None:
    install = "sudo apt-get install -y -qq --no-install-recommends docker-compose"
    on_machine(machine, f"sudo apt-get update -qq; {install}")
    compose = (
        f"cd stack; export PYTHON_IMAGE={PYTHON_IMAGE} REDIS_IMAGE={REDIS_IMAGE} VERSION=4.2; "
        "sudo -E docker-compose"
    )
    on_machine(machine, f"{compose} up --build --detach --wait --quiet-pull 2>&1")
    states = on_machine(machine, f"{compose} ps --format '{{{{.Service}}}} {{{{.Health}}}}'")
    assert sorted(states.split("\n")) == [
        "",
        "frontend healthy",
        "imagebackend healthy",
        "redis healthy",
    ]
    page = on_machine(machine, "curl -sf -d name=Compose http://127.0.0.1:5000/")
    assert "<title>MonsterStack</title>" in page
    assert '<dd id="version">4.2</dd>' in page
    assert '<strong id="visits">1</strong>' in page
    head = on_machine(
        machine,
        "curl -sf -D - -o picture.png http://127.0.0.1:5000/monster/compose.png; "
        "head -c 8 picture.png | od -An -tx1",
    )
    assert "x-cache: backend" in head
    assert "89 50 4e 47 0d 0a 1a 0a" in head
    metrics = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9090/metrics || true"
    assert on_machine(machine, metrics) == "000", "the metrics port is not published"
    for service in ("frontend", "imagebackend"):
        # What the services promise: no root, no rights, nothing to write to, little memory.
        facts = on_machine(
            machine,
            f'{compose} exec -T {service} sh -c \'id -u; grep -E "CapEff|NoNewPrivs|VmRSS" '
            "/proc/1/status; touch /srv/x 2>&1 || true'",
        )
        assert facts.split("\n")[0] == "10001"
        assert "CapEff:\t0000000000000000" in facts
        assert "NoNewPrivs:\t1" in facts
        assert "Read-only file system" in facts
        assert int(facts.split("VmRSS:")[1].split()[0]) < 100_000
    on_machine(machine, f"{compose} down 2>&1")
    assert on_machine(machine, "sudo docker ps -aq").strip() == ""


@pytest.mark.machines
@pytest.mark.slow
@pytest.mark.parametrize("service", ["app", "imagebackend"])
def test_a_build_without_a_network(machine: Path, service: str) -> None:
    on_machine(
        machine,
        f"cd stack/{service}; mkdir -p wheelhouse; sudo docker run --rm -v $PWD:/here -w /here "
        f"{PYTHON_IMAGE} python3 -m pip download -q --only-binary :all: --require-hashes "
        "-d wheelhouse -r requirements.txt; ls wheelhouse/*.whl",
    )
    on_machine(
        machine,
        f"cd stack; sudo docker build -q --network none --build-arg PYTHON_IMAGE={PYTHON_IMAGE} "
        f"-t offline/{service} {service}; rm -rf {service}/wheelhouse; "
        f"sudo docker run --rm --network none --read-only offline/{service} "
        f"python3 -c 'import {service}'; sudo docker image rm offline/{service}",
    )
