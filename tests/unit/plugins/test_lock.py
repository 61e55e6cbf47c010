"""The lock of a stack: who has it, when it is stale, and that only one of two gets it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import lock
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import EngineError
from ansible_collections.monsterstack.swarm.plugins.modules import stack_lock

ANN = lock.Owner("ann", "desk", 100, "boot1 pid:[1]", "555", 1000.0)
HERE, HOUR = ANN.place, 3600.0


@pytest.mark.parametrize(
    ("holder", "here", "begun", "host", "now", "word"),
    [
        (ANN, HERE, "555", "desk", 1e6, None),
        (ANN, HERE, "", "desk", 1001, "ended"),
        (ANN, HERE, "556", "desk", 1001, "ended"),
        (ANN, "boot2 pid:[1]", "", "desk", 1001, "started anew"),
        (ANN, "boot1 pid:[2]", "", "desk", 1001, None),
        (ANN, "boot9 pid:[1]", "", "lap", 1001, None),
        (ANN, "boot9 pid:[1]", "", "lap", 1000 + HOUR, None),
        (ANN, "boot9 pid:[1]", "", "lap", 1001 + HOUR, "60 minutes ago"),
        (dataclasses.replace(ANN, place=""), "", "", "desk", 1001, None),
        (dataclasses.replace(ANN, place=""), "", "", "desk", 2000 + HOUR, "minutes ago"),
    ],
    ids=[
        "it still runs, however long",
        "it has ended",
        "its number was given to another process",
        "the controller was rebooted",
        "another container of this host: cannot be seen",
        "another controller",
        "another controller, just in time",
        "another controller, forgotten",
        "nothing can be known",
        "nothing can be known, forgotten",
    ],
)
def test_stale(
    holder: lock.Owner, here: str, begun: str, host: str, now: float, word: str | None
) -> None:
    why = lock.stale(holder, here, begun, host, now, HOUR)
    assert (why is None) == (word is None)
    assert (word or "") in (why or "")


def test_begun_survives_odd_names(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(str(n) for n in range(3, 53))
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) {fields}\n")
    assert lock.begun(7, tmp_path) == "22"
    assert lock.begun(8, tmp_path) == ""


def test_a_real_process() -> None:
    me = lock.this_owner(os.getpid())
    assert lock.begun(os.getpid()) == me.begun != ""
    assert lock.owner_from(dataclasses.asdict(me)) == me
    gone = subprocess.Popen(["true"])
    owner = lock.this_owner(gone.pid)
    gone.wait()
    why = lock.stale(owner, lock.place(), lock.begun(gone.pid), owner.host, owner.at, HOUR)
    assert why == "that process has ended"


@pytest.mark.parametrize("data", [{}, {"pid": "x"}, {"user": 1}], ids=str)
def test_no_lock_of_ours(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        lock.owner_from(data)


def test_the_refusal_says_who_and_what_to_do() -> None:
    text = lock.refusal("shop", ANN, HOUR)
    for words in ("shop", "ann@desk", "process 100", "60 minutes", "docker config rm shop_lock"):
        assert words in text


class Swarm:
    """Configs as the managers keep them: a name is given once."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.before_create: Any = None

    def get(self, path: str, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        assert path == "/configs"
        begin = tuple(filters["name"])
        return [c for c in self.configs.values() if c["Spec"]["Name"].startswith(begin)]

    def post(self, path: str, body: dict[str, Any]) -> None:
        assert path == "/configs/create"
        if self.before_create:
            action, self.before_create = self.before_create, None
            action()
        if any(c["Spec"]["Name"] == body["Name"] for c in self.configs.values()):
            raise EngineError(409, "name conflicts")
        self.made += 1
        self.configs[f"id{self.made}"] = {"ID": f"id{self.made}", "Spec": body}

    def delete(self, path: str) -> None:
        if self.configs.pop(path.removeprefix("/configs/"), None) is None:
            raise EngineError(404, "not found")


def call(
    swarm: Swarm, work: Any, who: lock.Owner, replace: str | None = None, check: bool = False
) -> dict[str, Any]:
    params = {"stack": "shop", "owner": dataclasses.asdict(who), "replace": replace}
    result: dict[str, Any] = work(SimpleNamespace(params=params, check_mode=check), swarm)
    return result


BOB = dataclasses.replace(ANN, user="bob", pid=200)


def test_one_of_two_gets_it() -> None:
    swarm = Swarm()
    assert call(swarm, stack_lock.lock, ANN)["held"]
    assert call(swarm, stack_lock.lock, ANN)["held"], "taking twice is no obstacle"
    refused = call(swarm, stack_lock.lock, BOB)
    assert (refused["held"], refused["holder"]["user"]) == (False, "ann")
    call(swarm, stack_lock.unlock, BOB)
    assert len(swarm.configs) == 1, "somebody else's is not given back"
    call(swarm, stack_lock.unlock, ANN)
    assert not swarm.configs
    assert call(swarm, stack_lock.lock, BOB)["held"]


def test_who_is_quicker_between_question_and_creation_has_it() -> None:
    swarm = Swarm()
    swarm.before_create = lambda: call(swarm, stack_lock.lock, ANN)
    assert call(swarm, stack_lock.lock, BOB)["holder"]["user"] == "ann"


def test_only_the_lock_that_was_judged_is_replaced() -> None:
    swarm = Swarm()
    call(swarm, stack_lock.lock, ANN)
    assert call(swarm, stack_lock.lock, BOB, replace="id1")["held"]
    carl = dataclasses.replace(ANN, user="carl", pid=300)
    assert call(swarm, stack_lock.lock, carl, replace="id1")["holder"]["user"] == "bob"


def test_a_longer_name_is_another_stack() -> None:
    swarm = Swarm()
    swarm.post("/configs/create", {"Name": "shop_locksmith", "Labels": {}, "Data": ""})
    assert call(swarm, stack_lock.lock, ANN)["held"]


def test_check_mode_takes_nothing() -> None:
    swarm = Swarm()
    assert not call(swarm, stack_lock.lock, ANN, check=True)["held"]
    assert not swarm.configs
    call(swarm, stack_lock.lock, ANN)
    assert call(swarm, stack_lock.lock, BOB, check=True)["holder"]
    call(swarm, stack_lock.unlock, ANN, check=True)
    assert swarm.configs


class Running(Swarm):
    """A swarm in which nothing was released yet, with one secret."""

    def get(self, path: str, filters: dict[str, list[str]] | None = None) -> list[dict[str, Any]]:
        if path == "/secrets":
            return [{"Spec": {"Name": "shop_pin"}}]
        return super().get(path, filters) if filters and "name" in filters else []


def test_whoever_has_it_sees_what_runs() -> None:
    swarm = Running()
    seen = call(swarm, stack_lock.take, ANN)
    assert (seen["secrets"], seen["running"], seen["current"]) == (["shop_pin"], {}, None)
    assert "running" not in call(swarm, stack_lock.take, BOB)
