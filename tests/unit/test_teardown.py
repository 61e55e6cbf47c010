"""What a teardown refuses (the stacks of others), and what it says that it left."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.monsterstack.swarm.plugins.modules import stack_absent
from tests.unit.playing import PROJECT, ansible_playbook

# Each row: what host_info listed, the words, and a piece of the refusal ("": it goes on).
SWARMS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "another stack": ({"shop": {}, "registry": {}}, ["-e", "swarm=true"], "the stack mine: shop."),
    "services of no stack": ({"": {}}, ["-e", "swarm=true"], ": services without a stack."),
    "this stack alone": ({"mine": {}, "registry": {}}, ["-e", "swarm=true"], ""),
    "the swarm stays": ({"shop": {}, "mine": {}}, [], ""),
}


@pytest.mark.fault("point2")
@pytest.mark.parametrize(("stacks", "words", "piece"), SWARMS.values(), ids=SWARMS)
def test_a_swarm_does_not_end_with_the_stacks_of_others(
    stacks: dict[str, Any], words: list[str], piece: str, tmp_path: Path
) -> None:
    plays = yaml.safe_load((PROJECT / "playbooks/teardown.yml").read_text())
    name = "Refuse to end a swarm that others use"
    (task,) = [one for play in plays for one in play.get("tasks", []) if one["name"] == name]
    play = {
        "hosts": "m1",
        "gather_facts": False,
        "vars": {"__stack": "mine", "__host_info": {"stacks": stacks}},
        "tasks": [task],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = ansible_playbook("-i", "m1,", "-c", "local", tmp_path / "play.yml", *words)
    assert done.returncode == (2 if piece else 0), done.stdout
    assert piece in " ".join(done.stdout.split())


@pytest.mark.fault("point2")
@pytest.mark.parametrize("removed", [False, True], ids=["nobody removed it", "a manager did"])
def test_neither_volumes_nor_swarm_go_where_no_manager_removed_the_stack(
    removed: bool, tmp_path: Path
) -> None:
    """The play that refuses is passed over where the survey found no manager, or was skipped."""
    plays = yaml.safe_load((PROJECT / "playbooks/teardown.yml").read_text())
    (play,) = [one for one in plays if one["name"] == "Remove its volumes"]
    first = play["tasks"][0]
    known = {"groups": "swarm_primary", "__stack_removed": {}} if removed else {}
    primary = {"name": "The manager", "ansible.builtin.add_host": {"name": "m1", **known}}
    shown = {
        "hosts": "m1",
        "gather_facts": False,
        "vars": {"__stack": "mine"},
        "tasks": [primary, first],
    }
    (tmp_path / "play.yml").write_text(json.dumps([shown]))
    done = ansible_playbook("-i", "m1,", "-c", "local", tmp_path / "play.yml")
    assert done.returncode == (0 if removed else 2), done.stdout
    assert ("neither volumes nor the swarm" in " ".join(done.stdout.split())) == (not removed)


class Disk:
    """An engine with the volumes of two stacks, of the registry, and one that nobody named."""

    def __init__(self) -> None:
        self.volumes = {"mine_data": "mine", "shop_data": "shop", "registry_data": "", "f" * 64: ""}

    def get(self, path: str, filters: Any = None) -> dict[str, Any]:
        assert path == "/volumes"
        return {
            "Volumes": [{"Name": n} for n, s in self.volumes.items() if not filters or s == "mine"]
        }

    def delete(self, path: str) -> None:
        del self.volumes[path.removeprefix("/volumes/")]


@pytest.mark.fault("B1")
@pytest.mark.parametrize("check", [False, True], ids=["done", "dry run"])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
def test_every_volume_that_is_left_is_named(keep: bool, check: bool) -> None:
    """Seen: "volumes left: none" beside the volume of a stack that went earlier."""
    params = {"stack": "mine", "keep": keep, "timeout": 1}
    module: Any = SimpleNamespace(check_mode=check, params=params)
    disk: Any = Disk()
    told = stack_absent.remove_volumes(module, disk)
    node = platform.node()
    others = [f"registry_data on {node}", f"shop_data on {node}"]
    assert told["left"] == ([f"mine_data on {node}"] if keep else []) + others
    assert told["removed"] == ([] if keep else [f"volume mine_data on {node}"])
