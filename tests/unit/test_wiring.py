"""What the playbooks and roles hand to the modules: the parts that no module's own test can see."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.stand_ins import OURS, PROJECT, Answers, Played, Stage, role

STACK_FILES = ["vars/common.yml", "{{ __stack_folder }}/stack.yml"]
HOST = "registry.swarm.internal"


def plays(playbook: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((PROJECT / "playbooks" / playbook).read_text())
    return found


def play(playbook: str, name: str) -> dict[str, Any]:
    """One play of a playbook."""
    return next(one for one in plays(playbook) if one["name"] == name)


def interface(address: str, name: str = "eth0") -> dict[str, Any]:
    return {"address": address, "family": "ipv4", "interface": name, "prefix": 24}


@pytest.mark.fault("A5", "C7", "C10")
def test_the_firewall_and_the_visitor_know_every_address(tmp_path: Path) -> None:
    """What site.yml hands to the firewall, and where the page is asked for."""
    stage = Stage(tmp_path, {f"{OURS}.host_firewall": [({}, {})]})
    (engine,) = [
        one
        for part in plays("site.yml")
        for one in part.get("roles", [])
        if one["role"] == f"{OURS}.docker_engine"
    ]
    given = {k: v for k, v in engine.items() if k.startswith("docker_engine_")}
    (include,) = role("docker_engine", "firewall.yml", **given)[0]["tasks"]
    at = "asked at={{ __stack_smoke.addresses | join('+') }}"
    asked: list[dict[str, Any]] = [
        {"ansible.builtin.debug": {"msg": f"from here {at}"}},
        {"ansible.builtin.debug": {"msg": f"a manager {at}"}, "vars": {"probe_from": "manager"}},
    ]
    swarm = {"state": "active", "data_path_port": 7777, "nodes": []}
    done = stage.play(
        [
            {
                "hosts": "managers:workers",
                "gather_facts": False,
                "vars_files": STACK_FILES,
                "tasks": [*asked, include],
            }
        ],
        "--check",
        hosts={
            "m1": {
                "ansible_host": "203.0.113.7",
                "ansible_port": 2200,
                "__host_info": {
                    "ssh": {"ports": [2222], "connection": None},
                    "addresses": [interface("192.0.2.11"), interface("10.66.0.11", "eth1")],
                    "swarm": {**swarm, "node_addr": "10.66.0.11"},
                },
            },
            # Its name is its address.
            "192.0.2.21": {
                "__host_info": {
                    "ssh": {"ports": [22], "connection": None},
                    "addresses": [interface("192.0.2.21")],
                    "swarm": {**swarm, "node_addr": ""},
                },
            },
        },
        docker_engine_firewall=True,
        docker_engine_firewall_rules=["ip saddr 192.0.2.7 tcp dport 9100 accept"],
    )
    assert "from here asked at=203.0.113.7+192.0.2.21" in done.output, done.output
    assert "a manager asked at=10.66.0.11+192.0.2.21" in done.output, done.output
    rules = {call["host"]: call["args"]["rules"] for call in done.of("host_firewall")}
    assert "tcp dport { 2200, 2222 } accept" in rules["m1"]
    assert "tcp dport { 22 } accept" in rules["192.0.2.21"]
    for text in rules.values():
        for words in (
            "elements = { 10.66.0.11, 192.0.2.11, 192.0.2.21, 203.0.113.7 }",
            "udp dport { 7777, 7946 } accept",
            "ip saddr 192.0.2.7 tcp dport 9100 accept",
            "ct original proto-dst { 5443 } drop",
        ):
            assert words in text, text


HEARING = """
import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

NAMES = ("address", "peers", "managers", "data_port", "data_root", "containerd_root", "seconds")
module = AnsibleModule({name: {"type": "raw"} for name in NAMES}, supports_check_mode=True)
folder, peers = Path(os.environ["STAND_INS"]), module.params["peers"]
(folder / module.params["address"]).touch()
end = time.monotonic() + float(module.params["seconds"])


def heard():
    return sorted(name for name, address in peers.items() if (folder / address).exists())


while len(heard()) < len(peers) and time.monotonic() < end:
    time.sleep(0.2)
