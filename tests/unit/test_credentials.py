"""A controller is replaceable: what it lacks is refused, given, kept or made, never in silence.

The survey's own task runs here in a real playbook, on what host_info said of a running manager.
"""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.monsterstack.swarm.plugins.module_utils import objects
from tests.unit.playing import PROJECT, ansible_playbook

CLUSTER = "p1vvc7w5hfcbwoqaqb3lnwvon"
KEY = "0123456789abcdef" * 4
# What the first controller has; nothing looks into the PEM here.
FILES = {
    "secret_key": KEY,
    "registry_password": "registry-login-of-the-test",
    "registry_ca.key": "CA KEY",
    "registry_ca.pem": "CA",
    "registry.key": "KEY",
    "registry.pem": "CERTIFICATE",
    "redis_password": "redis-login-of-the-test",
    "id_salt": "salt-of-the-test",
}
VALUES = {
    "secret_key": KEY,
    "registry_password": FILES["registry_password"],
    "registry_ca_key": "CA KEY",
    "registry_ca_certificate": "CA",
    "registry_key": "KEY",
    "registry_certificate": "CERTIFICATE",
    "monsterstack_secrets": {
        "redis_password": FILES["redis_password"],
        "id_salt": FILES["id_salt"],
    },
}
SALT = objects.full_name("monsterstack", "id_salt", KEY, FILES["id_salt"])
PASSWORD = objects.full_name("monsterstack", "redis_password", KEY, FILES["redis_password"])
# As host_info listed the services of a cluster, with names made of the values above.
STACKS = {
    "monsterstack": {
        "services": {
            "frontend": {"secrets": [SALT, PASSWORD]},
            "imagebackend": {"secrets": []},
            "redis": {"secrets": ["monsterstack_redis_acl_0e3d450390bb", PASSWORD]},
        }
    },
    "registry": {
        "services": {
            "registry": {
                "secrets": [
                    "registry_certificate_adc8adcddb8f",
                    "registry_htpasswd_1983b649bc57",
                    objects.full_name("registry", "key", KEY, FILES["registry.key"] + "\n"),
                ]
            }
        }
    },
}


def survey_task() -> dict[str, Any]:
    """The task of survey.yml as the playbooks run it, without the remark that reads a PEM."""
    plays = yaml.safe_load((PROJECT / "playbooks/survey.yml").read_text())
    (task,) = [
        task
        for play in plays
        for task in play.get("tasks", [])
        if "monsterstack.swarm.credentials_plan" in task
    ]
    task = copy.deepcopy(task)
    task["monsterstack.swarm.credentials_plan"]["remarks"] = "{{ __remark_on_rotation }}"
    return dict(task)


