"""A swarm's own settings: one is changed, the others stay; the zeros are found and repaired."""

from __future__ import annotations

import copy
import time
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import host, swarm_spec
from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host, make_plan
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import EngineError
from ansible_collections.monsterstack.swarm.plugins.modules import swarm_ca, swarm_settings

# GET /swarm of Docker 26.1.5 after `docker swarm init`, and after autolock was switched by the tag
# 0.1.0 of this collection (community.docker.docker_swarm with autolock_managers alone).
NEW: dict[str, Any] = {
    "Name": "default",
    "Labels": {},
    "Orchestration": {"TaskHistoryRetentionLimit": 5},
    "Raft": {
        "SnapshotInterval": 10000,
        "KeepOldSnapshots": 0,
        "LogEntriesForSlowFollowers": 500,
        "ElectionTick": 10,
        "HeartbeatTick": 1,
    },
    "Dispatcher": {"HeartbeatPeriod": 5000000000},
    "CAConfig": {"NodeCertExpiry": 7776000000000000},
    "TaskDefaults": {},
    "EncryptionConfig": {"AutoLockManagers": False},
}
EMPTIED: dict[str, Any] = {
    "Name": "default",
    "Labels": {},
    "Orchestration": {"TaskHistoryRetentionLimit": 0},
    "Raft": {"KeepOldSnapshots": 0, "ElectionTick": 0, "HeartbeatTick": 0},
    "Dispatcher": {},
    "CAConfig": {},
    "TaskDefaults": {},
    "EncryptionConfig": {"AutoLockManagers": True},
}
LOCKED = {**NEW, "EncryptionConfig": {"AutoLockManagers": True}}
HISTORY_OF_NONE = {**NEW, "Orchestration": {"TaskHistoryRetentionLimit": 0}}
ALL = sorted(swarm_spec.DEFAULTS)


def other(spec: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    section, name = key.split(".")
    return {**spec, section: {**spec[section], name: value}}


ZEROS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a new swarm": (NEW, []),
    "locked": (LOCKED, []),
    "emptied": (EMPTIED, ALL),
    "a history of none is somebody's wish": (HISTORY_OF_NONE, []),
    "beside another 0 it is harm": (
        other(HISTORY_OF_NONE, "Raft.ElectionTick", 0),
        ["Orchestration.TaskHistoryRetentionLimit", "Raft.ElectionTick"],
    ),
    "other values are somebody's wish": (
        other(other(NEW, "Raft.SnapshotInterval", 7), "CAConfig.NodeCertExpiry", 3600 * 10**9),
        [],
    ),
    "repaired by hand but for what no command can set": (
        other(NEW, "Raft.HeartbeatTick", 0),
        ["Raft.HeartbeatTick"],
    ),
    "a worker knows no settings": ({}, []),
}


@pytest.mark.fault("A2")
@pytest.mark.parametrize(("spec", "found"), ZEROS.values(), ids=ZEROS)
def test_zeros(spec: dict[str, Any], found: list[str]) -> None:
    assert sorted(swarm_spec.zeros(spec)) == found
    mended = swarm_spec.repaired(spec)
    assert swarm_spec.zeros(mended) == []
    assert sorted(swarm_spec.differences(spec, mended)) == found
    assert (mended == spec) == (not found)


@pytest.mark.fault("A2")
def test_what_was_emptied_becomes_what_a_new_swarm_has() -> None:
    assert swarm_spec.repaired(EMPTIED) == LOCKED
    assert swarm_spec.autolocked(LOCKED, False) == NEW
    assert swarm_spec.autolocked(NEW, True) == LOCKED


@pytest.mark.parametrize("spec", [NEW, LOCKED, EMPTIED, {}], ids=["new", "locked", "zeros", "no"])
@pytest.mark.parametrize("wanted", [True, False])
def test_only_the_lock_changes(spec: dict[str, Any], wanted: bool) -> None:
    before = copy.deepcopy(spec)
    after = swarm_spec.autolocked(spec, wanted)
    assert spec == before
    assert set(swarm_spec.differences(spec, after)) <= {"EncryptionConfig.AutoLockManagers"}
    assert swarm_spec.autolocked(after, wanted) == after
    assert bool((after.get("EncryptionConfig") or {}).get("AutoLockManagers")) is wanted


WORDS: dict[str, tuple[str, Any, str]] = {
    "a count": ("Raft.SnapshotInterval", 10000, "10000"),
    "left out": ("Raft.SnapshotInterval", None, "0"),
    "seconds": ("Dispatcher.HeartbeatPeriod", 5 * 10**9, "5 seconds"),
    "days": ("CAConfig.NodeCertExpiry", 7776000000000000, "90 days"),
    "yes or no": ("EncryptionConfig.AutoLockManagers", True, "true"),
    "text": ("Labels.owner", "shop", "shop"),
    "no text": ("Labels.owner", None, "none"),
}


@pytest.mark.parametrize(("key", "value", "text"), WORDS.values(), ids=WORDS)
def test_in_words(key: str, value: Any, text: str) -> None:
    assert swarm_spec.in_words(key, value) == text