module.exit_json(changed=False, heard=heard())
"""


@pytest.mark.fault("B8")
def test_nodes_hear_each_other_with_one_fork(tmp_path: Path) -> None:
    """A node hears only those that send while it listens."""
    info = {
        "engine": {"running": True, "data_root": "/x", "containerd_root": "/y"},
        "swarm": {"node_addr": "", "nodes": []},
        "addresses": [],
    }
    answers: Answers = {f"{OURS}.host_info": [({}, info)], f"{OURS}.swarm_status": [({}, {})]}
    stage = Stage(tmp_path, answers, {"node_checkup": HEARING})
    look = play("doctor.yml", "Look at every node")
    heard = "{{ inventory_hostname }} heard {{ __node_checkup.heard | join('+') }}."
    look["tasks"].append({"ansible.builtin.debug": {"msg": heard}})
    done = stage.play(
        [look],
        "--forks=1",
        hosts={name: {"ansible_host": f"192.0.2.{n}"} for n, name in enumerate(["m1", "w1", "w2"])},
        ansible_async_dir=str(tmp_path / "async"),
    )
    assert done.code == 0, done.output
    for said in ("m1 heard w1+w2.", "w1 heard m1+w2.", "w2 heard m1+w1."):
        assert said in done.output, done.output


@pytest.mark.fault("A10")
def test_what_was_deleted_from_the_sources_is_in_no_later_image(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("unpacks the sources as root's, as a builder does")
    docker = "community.docker.docker_image_"
    answers: Answers = {f"{docker}{do}": [({}, {})] for do in ("build", "pull", "push", "tag")}
    # Seen of another of these modules: what the client printed was lost, which is no failed build.
    lost = {"failed": True, "msg": "Error while parsing JSON output", "rc": 0, "stderr": ""}
    answers[f"{docker}build"] = [({}, lost), ({}, {})]
    stage = Stage(tmp_path / "stage", answers)
    context = tmp_path / "app"
    context.mkdir()
    for name in ("Dockerfile", "secret.txt"):
        (context / name).write_text("x")
    left = tmp_path / "builds/page"  # by a build of earlier versions, or by one that was cut off
    left.mkdir(parents=True)
    (left / "deleted.txt").write_text("x")
    one = {
        "key": "page",
        "context": str(context),
        "image": {"name": "reg:5443/page", "tag": "1", "source_hash": "0123456789ab"},
        "args": {"VERSION": "1"},
        "pull": True,
    }
    variables = {
        "__images_one": one,
        "__images_source_digest": "",
        "images_build_dir": str(tmp_path / "builds"),
    }
    (building,) = role("images", "build_one.yml", **variables)
    (build,) = building["tasks"]
    delete = {"ansible.builtin.file": {"path": str(context / "secret.txt"), "state": "absent"}}
    done = stage.play([{**building, "tasks": [build, delete, build]}])
    assert done.code == 0, done.output
    asked, first, second = (call["seen"]["path"][1] for call in done.of("docker_image_build"))
    assert asked == first
    assert (first, second) == (["Dockerfile", "secret.txt"], ["Dockerfile"])
    assert list((tmp_path / "builds").iterdir()) == [left]


def registry(stage: Stage, *options: str, **given: Any) -> Played:
    variables = {
        "registry_credentials_dir": str(stage.folder / "credentials"),
        "registry_secret_key": "0123456789abcdef" * 4,
        "registry_manager": "m1",
        "registry_nodes": ["m1"],
        "registry_user": "deploy",
        **given,
    }
    return stage.play(role("registry", **variables), *options)


# A registry of somebody else, with a password that no service has yet.
FOREIGN: dict[str, Any] = {
    "registry_mode": "external",
    "registry_host": "registry.example.org",
    "registry_port": 443,
    "registry_password": "new-password-of-the-test",
}


def handing_over(logins: dict[str, Any]) -> Answers:
    """What the modules answer to a login that is handed on; `logins` is that of service_logins."""
    return {
        "community.docker.docker_image_load": [({}, {})],
        "community.docker.docker_login": [({}, {})],
        f"{OURS}.service_logins": [({}, logins)],
        f"{OURS}.stack_secrets": [({}, {})],
    }


@pytest.mark.fault("C6", "C13")
def test_a_new_password_reaches_the_services_and_old_secrets_go(tmp_path: Path) -> None:
    """By what is there: the run that was to do it may have ended before its handlers."""
    answers = handing_over({"left": [], "services": ["shop_web"]})
    old = ["registry_htpasswd_0123456789ab", "registry_login_0123456789ab"]
    done = registry(
        Stage(tmp_path, answers),
        **FOREIGN,
        registry_host_info={"secrets": [*old, "shop_pin"], "swarm": {"control_available": True}},
    )
    assert done.code == 0, done.output
    # Noted last, so that an interrupted run does it again.
    assert [call["module"].rpartition(".")[2] for call in done.calls] == [
        "docker_login",
        "service_logins",
        "stack_secrets",
        "stack_secrets",
    ]
    assert done.of("service_logins")[0]["args"]["registry"] == "registry.example.org:443"
    note, pruned = (call["args"] for call in done.of("stack_secrets"))
    assert list(note["secrets"]) == ["login"]
    assert pruned["state"] == "pruned"
    assert not set(pruned["keep"]) & set(old)


@pytest.mark.fault("A4")
@pytest.mark.parametrize("seen", [True, False], ids=["seen to wait", "began meanwhile"])
def test_a_login_that_a_service_cannot_have_yet_is_noted_as_that(
    tmp_path: Path, seen: bool
) -> None:
    """Without the note every run would hand it on again, with the cluster's lock."""
    left = ["shop_web: keeps its old login"]
    answers = handing_over({"left": left, "services": []})
    web = {"image": "registry.example.org:443/web:1", "mode": "global", "under_way": seen}
    done = registry(
        Stage(tmp_path, answers),
        **FOREIGN,
        registry_host_info={
            "secrets": [],
            "swarm": {"control_available": True},
            "stacks": {"shop": {"services": {"web": {**web, "secrets": []}}}},
        },
    )
    assert done.code == 0, done.output
    assert len(done.of("stack_secrets")) == (1 if seen else 0), done.output


