"""A controller is replaceable: one cluster, worked on from several computers in turn.

Each computer is a checkout of its own with a copy of the inventory, as a second clone is. The first
one, A, is the checkout that made the cluster. The tests build on each other.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster import PROJECT, Run, assert_as_meant, cluster, environment, note

pytestmark = [pytest.mark.machines, pytest.mark.fault("A7")]

SCENARIO = "single"
# The inventory's variables for the files of the credentials folder (docs/disaster.md).
VARIABLES = {
    "secret_key": "secret_key",
    "registry_password": "registry_password",
    "registry_ca.key": "registry_ca_key",
    "registry_ca.pem": "registry_ca_certificate",
    "registry.key": "registry_key",
    "registry.pem": "registry_certificate",
}
STACK_SECRETS = ("redis_password", "id_salt")


class Controller:
    """A clone in an empty folder, with the scenario's inventory and no credentials."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder, self.home = folder, home
        tracked = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"]
        listed = subprocess.run(
            [*tracked, "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.split("\0"):
            source, target = PROJECT / name, folder / name
            if name and (source.is_symlink() or source.is_file()):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        self.inventory = folder / cluster().inventory.relative_to(PROJECT)

    @property
    def credentials(self) -> Path:
        return self.inventory.parent / "credentials" / self.inventory.name

    def run(self, *words: str) -> Run:
        """ansible-playbook there, as a user types it; Specs are compared as everywhere."""
        before, began = cluster().specs(), time.monotonic()
        own = {"ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")}
        if self.home:
            own["HOME"] = str(self.home)
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory), *words],
            cwd=self.folder,
            env={**environment(), **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        run = Run(done.returncode, done.stdout, round(time.monotonic() - began, 1))
        assert_as_meant(words, run, before, cluster().specs())
        return run

    def encrypt(self, values: dict[str, str], password: Path) -> None:
        """Each value as `ansible-vault encrypt_string` prints it, in the inventory."""
        vault = ["ansible-vault", "encrypt_string", "--vault-password-file", str(password)]
        vault += ["--stdin-name"]
        lines = ["---"]
        for name, value in values.items():
            done = subprocess.run(
                [*vault, name],
                cwd=self.folder,
                env={**environment(), "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")},
                input=value,
                capture_output=True,
                text=True,
                check=True,
            )
            lines.append(done.stdout.rstrip())
        given = {name: "{{ vault_" + name + " }}" for name in STACK_SECRETS}
        lines.append(f"monsterstack_secrets: {json.dumps(given)}")
        file = self.inventory / "group_vars/all/vault.yml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """B: a clone that never saw the cluster."""
    return Controller(tmp_path_factory.mktemp("second") / "swarm")


def used_secrets() -> set[str]:
    """The full names of the secrets that the page's service uses."""
    spec = cluster().service("monsterstack_frontend")
    return {one["SecretName"] for one in spec["TaskTemplate"]["ContainerSpec"]["Secrets"]}


def salt() -> str:
    """The full name of the salt's secret, which carries a keyed digest of the value."""
    (name,) = (name for name in used_secrets() if "id_salt" in name)
    return name


def test_without_credentials_it_is_refused(second: Controller) -> None:
    run = second.run("site.yml")
    assert run.code != 0, run.output
    assert run.changed == 0, run.output
    for way in ("credentials_dir", "ansible-vault", "new_credentials=true"):
        assert way in run.text, run.output
    assert not second.credentials.exists()
    note(SCENARIO, "refused without credentials", seconds=run.seconds, changed=run.changed)


def test_with_every_value_from_the_vault_nothing_changes(
    second: Controller, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = cluster().credentials
    values = {variable: (here / file).read_text().strip() for file, variable in VARIABLES.items()}
    values |= {f"vault_{name}": (here / name).read_text().strip() for name in STACK_SECRETS}
    password = tmp_path_factory.mktemp("vault") / "password"
    password.write_text("the team's password\n")
    second.encrypt(values, password)
    run = second.run("site.yml", "--vault-password-file", str(password))
    assert (run.code, run.changed) == (0, 0), run.output
    note(SCENARIO, "every value from the vault", seconds=run.seconds, changed=run.changed)
    left = (
        [file.name for file in second.credentials.iterdir()] if second.credentials.exists() else []
    )
    assert not set(left) & {*VARIABLES, *STACK_SECRETS}, left

    # A runner that starts empty: its home has nothing, its checkout only what is in git.
    for start in ("one", "two"):
        home = second.folder.parent / f"home-{start}"
        home.mkdir()
        runner = Controller(second.folder.parent / f"runner-{start}", home)
        vault = second.inventory / "group_vars/all/vault.yml"
        shutil.copy2(vault, runner.inventory / "group_vars/all")
        run = runner.run("site.yml", "--vault-password-file", str(password))
        assert (run.code, run.changed) == (0, 0), run.output
        note(SCENARIO, f"empty runner, start {start}", seconds=run.seconds, changed=run.changed)


def test_the_first_controller_changes_nothing_either() -> None:
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
    note(SCENARIO, "the first controller again", seconds=run.seconds, changed=run.changed)


def test_new_credentials_keep_the_salt(second: Controller) -> None:
    """B has nothing again and is told to make what can be made; A needs B's folder then."""
    (second.inventory / "group_vars/all/vault.yml").unlink()
    kept, before = salt(), used_secrets()
    run = second.run("site.yml", "-e", "new_credentials=true")
    assert run.code == 0, run.output
    assert salt() == kept
    assert not (second.credentials / "id_salt").exists()
    assert used_secrets() & before == {kept}
    note(SCENARIO, "new credentials", seconds=run.seconds, changed=run.changed)
    again = second.run("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output

    refused = cluster().playbook("site.yml")
    assert refused.code != 0, refused.output
    assert refused.changed == 0, refused.output
    for file in second.credentials.iterdir():
        shutil.copy2(file, cluster().credentials)
    taken = cluster().playbook("site.yml")
    assert (taken.code, taken.changed) == (0, 0), taken.output
    assert salt() == kept
