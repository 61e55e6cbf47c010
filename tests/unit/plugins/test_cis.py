"""The benchmark's checks over the facts of an invented node, and the table of several."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.filter.cis_table import cis_table
from ansible_collections.monsterstack.swarm.plugins.module_utils import cis

STATUS = "Name:\tpython\nUid:\t10001\t10001\t10001\t10001\nCapEff:\t0000000000000000\n"
STATUS += "NoNewPrivs:\t1\nSeccomp:\t2\n"


def task_of(service: str) -> dict[str, str]:
    return {"com.docker.swarm.task.id": "abc", "com.docker.swarm.service.name": service}


def container(name: str = "shop_page.1.abc", **more: Any) -> dict[str, Any]:
    return {
        "Name": f"/{name}",
        "Config": {
            "User": "10001",
            "Image": "r:5443/shop/page:1.0@sha256:0",
            "Labels": task_of("shop_page"),
            "Env": ["REDIS_PASSWORD_FILE=/run/secrets/redis_password"],
        },
        "HostConfig": {
            "CapAdd": None,
            "Memory": 1,
            "NanoCpus": 1,
            "PidsLimit": 200,
            "ReadonlyRootfs": True,
            "NetworkMode": "default",
        },
        "State": {"Health": {"Status": "healthy"}},
        "Mounts": [{"Type": "volume", "Source": "/var/lib/docker/volumes/x"}],
        "AppArmorProfile": "docker-default",
        **cis.status_of(STATUS),
        **more,
    }


def facts(*containers: dict[str, Any]) -> dict[str, Any]:
    return {
        "info": {
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=userns", "name=rootless"],
            "Driver": "overlay2",
            "LoggingDriver": "syslog",
            "LiveRestoreEnabled": True,
            "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"]},
        },
        "manager": True,
        "managers": 3,
        "spec": {
            "CAConfig": {"NodeCertExpiry": 90 * 86400 * 10**9},
            "EncryptionConfig": {"AutoLockManagers": True},
        },
        "daemon_json": {
            "no-new-privileges": True,
            "icc": False,
            "userland-proxy": False,
            "authorization-plugins": ["opa"],
        },
        "files": {"/etc/docker": {"owner": "root:root", "mode": 0o755}},
        "engine_ports": [],
        "containers": list(containers) or [container()],
        "networks": [{"Name": "shop_net", "Driver": "overlay", "Options": {"encrypted": ""}}],
        "mesh_ports": [],
    }


def problems(of: dict[str, Any]) -> dict[str, list[str]]:
    """What fails, by number; only those that say something."""
    return {row["number"]: row["problems"] for row in cis.evaluate(of) if row["problems"]}


ALWAYS = {"4.5": ["tags are not signed"], "5.15": ["shop_page"]}


def test_numbers_are_there_once_and_exceptions_are_of_checks() -> None:
    numbers = [check.number for check in cis.CHECKS]
    assert len(set(numbers)) == len(numbers)
    assert set(cis.EXCEPTIONS) <= set(numbers)


def test_a_good_node() -> None:
    assert problems(facts()) == ALWAYS


def change(path: str, value: Any) -> dict[str, Any]:
    """The good node's facts with a value changed; the path has slashes, a number is an index."""
    changed = copy.deepcopy(facts())
    at: Any = changed
    *way, last = path.split("/")
    for step in way:
        at = at[int(step) if isinstance(at, list) else step]
    at[last] = value
    return changed


C = "containers/0"
BAD: dict[str, tuple[str, Any, str, str]] = {
    "rootful": ("info/SecurityOptions", ["name=userns"], "2.1", "it runs as root"),
    "icc": ("daemon_json/icc", True, "2.2", "icc is on"),
    "log level": ("daemon_json/log-level", "debug", "2.3", "it is another"),
    "iptables": ("daemon_json/iptables", False, "2.4", "it may not"),
    "insecure": (
        "info/RegistryConfig",
        {"InsecureRegistryCIDRs": ["10.0.0.0/8"]},
        "2.5",
        "10.0.0.0/8 is asked without TLS",
    ),
    "insecure by name": (
        "info/RegistryConfig",
        {"IndexConfigs": {"mirror:5000": {"Secure": False}}},
        "2.5",
        "mirror:5000 is asked without TLS",
    ),
    "tcp": ("engine_ports", [2375], "2.7", "dockerd listens on 2375/tcp"),
    "privileges": ("daemon_json/no-new-privileges", False, "2.14", "no-new-privileges is off"),
    "owner": (
        "files",
        {"/etc/docker/daemon.json": {"owner": "ops:ops", "mode": 0o600}},
        "3.17-3.18",
        "/etc/docker/daemon.json belongs to ops:ops",
    ),
    "mode": (
        "files",
        {"/etc/docker/certs.d/r:5443/ca.crt": {"owner": "root:root", "mode": 0o644}},
        "3.7-3.8",
        "/etc/docker/certs.d/r:5443/ca.crt has the mode 644",
    ),
    "root": (C, container(Config={"User": ""}, effective_uid=0), "4.1", "shop_page"),
    "no health": (f"{C}/State", {}, "4.6, 5.27", "shop_page: has no health check"),
    "unconfined": (f"{C}/AppArmorProfile", "unconfined", "5.2", "shop_page"),
    "capabilities": (f"{C}/effective_capabilities", 1, "5.4", "keeps capabilities"),
    "more capabilities": (f"{C}/HostConfig/CapAdd", ["NET_ADMIN"], "5.4", "NET_ADMIN"),
    "privileged": (f"{C}/HostConfig/Privileged", True, "5.5", "shop_page"),
    "host folder": (
        f"{C}/Mounts",
        [{"Type": "bind", "Source": "/etc/ssl"}],
        "5.6",
        "shop_page: /etc/ssl",
    ),
    "the whole host": (f"{C}/Mounts", [{"Type": "bind", "Source": "/"}], "5.6", ": /"),
    "low port": (
        f"{C}/NetworkSettings",
        {"Ports": {"80/tcp": [{"HostPort": "80"}]}},
        "5.8",
        "80",
    ),
    "host network": (f"{C}/HostConfig/NetworkMode", "host", "5.10", "shared"),
    "memory": (f"{C}/HostConfig/Memory", 0, "5.11", "shop_page"),
    "cpu": (f"{C}/HostConfig/NanoCpus", 0, "5.12", "shop_page"),
    "writable": (f"{C}/HostConfig/ReadonlyRootfs", False, "5.13", "shop_page"),
    "seccomp": (f"{C}/seccomp", False, "5.22", "shop_page"),
    "new privileges": (f"{C}/no_new_privileges", False, "5.26", "may gain"),
    "latest": (f"{C}/Config/Image", "shop/page", "5.28", "is not pinned"),
    "processes": (f"{C}/HostConfig/PidsLimit", None, "5.29", "shop_page"),
    "socket": (
        f"{C}/Mounts",
        [{"Type": "bind", "Source": "/run/docker.sock"}],
        "5.32",
        "docker.sock",
    ),
    "managers": ("managers", 2, "7.1", "2"),
    "plain": (
        "networks",
        [{"Name": "n", "Driver": "overlay", "Options": {}}],
        "7.3",
        "n is not encrypted",
    ),
    "secret": (f"{C}/Config/Env", ["DB_PASSWORD=hunter2"], "7.4", "value in DB_PASSWORD"),
    "autolock": ("spec/EncryptionConfig", {}, "7.5", "autolock is off"),
}