@pytest.mark.fault("C11")
def test_the_registrys_name_is_in_what_cloud_init_writes_at_boot(tmp_path: Path) -> None:
    template = tmp_path / "hosts.debian.tmpl"
    template.write_text("127.0.0.1 localhost\n")
    right = hashlib.sha256(b"CA\n").hexdigest()
    known = {
        "hosts": {HOST: "192.0.2.11"},
        "files": {f"/etc/docker/certs.d/{HOST}:5443/ca.crt": right},
    }
    seen = {"dropped at boot": {str(template): {}}, "kept": {str(template): {HOST: "192.0.2.11"}}}
    variables = {
        "registry_credentials_dir": str(tmp_path),
        "registry_ca_certificate": "CA",
        "registry_node_address": "192.0.2.11",
    }
    (trust,) = role("registry", "trust.yml", **variables)
    (include,) = trust["tasks"]
    include["ansible.builtin.include_role"]["public"] = True
    include["vars"]["registry_host_info"] = {**known, "hosts_templates": seen["dropped at boot"]}
    judged = [
        {
            "ansible.builtin.debug": {"msg": name + "={{ __registry_trusted }}"},
            "vars": {**variables, "registry_host_info": {**known, "hosts_templates": templates}},
        }
        for name, templates in seen.items()
    ]
    # Dry: this computer's own /etc/hosts stays as it is.
    done = Stage(tmp_path / "stage", {}).play(
        [{**trust, "tasks": [include, *judged]}], "--check", "--diff"
    )
    assert done.code == 0, done.output
    assert f"+++ after: {template} (content)" in done.output
    assert f"+192.0.2.11 {HOST}" in done.output.split(f"after: {template}")[1]
    assert "dropped at boot=False" in done.output
    assert "kept=True" in done.output


# Each row: a playbook that moves the tasks of all stacks or works on the swarm itself, its words.
OPERATIONS: dict[str, list[str]] = {
    "backup.yml": [],
    "maintenance.yml": ["-e", "do=reboot"],
    "node_remove.yml": ["-e", "node=w1"],
    "rebalance.yml": [],
    "rotate_ca.yml": [],
}
LOOKING = {"host_info", "preflight", "cluster_plan", "credentials_plan"}


@pytest.mark.fault("A4")
@pytest.mark.parametrize(("playbook", "words"), OPERATIONS.items(), ids=OPERATIONS)
def test_an_operation_takes_the_clusters_lock_before_it_touches_anything(
    tmp_path: Path, playbook: str, words: list[str]
) -> None:
    running = {"installed": True, "running": True}
    info = {
        "engine": running,
        "swarm": {"state": "active", "node_addr": "", "nodes": []},
        "addresses": [],
        "stacks": {},
        "exposed": [],
    }
    decided = {
        "exists": True,
        "primary": "m1",
        "leader": "m1",
        "cluster_id": "c",
        "silent": [],
        "autolock": False,
    }
    answers: Answers = {
        f"{OURS}.host_info": [({}, info)],
        f"{OURS}.preflight": [({}, {})],
        f"{OURS}.cluster_plan": [({}, decided)],
        f"{OURS}.credentials_plan": [({}, {"folder": str(tmp_path), "kept": {}})],
        f"{OURS}.stack_lock": [({}, {"failed": True, "msg": "the cluster is locked by ann"})],
    }
    changing = ("node_archive", "node_drain", "service_spread", "swarm_ca", "swarm_members")
    answers |= {f"{OURS}.{name}": [({}, {})] for name in changing}
    hosts = {name: {"ansible_host": f"192.0.2.{n}"} for n, name in enumerate(["m1", "w1"], 1)}
    done = Stage(tmp_path, answers).play(playbook, *words, hosts=hosts)
    assert done.code == 2, done.output
    asked = done.of("stack_lock")
    assert asked, done.output
    assert (asked[0]["args"]["scope"], asked[0]["args"]["state"]) == ("cluster", "taken")
    before = {call["module"].rpartition(".")[2] for call in done.calls} - {"stack_lock"}
    assert before <= LOOKING, "whoever is refused has touched nothing"


@pytest.mark.fault("C2")
def test_images_alone_are_no_release() -> None:
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            "inventory/example",
            "site.yml",
            "--list-tasks",
            "--tags=images",
        ],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    tasks = [line.strip() for line in done.stdout.splitlines() if "TAGS:" in line]
    # What Ansible itself checks of a role's arguments changes nothing.
    tasks = [line for line in tasks if "Validating arguments" not in line]
    assert [line for line in tasks if line.startswith(f"{OURS}.images :")], done.stdout
    assert not [line for line in tasks if line.startswith(f"{OURS}.stack :")], done.stdout
