"""An inventory that speaks of several stacks, given to site.yml."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.monsterstack.swarm.plugins.plugin_utils import stack_files
from tests.unit.playing import PROJECT, ansible_playbook
from tests.unit.test_refusals import refused_first, run


def second_stack(tmp_path: Path, more: str = "") -> list[str]:
    """A stack without ports, probe and smoke test, somewhere else; the words that name it."""
    folder = tmp_path / "stacks" / "shop"
    folder.mkdir(parents=True)
    (folder / "stack.yml").write_text(
        "stack_definition:\n  tag: '1'\n  images: {cache: docker.io/library/redis:8.0}\n" + more
    )
    (folder / "compose.yml.j2").write_text(
        "services:\n  cache:\n    image: {{ image.cache }}\n    deploy: {replicas: 1}\n"
    )
    return ["-e", "stack=shop", "-e", f"stacks_dir={folder.parent}"]


def test_an_inventory_speaks_of_several_stacks(tmp_path: Path) -> None:
    """Issue 12, point 10: what is said of the stack that this run is not about is no mistake."""
    said = {"monsterstack_settings": {"port": 80}, "shop_images": {}, "monsterstack_setings": {}}
    done = run(tmp_path, "site.yml", *second_stack(tmp_path), **said)
    refused_first(done, ["monsterstack_setings: nothing here has such a variable"])
    assert "shop_images:" not in done.stdout
    assert "monsterstack_settings:" not in done.stdout


def test_a_probe_needs_a_port(tmp_path: Path) -> None:
    done = run(tmp_path, "site.yml", *second_stack(tmp_path, "  probe: {path: /}\n"))
    refused_first(done, ["no settings.port to ask at"])


# Each row: what stands in the stack's file, pieces of the refusal.
FILES: dict[str, tuple[str, list[str]]] = {
    "a word that forces": (
        "force: true\n",
        ["/shop/stack.yml: force: a stack's file", "Take it out"],
    ),
    "a word that destroys": ("volumes: true\n", ["/shop/stack.yml: volumes: a stack's file"]),
    "out of its place": ("pins: {}\n", ["pins: a stack's file", "Move it under stack_definition"]),
    "misspelt": ("stack_defintion: {}\n", ["stack_defintion: ", "Did you mean stack_definition?"]),
    "misspelt pins": ("  pin: {}\n", ["stack_definition.pin: ", "Did you mean pins?"]),
    "a misspelt backup": (
        "  backups: []\n",
        ["stack_definition.backups: ", "Did you mean backup?"],
    ),
    "no YAML": ("  pins: [\n", ["/shop/stack.yml cannot be read", "Correct it"]),
}


@pytest.mark.fault("A8", "C14")
@pytest.mark.parametrize(("more", "pieces"), FILES.values(), ids=FILES)
def test_a_stacks_file_sets_no_variable_but_its_own(
    tmp_path: Path, more: str, pieces: list[str]
) -> None:
    """Ansible takes what stands beside stack_definition for a word of the command line."""
    done = run(tmp_path, "teardown.yml", *second_stack(tmp_path, more), "-e", "confirm=shop")
    assert done.returncode != 0
    assert "Look at each host once" not in done.stdout
    said = " ".join(done.stdout.split())
    for piece in pieces:
        assert piece in said, done.stdout


@pytest.mark.fault("C14")
def test_a_stack_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "site.yml", *second_stack(tmp_path), "-e", "stack=shopp")
    assert done.returncode != 0
    assert f"stack: there is no stack shopp in {tmp_path}/stacks; it has shop. " in done.stdout


@pytest.mark.fault("A8")
@pytest.mark.parametrize("inherited", [False, True], ids=["typed", "of the inventory"])
def test_a_relative_folder_is_one_of_the_working_directory(tmp_path: Path, inherited: bool) -> None:
    """For the file of variables, the template and the checks alike, wherever the playbook lies."""
    second_stack(tmp_path)
    given = {"stacks_dir": "stacks", "credentials_dir": "kept", "backup_dir": "b"}
    inventory = tmp_path / "inventory" / "hosts.json"
    inventory.parent.mkdir()
    hosts = {"m1": {"ansible_host": "192.0.2.1", **(given if inherited else {})}}
    inventory.write_text(json.dumps({"managers": {"hosts": hosts}}))
    folders = "__stacks_dir, __stack_template, credentials_folder, __backup_folder"
    shown = f"{{{{ [{folders}, __backup_key_file] }}}}"
    play = {
        "hosts": "managers",
        "gather_facts": False,
        "vars_files": [
            str(PROJECT / "playbooks/vars/common.yml"),
            "{{ __stack_folder }}/stack.yml",
        ],
        "tasks": [{"ansible.builtin.debug": {"msg": f"at {shown}"}}],
    }
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/play.yml").write_text(json.dumps([play]))
    words = [] if inherited else ["-e", json.dumps(given)]
    done = ansible_playbook(
        "-i", inventory, tmp_path / "elsewhere/play.yml", "-e", "stack=shop", *words, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    for name in ("stacks", "stacks/shop/compose.yml.j2", "kept", "b", "kept/backup_key"):
        assert f"'{tmp_path}/{name}'" in " ".join(done.stdout.split()).replace("''", "'"), (
            done.stdout
        )


def test_the_page_on_stacks_names_every_key() -> None:
    """And its example is a stack."""
    page = (PROJECT / "docs/stacks.md").read_text()
    table = page.split("## Keys of stack.yml")[1].split("##")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(stack_files.KEYS)
    example = page.split("```yaml\n")[1].split("```")[0]
    assert stack_files.check_stack("stack.yml", yaml.safe_load(example)) == []