class Engine:
    """Takes what is posted as the whole Spec, as an engine does; `rivals` post before us."""

    def __init__(self, spec: dict[str, Any], rivals: int = 0) -> None:
        self.spec, self.version, self.rivals, self.posts = copy.deepcopy(spec), 7, rivals, 0

    def get(self, path: str) -> Any:
        if path == "/nodes":
            return [{"ID": "n", "Status": {"State": "ready"}, "Description": {"TLSInfo": self.tls}}]
        assert path == "/swarm"
        return copy.deepcopy(
            {"Spec": self.spec, "Version": {"Index": self.version}, "TLSInfo": self.tls}
        )

    @property
    def tls(self) -> dict[str, str]:
        return {"TrustRoot": f"root {(self.spec.get('CAConfig') or {}).get('ForceRotate', 0)}"}

    def post(self, path: str, body: dict[str, Any], version: str) -> None:
        assert path == "/swarm/update"
        if self.rivals:
            self.rivals -= 1
            self.version += 1
            self.spec["Labels"] = {"rival": str(self.version)}
        if version != str(self.version):
            raise EngineError(500, "rpc error: code = Unknown desc = update out of sequence")
        self.spec, self.version, self.posts = body, self.version + 1, self.posts + 1


class LeftError(Exception):
    """What a module's exit_json is in these tests."""


def settings(engine: Any, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    """The answer of swarm_settings."""

    def exit_json(**result: Any) -> None:
        raise LeftError(result)

    module: Any = SimpleNamespace(
        params={"autolock": None, "repair": False, "timeout": 5, "lock_owner": None, **params},
        check_mode=check_mode,
        exit_json=exit_json,
    )
    run = swarm_ca.run if params.get("ca") else swarm_settings.run
    with pytest.raises(LeftError) as left:
        run(module, engine)
    answer: dict[str, Any] = left.value.args[0]
    return answer


@pytest.mark.fault("A2")
@pytest.mark.parametrize("rivals", [0, 2], ids=["alone", "others post meanwhile"])
def test_switching_autolock_keeps_the_other_settings(
    rivals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    mine = {**NEW, "Labels": {"owner": "shop"}, "TaskDefaults": {"LogDriver": {"Name": "journald"}}}
    engine = Engine(mine, rivals)
    assert settings(engine, autolock=True, check_mode=True)["changed"]
    assert engine.posts == 0
    answer = settings(engine, autolock=True)
    assert answer["lines"] == ["EncryptionConfig.AutoLockManagers: false -> true"]
    labels = {"Labels": engine.spec["Labels"]} if rivals else {}
    assert engine.spec == {**mine, **LOCKED, "TaskDefaults": mine["TaskDefaults"],
                           "Labels": {"owner": "shop"}, **labels}  # fmt: skip
    assert not settings(engine, autolock=True)["changed"]
    assert engine.posts == 1


@pytest.mark.fault("A2")
def test_repair_says_what_it_puts_back_and_does_it_once() -> None:
    engine = Engine(EMPTIED)
    dry = settings(engine, repair=True, check_mode=True)
    assert (dry["changed"], engine.spec) == (True, EMPTIED)
    answer = settings(engine, repair=True)
    assert (answer["lines"], engine.spec) == (dry["lines"], LOCKED)
    assert "Orchestration.TaskHistoryRetentionLimit: 0 -> 5" in answer["lines"]
    assert "CAConfig.NodeCertExpiry: 0 days -> 90 days" in answer["lines"]
    assert answer["diff"]["before"]["Raft.SnapshotInterval"] == "0"
    assert not settings(engine, repair=True)["changed"]


@pytest.mark.fault("A2")
def test_a_new_ca_keeps_the_other_settings() -> None:
    engine = Engine(LOCKED)
    settings(engine, ca=True)
    assert set(swarm_spec.differences(LOCKED, engine.spec)) == {"CAConfig.ForceRotate"}


@pytest.mark.fault("A2")
@pytest.mark.parametrize(("spec", "said"), [(NEW, 0), (EMPTIED, 1)], ids=["new", "emptied"])
def test_the_plan_names_the_zeros(spec: dict[str, Any], said: int) -> None:
    """site.yml warns with the plan's notices, doctor.yml lists them."""
    answer = {"Swarm": {"LocalNodeState": "active", "NodeID": "n1", "ControlAvailable": True,
                        "Cluster": {"ID": "c1", "Spec": spec}}}  # fmt: skip
    swarm = host.summarise_swarm(answer, {}, "")
    node = {"ID": "n1", "Spec": {"Role": "manager"}, "ManagerStatus": {"Leader": True}}
    swarm["nodes"] = [host.summarise_node(node)]
    info = {"hostname": "m1", "engine": {"running": True}, "swarm": swarm}
    plan = make_plan([Host("m1", "managers", "192.0.2.1", info)])
    assert bool(plan.zeros) is bool(said)
    notices = [text for text in plan.notices if "settings of the swarm are 0" in text]
    assert len(notices) == said
    assert all("site.yml puts back" in text and "CAConfig.NodeCertExpiry 90 days" in text
               for text in notices)  # fmt: skip
