"""What host_info reads of the files that the roles wrote, and asks of a manager's engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import EngineError
from ansible_collections.monsterstack.swarm.plugins.modules import host_info
from ansible_collections.monsterstack.swarm.plugins.modules.host_info import PRIVATE, exposed

MODES = {"of earlier versions": (0o644, True), "a group's": (0o640, True), "ours": (0o600, False)}


@pytest.mark.fault("C13")
@pytest.mark.parametrize(("mode", "named"), MODES.values(), ids=MODES)
def test_exposed(tmp_path: Path, mode: int, named: bool) -> None:
    file = tmp_path / "shop" / "compose.yml"
    file.parent.mkdir()
    file.write_text("services: {}\n")
    file.chmod(mode)
    assert exposed(f"{tmp_path}/*/compose.yml") == ([str(file)] if named else [])


def test_it_looks_at_compose_files() -> None:
    assert PRIVATE.endswith("/stacks/*/compose.yml")


# Parts of what a manager with Docker 26.1 answers, for one service that is bound to a label.
INFO = {
    "ServerVersion": "26.1.5",
    "Swarm": {"LocalNodeState": "active", "NodeID": "n1", "ControlAvailable": True,
              "Cluster": {"ID": "c1"}},
}  # fmt: skip
NODE = {
    "ID": "n1",
    "Spec": {"Role": "manager", "Availability": "active", "Labels": {}},
    "Description": {"Hostname": "m1"},
    "Status": {"State": "ready", "Addr": "192.0.2.1"},
    "ManagerStatus": {"Leader": True, "Reachability": "reachable"},
}
MOUNT = {"Type": "volume", "Source": "shop_db", "Target": "/data"}
SERVICE = {
    "ID": "s1",
    "Spec": {
        "Name": "shop_db",
        "Labels": {"com.docker.stack.namespace": "shop"},
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "db:1", "Mounts": [MOUNT]},
            "Placement": {"Constraints": ["node.labels.shop.db == true"]},
        },
    },
}
TASK = {
    "ID": "t1",
    "ServiceID": "s1",
    "NodeID": "n1",
    "DesiredState": "running",
    "CreatedAt": "2026-11-27T10:00:00.5Z",
    "Spec": {"Resources": {"Reservations": {"NanoCPUs": 500000000}}},
}
ANSWERS: dict[str, Any] = {
    "/info": INFO,
    "/nodes": [NODE],
    "/services": [SERVICE],
    "/tasks": [TASK, {**TASK, "ID": "t0", "NodeID": "n0", "DesiredState": "shutdown",
                      "CreatedAt": "2026-11-26T10:00:00.5Z"}],
    "/configs": [],
    "/secrets": [{"ID": "x1", "Spec": {"Name": "shop_password_0123456789ab"}}],
}  # fmt: skip


class Manager:
    """An engine in the place of Engine. `silent` is a path that it does not answer."""

    api_version, min_api_version = "1.45", ""

    def __init__(self, silent: str = "") -> None:
        self.silent = silent

    def get(self, path: str, **query: Any) -> Any:
        if path == self.silent:
            raise EngineError(500, "rpc error: code = DeadlineExceeded")
        if "service" in query.get("filters", {}):
            # moby looks each of them up first; this one was removed a moment ago.
            raise EngineError(404, "service shop_db not found")
        return ANSWERS[path]


class Module:
    """What look_at_engine uses of an AnsibleModule; the host has no programs."""

    params: ClassVar = {"docker_host": "unix:///nowhere", "services": True}

    def get_bin_path(self, *_names: Any, **_options: Any) -> None:
        return None


def look(monkeypatch: pytest.MonkeyPatch, silent: str = "") -> dict[str, Any]:
    monkeypatch.setattr(host_info, "Engine", lambda *_args, **_options: Manager(silent))
    module: Any = Module()
    return host_info.look_at_engine(module)


@pytest.mark.fault("A11")
def test_a_service_that_has_just_gone_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(monkeypatch)
    assert found["swarm"]["error"] in (None, "")
    assert found["secrets"] == ["shop_password_0123456789ab"]
    assert found["reserved"] == {"n1": {"shop": {"cpus": 0.5, "memory_bytes": 0}}}
    assert found["bound_labels"] == {
        "shop.db": {"services": ["shop_db"], "volumes": ["shop_db"], "nodes": ["n1", "n0"]}
    }


@pytest.mark.fault("A11")
@pytest.mark.parametrize("silent", ["/nodes", "/services", "/tasks", "/configs", "/secrets"])
def test_what_was_not_answered_does_not_look_like_none(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without nodes nobody works through this manager: the plan refuses, or takes another one."""
    found = look(monkeypatch, silent)
    assert not found["swarm"].get("nodes")
    assert "DeadlineExceeded" in found["swarm"]["error"]


@pytest.mark.fault("A1")
def test_the_newest_answer_about_the_quorum_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """/info was asked while the manager still waited for its leader."""
    info = {**ANSWERS["/info"], "Swarm": {**ANSWERS["/info"]["Swarm"], "Error": "waited in vain"}}
    monkeypatch.setitem(ANSWERS, "/info", info)
    assert look(monkeypatch, "/nodes")["swarm"]["error"] == "rpc error: code = DeadlineExceeded"
