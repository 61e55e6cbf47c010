"""What restore.yml decides on the controller: its own plays, run here on empty machines."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.monsterstack.swarm.plugins.modules.sealed_archive import seal
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import machine
from tests.unit.playing import PROJECT, ansible_playbook

KEY = "key-of-the-test"

MANIFEST = {
    "format": 1,
    "cluster_id": "p1vvc7w5hfcbwoqaqb3lnwvon",
    "copied_from": "m1",
    "state_file": "m1/swarm.tar",
    "nodes": [],
}


def volume(name: str) -> dict[str, Any]:
    return {"name": name, "hostname": "w1", "labels": {}, "file": f"w1/{name}.tar", "bytes": 1}


def archive(folder: Path, name: str, with_credentials: bool = True) -> Path:
    """A pair of files as backup.yml makes it."""
    stack, _dash, at = name.rpartition("-")
    source = folder / "source"
    for kind in ["cluster", "credentials"] if with_credentials else ["cluster"]:
        (source / kind).mkdir(parents=True, exist_ok=True)
        (source / kind / "redis_password").write_text(f"of {name}\n")
        given = MANIFEST | {"stack": stack, "at": at, "volumes": [volume(f"{stack}_data")]}
        module: Any = SimpleNamespace(params={"manifest": given, "leave_out": []})
        seal(module, folder / f"{name}.{kind}", source / kind, KEY)
    return folder / f"{name}.cluster"


class Controller:
    """A folder with an inventory of one manager and the key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = folder / "inventory/credentials/mine"
        self.credentials.mkdir(parents=True)
        (self.credentials / "backup_key").write_text(f"{KEY}\n")
        self.inventory = folder / "inventory/mine/hosts.json"
        self.inventory.parent.mkdir()
        self.inventory.write_text(
            json.dumps(
                {
                    "managers": {"hosts": {"m1": {"__host_info": machine("m1", engine="absent")}}},
                    "workers": {"hosts": {"w1": {"__host_info": machine("w1", engine="absent")}}},
                }
            )
        )

    def restore(
        self, *archives: Path, words: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """The plays before the first host is touched, without the survey between them."""
        plays = [
            play
            for play in yaml.safe_load((PROJECT / "playbooks/restore.yml").read_text())
            if play["name"] in ("Open the archive", "Decide where it goes")
        ]
        assert len(plays) == 2
        for play in plays:
            play["vars_files"] = [
                str(PROJECT / "playbooks/vars/common.yml"),
                str(PROJECT / "stacks/monsterstack/stack.yml"),
            ]
            here = {"stacks_dir": str(PROJECT / "stacks"), "ansible_connection": "local"}
            play["vars"] = {**play.get("vars", {}), **here}
        given = [f"archive={','.join(str(one) for one in archives)}", *words]
        return self.play(plays, *(option for word in given for option in ("-e", word)))

    def applied(self, hosts: dict[str, dict[str, Any]], **plan: Any) -> list[tuple[str, set[str]]]:
        """The tasks of the play that changes hosts, in order, each with the hosts that it is for.

        What they would do is left out, when and for whom they do it is the playbook's own.
        """
        (play,) = (
            play
            for play in yaml.safe_load((PROJECT / "playbooks/restore.yml").read_text())
            if play["name"].startswith("Engines")
        )
        kept = ("name", "when", "run_once")
        play = {key: play[key] for key in ("name", "hosts", "gather_facts")} | {
            "tasks": [
                {key: task[key] for key in kept if key in task}
                | {"ansible.builtin.debug": {"msg": "done"}}
                for task in play["tasks"]
                if "ansible.builtin.meta" not in task
            ]
        }
        given = {
            name: {"__host_info": facts, "__restore": {"volumes": {}, **plan}}
            for name, facts in hosts.items()
        }
        self.inventory.write_text(json.dumps({"managers": {"hosts": given}}))
        done = self.play([play])
        assert done.returncode == 0, done.stdout
        found: list[tuple[str, set[str]]] = []
        for line in done.stdout.splitlines():
            if title := re.match(r"TASK \[(.*)\]", line):
                found.append((title[1], set()))
            elif host := re.match(r"ok: \[(.*?)\]", line):
                found[-1][1].add(host[1])
        return [(name, there) for name, there in found if there]

    def play(self, plays: list[dict[str, Any]], *words: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "play.yml").write_text(json.dumps(plays))
        return self.run(self.folder / "play.yml", *words)

    def run(self, playbook: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return ansible_playbook("-i", self.inventory, playbook, *words, timeout=90)


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


@pytest.mark.fault("A12")
def test_archives_of_several_stacks_are_opened(controller: Controller, tmp_path: Path) -> None:
    """With the newest credentials: the folder has none. A path is from the working directory."""
    mine = archive(tmp_path, "monsterstack-20260101T000000Z")
    shop = archive(tmp_path, "shop-20260102T000000Z")
    done = controller.restore(mine, Path(os.path.relpath(shop, PROJECT)))
    assert done.returncode == 0, done.stdout
    assert f"w1 gets the volume monsterstack_data from {mine.name}." in done.stdout
    assert f"w1 gets the volume shop_data from {shop.name}." in done.stdout
    assert f"m1 gets the state of m1 from {shop.name}" in done.stdout
    assert (controller.credentials / "redis_password").read_text() == "of shop-20260102T000000Z\n"
    collected = tmp_path / "inventory/backups/mine/.restored"
    assert [one.parent.name for one in sorted(collected.rglob("redis_password"))] == ["0", "1"]


@pytest.mark.fault("A12")
@pytest.mark.parametrize("word", ["force=true", "without=blog"])
def test_a_stack_begins_empty_by_its_own_word(
    word: str, controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`force` is for refusals of hosts and places, and this playbook hands it on to all of them."""
    monkeypatch.setitem(MANIFEST, "stacks", {"blog": ["blog_data"]})
    done = controller.restore(archive(tmp_path, "monsterstack-20260101T000000Z"), words=[word])
    assert (done.returncode == 0) == (word == "without=blog"), done.stdout
    said = " ".join(done.stdout.split())
    assert ("begin empty with -e without=blog" in said) == (word == "force=true")
    assert ("it begins without blog_data" in said) == (word == "without=blog")


@pytest.mark.fault("A12")
def test_credentials_that_are_passed_over_are_named(controller: Controller, tmp_path: Path) -> None:
    mine = archive(tmp_path, "monsterstack-20260101T000000Z")
    (controller.credentials / "id_salt").write_text("mine")
    done = controller.restore(mine)
    assert done.returncode == 0, done.stdout
    assert f"{mine.with_suffix('.credentials')} is not used" in done.stdout
    assert f"{controller.credentials} holds id_salt already" in done.stdout
    assert not (controller.credentials / "redis_password").exists()


@pytest.mark.fault("A12")
def test_a_missing_file_of_credentials_is_named(controller: Controller, tmp_path: Path) -> None:
    mine = archive(tmp_path, "monsterstack-20260101T000000Z", with_credentials=False)
    done = controller.restore(mine)
    assert done.returncode == 0, done.stdout
    assert f"{mine.with_suffix('.credentials')} is not used: there is no such file" in done.stdout


@pytest.mark.fault("A12")
def test_another_stacks_archive_alone_is_refused(controller: Controller, tmp_path: Path) -> None:
    """Before its credentials are put anywhere."""
    done = controller.restore(archive(tmp_path, "shop-20260102T000000Z"))
    assert done.returncode != 0, done.stdout
    assert "is of the stack shop: add -e stack=shop" in done.stdout
    assert not (controller.credentials / "redis_password").exists()


def test_what_is_no_archive_is_refused(controller: Controller, tmp_path: Path) -> None:
    there = archive(tmp_path, "monsterstack-20260101T000000Z")
    done = controller.restore(there, tmp_path / "away.cluster", there.with_suffix(".credentials"))
    assert done.returncode != 0, done.stdout
    assert f"There is no archive {tmp_path / 'away.cluster'}, " in done.stdout
    assert str(there.with_suffix(".credentials")) in done.stdout


@pytest.mark.fault("A12", "C4")
def test_engines_of_the_cluster_that_is_there_are_left_alone(controller: Controller) -> None:
    """They are site.yml's, which empties nodes first; here only those that are new or stopped."""
    hosts = {
        "m1": machine("m1", "A"),
        "m2": machine("m2"),
        "m3": machine("m3", engine="absent"),
        "m4": machine("m4", "A", engine="stopped"),
    }
    first, second, *_rest = controller.applied(hosts, resumed=True, force=False, target="m1")
    assert first == ("Lock the cluster that is there already", {"m1"})
    assert second == ("Engines", {"m2", "m3", "m4"})


def test_all_engines_are_made_on_machines_that_are_in_no_swarm(controller: Controller) -> None:
    hosts = {"m1": machine("m1", engine="absent"), "m2": machine("m2")}
    first, *_rest = controller.applied(hosts, resumed=False, force=True, target="m1")
    assert first == ("Engines", {"m1", "m2"})


# Each row: a word, whether restore.yml takes it.
WORDS = {"data=lost": False, "aside=true": True, "without=blog": True}


@pytest.mark.fault("point2")
@pytest.mark.parametrize(("word", "taken"), WORDS.items(), ids=WORDS)
def test_words_of_a_restore(word: str, taken: bool, controller: Controller, tmp_path: Path) -> None:
    """Judged before a host is looked at: site.yml, which comes last, would give the data away."""
    mine = archive(tmp_path, "monsterstack-20260101T000000Z")
    words = ("-e", f"archive={mine}", "-e", word)
    m1, w1 = (
        {"hosts": {name: {"ansible_host": f"192.0.2.{at}", "ansible_connection": "nowhere"}}}
        for at, name in enumerate(("m1", "w1"), 1)
    )
    controller.inventory.write_text(json.dumps({"managers": m1, "workers": w1}))
    done = controller.run(PROJECT / "playbooks/restore.yml", *words, "--check")
    assert done.returncode != 0, done.stdout
    assert ("data: this word is not read by restore.yml" in done.stdout) == (not taken), done.stdout
    assert ("Look at each host once" in done.stdout) == taken, done.stdout