@pytest.mark.parametrize(("path", "value", "number", "said"), BAD.values(), ids=BAD)
def test_each_problem(path: str, value: Any, number: str, said: str) -> None:
    found = problems(facts(value) if path == C else change(path, value))
    assert said in "; ".join(found[number])
    assert "hunter2" not in str(found), "a value is never shown"


def test_a_worker_is_not_asked_what_managers_know() -> None:
    rows = {row["number"]: row["problems"] for row in cis.evaluate(facts() | {"manager": False})}
    assert rows["7.1"] is None
    assert rows["2.5"] == []


def table(**nodes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    hostvars = {name: {"__cis_checks": {"checks": cis.evaluate(of)}} for name, of in nodes.items()}
    found = cis_table({**hostvars, "gone": {}}, [*nodes, "gone"])
    assert found["nodes"] == list(nodes)
    return {row["number"]: row for row in found["rows"]}


RESULTS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "good": (facts(), "2.5", "pass", ""),
    "meant": (change("info/LiveRestoreEnabled", False), "2.15", "exception", "exclude each other"),
    "the registry as root": (
        facts(container("registry.1.x", Config={"Labels": task_of("registry")},
                        effective_uid=0)),
        "4.1", "exception", "owns its volume",
    ),
    "another as root": (
        facts(container("shop_page.1.x", Config={"Labels": task_of("shop_page")},
                        effective_uid=0)),
        "4.1", "fail", "",
    ),
    "nothing to look at": (facts() | {"containers": []}, "4.1", "not here", ""),
    "not meant": (change("engine_ports", [2375]), "2.7", "fail", ""),
}  # fmt: skip


@pytest.mark.parametrize(("of", "number", "result", "reason"), RESULTS.values(), ids=RESULTS)
def test_results(of: dict[str, Any], number: str, result: str, reason: str) -> None:
    row = table(m1=of)[number]
    assert row["result"] == result
    assert reason in row["reason"]
    assert bool(row["reason"]) == (result == "exception")


def test_what_all_have_is_said_once_and_what_one_has_with_its_name() -> None:
    rows = table(m1=facts(), w1=change("engine_ports", [2375]))
    assert rows["2.7"]["problems"] == ["w1: dockerd listens on 2375/tcp"]
    assert rows["4.5"]["problems"] == ["tags are not signed"]


def test_tasks_of_a_service_are_said_once() -> None:
    two = facts(container(), container("shop_page.2.def"))
    assert problems(two) == ALWAYS


def test_an_inventory_may_excuse_what_it_names_and_why() -> None:
    hostvars = {"m1": {"__cis_checks": {"checks": cis.evaluate(change("engine_ports", [2375]))}}}
    own = {"2.7": {"problems": ".*2375/tcp", "reason": "a laboratory"}}
    found = cis_table(hostvars, ["m1"], exceptions=own)
    assert found["failed"] == []
    other = {"2.7": {"problems": ".*2376/tcp", "reason": "a laboratory"}}
    assert cis_table(hostvars, ["m1"], exceptions=other)["failed"]
    for wrong in ({"2.77": {"reason": "x"}}, {"2.7": {"problems": ".*"}}):
        with pytest.raises(AnsibleFilterError, match="audit_exceptions"):
            cis_table(hostvars, ["m1"], exceptions=wrong)


def test_the_table_is_markdown() -> None:
    lines = cis.markdown(table(m1=facts()).values()).splitlines()
    assert len(lines) == len(cis.CHECKS) + 2
    assert {line.count("|") for line in lines} == {6}


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_settings_that_cannot_be_read_are_none(text: str | None) -> None:
    assert cis.settings_of(text) == {}