class Controller:
    """A folder with an inventory of one manager."""

    def __init__(self, folder: Path, source: str = "inventory/mine/hosts.json") -> None:
        self.folder, self.source = folder, folder / source
        self.source.parent.mkdir(parents=True)
        self.credentials = folder / "inventory/credentials/mine"

    def put(self, folder: Path | None = None, leave_out: tuple[str, ...] = (), **more: str) -> None:
        folder = folder or self.credentials
        folder.mkdir(parents=True)
        for name, text in {**FILES, **more}.items():
            if name not in leave_out:
                (folder / name).write_text(f"{text}\n")

    def run(
        self,
        *words: str,
        exists: bool = True,
        stacks: Any = None,
        given: Any = None,
        secrets: Any = (),
        ending: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        variables = {
            "ansible_connection": "local",
            "__host_info": {
                "stacks": STACKS if stacks is None else stacks,
                "secrets": list(secrets),
            },
            "__cluster_plan": {
                "exists": exists,
                "cluster_id": CLUSTER if exists else None,
                "primary": "m1",
            },
            **(given or {}),
        }
        self.source.write_text(json.dumps({"managers": {"hosts": {"m1": variables}}}))
        names = "{{ __stack_secrets | monsterstack.swarm.secret_names(__stack, __secret_key) }}"
        tasks = [
            survey_task(),
            {"ansible.builtin.debug": {"msg": "names={{ __names | combine(__stack_kept) }}"}},
            {"ansible.builtin.debug": {"msg": "folder={{ credentials_folder }}"}},
        ]
        play = {
            "hosts": "managers",
            "gather_facts": False,
            "vars_files": [
                str(PROJECT / "playbooks/vars/common.yml"),
                str(PROJECT / "stacks/monsterstack/stack.yml"),
            ],
            "vars": {
                "__ending" if ending else "__credentials_used": True,
                "__names": names,
                "stacks_dir": str(PROJECT / "stacks"),
            },
            "tasks": tasks,
        }
        (self.folder / "play.yml").write_text(json.dumps([play]))
        return ansible_playbook("-i", self.source, self.folder / "play.yml", *words, timeout=90)


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def words_of(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stdout.replace("''", "'").split())


@pytest.mark.fault("A7")
def test_a_fresh_controller_is_refused_and_makes_nothing(controller: Controller) -> None:
    done = controller.run()
    said = words_of(done)
    assert done.returncode == 2, done.stdout
    assert f"the cluster {CLUSTER} exists" in said
    for name in FILES:
        assert name in said.split("Nothing has been touched", maxsplit=1)[0]
    for way in ("1. Bring the folder", "2. Give each value", "3. If they are lost for good"):
        assert way in said
    for variable in ("registry_ca_certificate", "secret_key", "monsterstack_secrets.id_salt"):
        assert variable in said
    assert "-e new_credentials=true" in said
    assert not controller.credentials.parent.exists()


@pytest.mark.fault("A7")
def test_with_its_folder_nothing_is_said(controller: Controller) -> None:
    controller.put()
    done = controller.run()
    assert done.returncode == 0, done.stdout
    assert PASSWORD in done.stdout
    assert SALT in done.stdout
    assert (controller.credentials / "cluster_id").read_text().strip() == CLUSTER


@pytest.mark.fault("B1")
def test_a_rotation_that_has_not_ended_is_told(controller: Controller) -> None:
    """Seen: after it site.yml ended well, and the old password was right for good."""
    controller.put()
    (controller.credentials / "redis_password.previous").write_text("the one before\n")
    done = controller.run()
    assert done.returncode == 0, done.stdout
    said = words_of(done)
    assert "the earlier value of redis_password is right as well" in said
    assert f"({controller.credentials}/redis_password.previous)" in said
    assert "Run ansible-playbook playbooks/rotate_secrets.yml again" in said


@pytest.mark.fault("B1")
def test_a_rotation_says_before_it_changes_anything_what_an_end_would_leave(tmp_path: Path) -> None:
    """Its own failure is Ansible's and says nothing of both values being right."""
    plays = yaml.safe_load((PROJECT / "playbooks/rotate_secrets.yml").read_text())
    (play,) = [one for one in plays if one["name"] == "Make the new values"]
    names = [task["name"] for task in play["tasks"]]
    told = "Say what an interruption would leave"
    assert told in names
    assert names.index("Lock the stack") < names.index(told)
    assert names.index(told) < names.index("Put the values aside that the cluster has")
    say = play["tasks"][names.index(told)]
    shown = {"hosts": "m1", "gather_facts": False, "vars": {"__renewed": ["p", "q"]}}
    (tmp_path / "play.yml").write_text(json.dumps([{**shown, "tasks": [say]}]))
    said = words_of(ansible_playbook("-i", "m1,", "-c", "local", tmp_path / "play.yml"))
    assert "the earlier value of p, q is right as well" in said
    assert "run ansible-playbook playbooks/rotate_secrets.yml again" in said


@pytest.mark.fault("A7")
def test_every_value_from_the_inventory_and_no_folder(controller: Controller) -> None:
    done = controller.run(given=VALUES)
    assert done.returncode == 0, done.stdout
    assert PASSWORD in done.stdout
    assert SALT in done.stdout
    assert not controller.credentials.parent.exists()


@pytest.mark.fault("A7")
def test_new_credentials_leave_what_must_never_change(controller: Controller) -> None:
    done = controller.run("-e", "new_credentials=true")
    assert done.returncode == 0, done.stdout
    assert SALT in done.stdout  # kept by the name that it has, its value is not here
    assert PASSWORD not in done.stdout
    made = {file.name for file in controller.credentials.iterdir()}
    assert "redis_password" in made
    assert "id_salt" not in made


@pytest.mark.fault("A7")
def test_a_salt_that_is_not_here_stays_without_a_word(controller: Controller) -> None:
    controller.put(leave_out=("id_salt",))
    done = controller.run()
    assert done.returncode == 0, done.stdout
    assert SALT in done.stdout
    assert not (controller.credentials / "id_salt").exists()


@pytest.mark.fault("A7")
def test_another_salt_does_not_reach_the_services(controller: Controller) -> None:
    controller.put(id_salt="another")
    done = controller.run()
    assert done.returncode == 0, done.stdout
    assert "[WARNING]: id_salt: what is here gives another name" in words_of(done)
    assert f"'id_salt': '{SALT}'" in words_of(done)


@pytest.mark.fault("A7")
@pytest.mark.parametrize("force", ["false", "true"], ids=["plain", "force=true"])
def test_an_older_password_does_not_reach_the_services(controller: Controller, force: str) -> None:
    controller.put(redis_password="older")
    done = controller.run("-e", f"force={force}")
    assert done.returncode == 2, done.stdout
    assert "redis_password is not what the services of monsterstack use" in words_of(done)
    # rotate_secrets.yml was interrupted here: it goes on.
    (controller.credentials / "redis_password.previous").write_text("x\n")
    assert controller.run().returncode == 0


@pytest.mark.fault("A7")
def test_a_secret_made_of_one_that_is_only_in_the_cluster(controller: Controller) -> None:
    controller.put(leave_out=("id_salt",))
    derived = {"derived_secrets": {"pepper": "{{ secret.id_salt | hash('sha256') }}"}}
    stack = yaml.safe_load((PROJECT / "stacks/monsterstack/stack.yml").read_text())
    stack["stack_definition"] |= derived
    extra = controller.folder / "stack.json"
    extra.write_text(json.dumps(stack))
    done = controller.run("-e", f"@{extra}")
    assert done.returncode == 2, done.stdout
    assert "pepper of the stack monsterstack is made from id_salt" in words_of(done)


def test_a_first_run_makes_them(controller: Controller) -> None:
    done = controller.run(exists=False, stacks={})
    assert done.returncode == 0, done.stdout
    made = {file.name for file in controller.credentials.iterdir()}
    assert {"secret_key", "redis_password", "id_salt"} <= made


@pytest.mark.fault("A6")
def test_another_clusters_folder_is_refused(controller: Controller) -> None:
    controller.put(cluster_id="another")
    done = controller.run("-e", "new_credentials=true")
    assert done.returncode == 2, done.stdout
    assert "these are the credentials of the cluster another" in words_of(done)


@pytest.mark.fault("A6")
def test_a_folder_that_nobody_marked_and_is_another_clusters(controller: Controller) -> None:
    controller.put(secret_key="f" * 64)
    done = controller.run()
    assert done.returncode == 2, done.stdout
    assert "are not what the cluster was made with" in words_of(done)


@pytest.mark.fault("A6")
@pytest.mark.parametrize("check", [[], ["--check"]], ids=["run", "dry run"])
def test_an_inventory_file_takes_over_what_its_folder_had(tmp_path: Path, check: list[str]) -> None:
    earlier, own = tmp_path / "credentials/inventory", tmp_path / "credentials/prod"
    controller = Controller(tmp_path, "inventory/prod.json")
    controller.put(earlier)
    done = controller.run(*check)
    assert done.returncode == 0, done.stdout
    assert PASSWORD in done.stdout
    assert own.is_dir() == (not check)
    assert not (earlier / "cluster_id").exists()
    if not check:
        assert {file.name for file in own.iterdir()} == {*FILES, "cluster_id"}
        assert f"copied from {earlier} to {own}" in words_of(done)


@pytest.mark.fault("A6")
def test_a_new_cluster_takes_nothing_over(tmp_path: Path) -> None:
    controller = Controller(tmp_path, "inventory/staging.json")
    controller.put(tmp_path / "credentials/inventory")
    done = controller.run(exists=False, stacks={})
    assert done.returncode == 0, done.stdout
    own = tmp_path / "credentials/staging/redis_password"
    assert own.read_text().strip() != FILES["redis_password"]


# Each row: files that the controller lacks or has otherwise (None: no folder), what the inventory
# gives, what is left of a stack whose services are gone (None: they run), and whether it may end.
ENDS: dict[str, tuple[dict[str, str] | None, dict[str, Any], list[str] | None, bool]] = {
    "the controller that made it": ({}, {}, None, True),
    "one without the salt": ({"id_salt": ""}, {}, None, False),
    "a fresh one": (None, {}, None, False),
    "a fresh one, and only the secret is left": (None, {}, [SALT, PASSWORD], False),
    "one with another salt": ({"id_salt": "another"}, {}, None, False),
    "another cluster's folder": ({"cluster_id": "another"}, {}, None, False),
    "a fresh one, with the value": (
        None, {"monsterstack_secrets": {"id_salt": FILES["id_salt"]}}, None, True
    ),
    "one without passwords": ({"redis_password": "", "registry_password": ""}, {}, None, True),
    "there is no salt in the swarm": (None, {}, [], True),
}  # fmt: skip


@pytest.mark.fault("point2")
@pytest.mark.parametrize(("files", "given", "left", "ends"), ENDS.values(), ids=ENDS)
def test_a_stack_does_not_take_the_only_copy_of_a_secret_with_it(
    files: dict[str, str] | None,
    given: dict[str, Any],
    left: list[str] | None,
    ends: bool,
    controller: Controller,
) -> None:
    if files is not None:
        absent = tuple(name for name, value in files.items() if not value)
        controller.put(None, absent, **{name: v for name, v in files.items() if v})
    stacks: Any = None if left is None else {}
    # No word gives the salt up.
    words = ("-e", "new_credentials=true")
    done = controller.run(*words, ending=True, stacks=stacks, secrets=left or (), given=given)
    said = words_of(done)
    assert done.returncode == (0 if ends else 2), done.stdout
    assert ("id_salt of the stack monsterstack must never change" in said) == (not ends)
    assert ("monsterstack_secrets.id_salt" in said) == (not ends)
    assert "redis_password" not in said.partition("names=")[0]


def test_teardown_asks_for_that() -> None:
    plays = yaml.safe_load((PROJECT / "playbooks/teardown.yml").read_text())
    (survey,) = [p for p in plays if p.get("ansible.builtin.import_playbook") == "survey.yml"]
    assert survey["vars"]["__ending"] is True
    assert survey_task()["monsterstack.swarm.credentials_plan"]["ending"] == (
        "{{ __ending | default(false) }}"
    )


# Each row: a file of the credentials folder, what is in it, what the refusal says of it.
SPOILT: dict[str, tuple[str, bytes | None, str]] = {
    "an empty key": ("secret_key", b"", "secret_key: it is empty"),
    "a blank password": ("registry_password", b" \n", "registry_password: it is empty"),
    "a secret of the stack": ("redis_password", b"", "(monsterstack_secrets.redis_password)"),
    "no text": ("id_salt", b"\xff\xfe", "id_salt: it cannot be read"),
    "a folder": ("registry.key", None, "registry.key: it cannot be read"),
    "an outgoing value": ("redis_password.previous", b"", "redis_password.previous: it is empty"),
}


@pytest.mark.fault("A7")
@pytest.mark.parametrize(("name", "content", "piece"), SPOILT.values(), ids=SPOILT)
def test_a_file_without_a_value_is_no_credential(
    name: str, content: bytes | None, piece: str, controller: Controller
) -> None:
    controller.put()
    file = controller.credentials / name
    file.unlink(missing_ok=True)
    file.mkdir() if content is None else file.write_bytes(content)
    done = controller.run(
        exists=name != "secret_key"
    )  # a new cluster must not begin with it either
    assert done.returncode == 2, done.stdout
    assert piece in words_of(done), done.stdout
    assert "names=" not in done.stdout
