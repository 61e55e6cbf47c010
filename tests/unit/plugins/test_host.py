"""What a host says of itself, from recorded texts."""

from __future__ import annotations

import json

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import host

# A public certificate made for this test; its issuer is O=issuer, CN=swarm-ca.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBfzCCASUCFBV5gzp3I7fP/eWFqJk0uPIxVIGrMAoGCCqGSM49BAMCMCQxDzAN
BgNVBAoMBmlzc3VlcjERMA8GA1UEAwwIc3dhcm0tY2EwHhcNMjYxMTIyMjEwOTI0
WhcNMjcwMjIwMjEwOTI0WjBgMSIwIAYDVQQKDBlrMmV4YW1wbGVjbHVzdGVyMDAw
MDAwMDAxMRUwEwYDVQQLDAxzd2FybS13b3JrZXIxIzAhBgNVBAMMGm4xZXhhbXBs
ZW5vZGUwMDAwMDAwMDAwMDAxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEADSc
GC3dE9JHu+k0962XyAapibV8AWepvKtCxlGko7935Ue1yeJj/GldPgPSd4RwrodU
2mW+rsRqq4GPK/hUPTAKBggqhkjOPQQDAgNIADBFAiEAkmlWRvfacXJbhcjkuGZM
Om+OAP2dyvouC0nSIACeun4CID+Uqms5XPqQQ5mC1KEb5nQLhc7wjc4Pmj6U1UiX
ZNF3
-----END CERTIFICATE-----
"""

OS_CASES = {
    "debian 12": ('ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n', "12", True),
    "debian 13": ('PRETTY_NAME="Debian 13"\nID=debian\nVERSION_ID="13"\n', "13", True),
    "debian 11": ('ID=debian\nVERSION_ID="11"\n', "11", False),
    "debian testing has no version": ("ID=debian\nVERSION_CODENAME=forky\n", "", False),
    "another system": ('# comment\nID="alpine"\nVERSION_ID=3.20\n', "3.20", False),
    "nothing": ("", "", False),
}


@pytest.mark.parametrize(("text", "version", "supported"), OS_CASES.values(), ids=OS_CASES)
def test_os_release(text: str, version: str, supported: bool) -> None:
    found = host.parse_os_release(text)
    assert (found["version_id"], found["supported"]) == (version, supported)


def test_memory() -> None:
    assert host.parse_memory("MemTotal:        1004 kB\nMemFree: 1 kB\n") == 1004 * 1024
    assert host.parse_memory("") == 0


def test_addresses_leave_out_loopback_and_link_local() -> None:
    text = json.dumps(
        [
            {
                "ifname": "lo",
                "addr_info": [{"family": "inet", "local": "127.0.0.1", "scope": "host"}],
            },
            {
                "ifname": "vec0",
                "addr_info": [
                    {"family": "inet", "local": "198.18.0.11", "prefixlen": 24, "scope": "global"},
                    {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
                ],
            },
        ]
    )
    assert host.parse_addresses(text) == [
        {"address": "198.18.0.11", "family": "ipv4", "interface": "vec0", "prefix": 24}
    ]
    assert host.parse_addresses("") == []


@pytest.mark.fault("C12")
def test_routes() -> None:
    # Of a lab machine with two networks, with Docker: `ip -j route`.
    text = json.dumps(
        [
            {"dst": "default", "gateway": "198.18.66.254", "dev": "eth0", "flags": []},
            {"dst": "10.66.0.0/24", "dev": "eth1", "protocol": "kernel", "scope": "link"},
            {"dst": "172.17.0.0/16", "dev": "docker0", "flags": ["linkdown"]},
            {"type": "unreachable", "dst": "10.9.0.0/16", "flags": []},
        ]
    )
    assert host.parse_routes(text) == [
        {"network": "10.66.0.0/24", "interface": "eth1"},
        {"network": "172.17.0.0/16", "interface": "docker0"},
        {"network": "10.9.0.0/16", "interface": ""},
    ]
    assert host.parse_routes("") == []


@pytest.mark.fault("C18")
@pytest.mark.parametrize(
    ("config", "root"),
    [
        (None, "/var/lib/containerd"),
        ('version = 3\nroot = "/srv/containerd"  # here\n', "/srv/containerd"),
        ("#root = '/a'\n[plugins]\n  root = '/b'\n", "/var/lib/containerd"),
    ],
    ids=["no file", "another", "of a plugin"],
)
def test_where_containerd_keeps_its_data(config: str | None, root: str) -> None:
    assert host.containerd_root(config) == root


HEADER = "  sl  local_address rem_address   st tx:rx tr:when retrnsmt uid timeout inode\n"
SOCKET_CASES = {
    "tcp listening on all addresses": (
        "0: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 4711 1",
        "tcp",
        [(22, "0.0.0.0", "4711")],
    ),
    "tcp connected": ("0: 0100007F:0016 0100007F:D431 01 0:0 00:0 0 0 0 4712 1", "tcp", []),
    "tcp on loopback": (
        "0: 0100007F:1388 00000000:0000 0A 0:0 00:0 0 0 0 4713 1",
        "tcp",
        [(5000, "127.0.0.1", "4713")],
    ),
    "tcp over IPv6": (
        "0: 00000000000000000000000001000000:0947 0:0 0A 0:0 00:0 0 0 0 4714 1",
        "tcp",
        [(2375, "::1", "4714")],
    ),
    "udp": (
        "0: 00000000:12B5 00000000:0000 07 0:0 00:0 0 0 0 4715 2",
        "udp",
        [(4789, "0.0.0.0", "4715")],
    ),
}


@pytest.mark.parametrize(("line", "protocol", "expected"), SOCKET_CASES.values(), ids=SOCKET_CASES)
def test_sockets(line: str, protocol: str, expected: list[tuple[int, str, str]]) -> None:
    assert host.parse_sockets(HEADER + line, protocol) == expected


def test_certificate_tells_the_subject_not_the_issuer() -> None:
    found = host.parse_certificate(CERTIFICATE)
    not_after = found.pop("not_after")
    assert found == {
        "node_id": "n1examplenode0000000000001",
        "role": "worker",
        "cluster_id": "k2examplecluster000000001",
    }
    assert not_after == "2027-02-20T21:09:24Z"


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----\n!!\n-----END"], ids=["no", "bad"]
)
def test_certificate_unreadable(text: str) -> None:
    assert set(host.parse_certificate(text).values()) == {None}


DAEMON_CASES = {
    "missing": (None, None, False),
    "empty": (" ", None, False),
    "an object": ('{"live-restore": true}', {"live-restore": True}, False),
    "not JSON": ("{live-restore}", None, True),
    "not an object": ("[1]", None, True),
}


@pytest.mark.parametrize(("text", "value", "wrong"), DAEMON_CASES.values(), ids=DAEMON_CASES)
def test_daemon_json(text: str | None, value: object, wrong: bool) -> None:
    settings, problem = host.parse_daemon_json(text)
    assert settings == value
    assert (problem is not None) == wrong


CERT = {"node_id": "n1", "role": "worker", "cluster_id": "c1", "not_after": "2027-01-01T00:00:00Z"}
SWARM_CASES = {
    "no engine": ({}, CERT, ("inactive", None, None, None)),
    "not in a swarm, an old certificate lies around": (
        {"Swarm": {"LocalNodeState": "inactive", "NodeID": ""}},
        CERT,
        ("inactive", None, None, None),
    ),
    "worker: the cluster id is the certificate's": (
        {"Swarm": {"LocalNodeState": "active", "NodeID": "n1", "ControlAvailable": False}},
        CERT,
        ("active", "n1", "c1", "worker"),
    ),
    "manager": (
        {
            "Swarm": {
                "LocalNodeState": "active",
                "NodeID": "n2",
                "ControlAvailable": True,
                "Cluster": {"ID": "c2"},
            }
        },
        {},
        ("active", "n2", "c2", "manager"),
    ),
    "locked manager": (
        {"Swarm": {"LocalNodeState": "locked", "NodeID": ""}},
        {**CERT, "role": "manager"},
        ("locked", "n1", "c1", "manager"),
    ),
}


@pytest.mark.parametrize(("info", "certificate", "expected"), SWARM_CASES.values(), ids=SWARM_CASES)
def test_swarm(
    info: dict[str, object], certificate: dict[str, str | None], expected: tuple[object, ...]
) -> None:
    found = host.summarise_swarm(info, certificate, "-----BEGIN PRIVATE KEY-----")
    assert (found["state"], found["node_id"], found["cluster_id"], found["role"]) == expected


ASKED = {"ID": "c1", "Spec": {"EncryptionConfig": {"AutoLockManagers": True}}}


@pytest.mark.parametrize(
    ("cluster", "key", "locks"),
    [
        (ASKED, "-----BEGIN PRIVATE KEY-----", True),
        ({"ID": "c1"}, "-----BEGIN ENCRYPTED PRIVATE KEY-----", False),
        ({}, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 224\n", True),
        ({}, "-----BEGIN PRIVATE KEY-----", False),
        ({}, "", False),
    ],
)
def test_autolock_is_read_from_the_key_where_nobody_can_be_asked(
    cluster: dict[str, object], key: str, locks: bool
) -> None:
    info = {"Swarm": {"LocalNodeState": "active", "Cluster": cluster}}
    assert host.summarise_swarm(info, {}, key)["autolock"] is locks


def service(name: str, stack: str = "", **more: object) -> dict[str, object]:
    labels = {host.STACK_LABEL: stack} if stack else {}
    return {"ID": name, "Spec": {"Name": name, "Labels": labels, **more}}


def test_services_by_stack() -> None:
    web = service(
        "shop_web",
        "shop",
        Mode={"Replicated": {"Replicas": 3}},
        TaskTemplate={
            "ContainerSpec": {
                "Image": "web:1@sha256:aa",
                "Env": ["PASSWORD=x"],
                "Secrets": [{"SecretName": "shop_pin_0123456789ab", "SecretID": "x"}],
                "Mounts": [
                    {"Type": "volume", "Source": "shop_data", "Target": "/data"},
                    {"Type": "volume", "Source": "shop_ro", "Target": "/ro", "ReadOnly": True},
                    {"Type": "bind", "Source": "/srv/shop", "Target": "/srv"},
                ],
            },
            "Resources": {"Reservations": {"NanoCPUs": 250_000_000, "MemoryBytes": 64}},
        },
        EndpointSpec={"Ports": [{"PublishedPort": 5000, "TargetPort": 80, "Protocol": "tcp"}]},
    )
    found = host.summarise_services([web, service("alone", Mode={"Global": {}})])
    assert len(found["shop"]["services"]["web"].pop("spec_sha256")) == 64
    assert found["shop"]["services"]["web"] == {
        "image": "web:1@sha256:aa",
        "mode": "replicated",
        "replicas": 3,
        "ports": [{"published": 5000, "target": 80, "protocol": "tcp", "mode": "ingress"}],
        "cpus": 0.25,
        "memory_bytes": 64,
        "secrets": ["shop_pin_0123456789ab"],
        "volumes": ["shop_data"],
        "under_way": False,
    }
    assert found[""]["services"]["alone"]["mode"] == "global"
    assert "PASSWORD" not in json.dumps(found)


def test_an_update_that_has_not_ended_is_seen() -> None:
    def under_way(state: str) -> bool:
        one = {**service("shop_web", "shop"), "UpdateStatus": {"State": state}}
        return bool(host.summarise_services([one])["shop"]["services"]["web"]["under_way"])

    assert [under_way(state) for state in ("updating", "paused", "completed")] == [
        True,
        True,
        False,
    ]


def test_the_digest_of_a_spec_changes_with_anything_in_it() -> None:
    def digest(*env: str) -> str:
        template = {"ContainerSpec": {"Env": list(env)}}
        found = host.summarise_services([service("shop_web", "shop", TaskTemplate=template)])
        return str(found["shop"]["services"]["web"]["spec_sha256"])

    assert digest("A=1") == digest("A=1")
    assert digest("A=1") != digest("A=2")


def test_reserved_counts_only_placed_tasks_that_are_to_run() -> None:
    spec = {"Resources": {"Reservations": {"NanoCPUs": 100_000_000, "MemoryBytes": 10}}}

    def task(node: str | None, desired: str) -> dict[str, object]:
        return {"ServiceID": "s", "NodeID": node, "DesiredState": desired, "Spec": spec}

    tasks = [
        task("a", "running"),
        task("a", "running"),
        task("a", "shutdown"),
        task(None, "running"),
    ]
    assert host.summarise_reserved(tasks, [service("s", "shop")]) == {
        "a": {"shop": {"cpus": 0.2, "memory_bytes": 20}}
    }


def test_hosts() -> None:
    text = "127.0.0.1 localhost lo # a comment\n\n# 192.0.2.1 no\n192.0.2.2 registry\n::1 localhost"
    assert host.parse_hosts(text) == {
        "localhost": "127.0.0.1",
        "lo": "127.0.0.1",
        "registry": "192.0.2.2",
    }
