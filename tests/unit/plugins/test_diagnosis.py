"""A well cluster has no findings; each thing that is broken in it is named once, with its cause."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import diagnosis
from ansible_collections.monsterstack.swarm.plugins.module_utils.diagnosis import Case
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import InventoryHost
from ansible_collections.monsterstack.swarm.tests.unit.plugins.machines import machine

NOW = 1795560000.0  # 2026-11-24T22:40:00Z
ADDRESSES = {"m1": "198.18.7.11", "w1": "198.18.7.21", "w2": "198.18.7.22"}
G = 2**30
NET = "shop_net"


class Cluster:
    """Answers of three nodes, to be spoilt."""

    def __init__(self) -> None:
        self.infos: dict[str, Any] = {name: self._info(name) for name in ADDRESSES}
        self.checkups: dict[str, Any] = {name: self._checkup(name) for name in ADDRESSES}
        nodes = [self._node(name) for name in ADDRESSES]
        self.infos["m1"]["swarm"]["nodes"] = nodes
        self.status: dict[str, Any] = {
            "answers": True,
            "node_id": "id-m1",
            "certificate_seconds": 90 * 86400,
            "nodes": nodes,
            "networks": [{"name": NET, "encrypted": True, "mtu": 0}],
            "services": [
                {
                    "full_name": "shop_page",
                    "mode": "replicated",
                    "running": 2,
                    "desired": 2,
                    "ports": [{"published": 80, "protocol": "tcp"}],
                    "update": {"state": "completed", "message": ""},
                }
            ],
            "tasks": [
                {"id": f"t{n}", "service": "shop_page", "state": "running", "error": "",
                 "node": f"id-w{n}"}
                for n in (1, 2)
            ],
        }  # fmt: skip

    def _info(self, name: str) -> dict[str, Any]:
        role = "manager" if name[0] == "m" else "worker"
        return {
            **machine(name, "c1", role=role, address=ADDRESSES[name]),
            "os": {"supported": True, "pretty_name": "Debian 13", "arch": "x86_64"},
            "memory_bytes": G,
            "disk_free_bytes": 2**30,
            "cpus": 2,
            "hostname": name,
            "addresses": [{"address": ADDRESSES[name]}],
            "listening_tcp": [],
            "listening_udp": [],
            "time_epoch": NOW,
            "controller_before": NOW - 0.2,
            "controller_after": NOW + 0.2,
        }

    def _node(self, name: str) -> dict[str, Any]:
        manager = name[0] == "m"
        return {
            "id": f"id-{name}",
            "hostname": name,
            "role": "manager" if manager else "worker",
            "availability": "active",
            "status": "ready",
            "leader": manager,
            "reachability": "reachable" if manager else None,
            "engine_version": "26.1.5",
            "labels": {},
        }

    def _checkup(self, name: str) -> dict[str, Any]:
        tasks = {
            f"shop_page.{n}.t{n}": {"address": f"10.0.1.{2 + n}", "host": ADDRESSES[f"w{n}"]}
            for n in (1, 2)
        }
        view = {
            "task": f"shop_page.{name[1]}.t{name[1]}",
            "services": {"shop_page": {"vip": "10.0.1.2", "published": [80], "tasks": tasks}},
            "names": {"shop_page": ["10.0.1.2"]},
            "reached": {f"10.0.1.{n}": "closed" for n in (2, 3, 4)},
        }
        return {
            "interface_mtu": 1500,
            "peers": {
                other: {
                    "vxlan": 9,
                    "esp": 9,
                    "gossip": 2,
                    "largest": 1500,
                    "source": ADDRESSES[other],
                    "refused": {},
                    "tcp": {"7946": "open", **({"2377": "open"} if other == "m1" else {})},
                }
                for other in ADDRESSES
                if other != name
            },
            "networks": {NET: view} if name[0] == "w" else {},
            "published": {"80": "open"},
            "error": None,
            "root_certificate_not_after": "2046-01-01T00:00:00Z",
            "registries": {"registry:5443": {"not_after": "2028-01-01T00:00:00Z", "error": None}},
            "disks": [
                {"path": "/", "size": 8 * G, "free": 5 * G, "inodes": 1000, "inodes_free": 900}
            ],
            "memory": {"total": G, "available": G // 2},
        }

    def case(self) -> Case:
        hosts = [
            InventoryHost(
                name=name,
                group="managers" if name[0] == "m" else "workers",
                address=address,
                info=self.infos[name],
            )
            for name, address in ADDRESSES.items()
        ]
        checkups = {name: one for name, one in self.checkups.items() if one}
        return Case(hosts, checkups, {"m1": self.status}, NOW)

    def silence(self, kinds: str, sender: str, receiver: str) -> None:
        """Nothing of these kinds passes from one node to another; tcp fails both ways."""
        heard = self.checkups[receiver]["peers"][sender]
        for kind in kinds.split():
            if kind == "tcp":
                tcp = self.checkups[sender]["peers"][receiver]["tcp"]
                tcp.update(dict.fromkeys(tcp, "silent"))
            else:
                heard[kind] = 0
                heard["largest"] = 0 if kind == "vxlan" else heard["largest"]

    def cut(self, name: str) -> None:
        for other in ADDRESSES:
            if other != name:
                self.silence("tcp gossip vxlan esp", name, other)
                self.silence("tcp gossip vxlan esp", other, name)


Spoil = Callable[[Cluster], Any]


def silent_engine(state: str) -> Spoil:
    return lambda cluster: stopped(cluster, state)


def stopped(cluster: Cluster, state: str = "stopped") -> None:
    """w2's engine: nothing that needs it is told beside it, but for what it did for services."""
    info, checkup = cluster.infos["w2"], cluster.checkups["w2"]
    info.update(machine("w2", "c1", engine=state))
    checkup["registries"]["registry:5443"]["error"] = "Connection refused"
    checkup.update(networks={}, published={}, error="the Docker Engine does not answer")
    for other in ("m1", "w1"):
        cluster.silence("gossip", "w2", other)
        cluster.checkups[other]["peers"]["w2"]["tcp"]["7946"] = "closed"
    cluster.checkups["w1"]["networks"][NET]["reached"]["10.0.1.4"] = "silent"
    cluster.status["nodes"][2]["status"] = "down"


def unreachable(cluster: Cluster) -> None:
    cluster.infos["w2"] = cluster.checkups["w2"] = None
    for name in ("m1", "w1"):
        del cluster.checkups[name]["peers"]["w2"]
    cluster.checkups["w1"]["networks"][NET]["reached"]["10.0.1.4"] = "No route to host"
    cluster.status["nodes"][2]["status"] = "down"


def cut(cluster: Cluster) -> None:
    cluster.cut("w2")
    cluster.checkups["w1"]["networks"][NET]["reached"]["10.0.1.4"] = "silent"
    cluster.checkups["w2"]["networks"][NET]["reached"]["10.0.1.3"] = "silent"
    cluster.checkups["w2"]["published"]["80"] = "silent"
    cluster.checkups["w2"]["registries"]["registry:5443"]["error"] = "timed out"
    cluster.status["nodes"][2]["status"] = "down"


def firewall(cluster: Cluster) -> None:
    """An input rule on w2 against the overlay's port and ESP from w1."""
    cluster.silence("vxlan esp", "w1", "w2")
    for name, address in (("w1", "10.0.1.4"), ("w2", "10.0.1.3")):
        cluster.checkups[name]["networks"][NET]["reached"][address] = "silent"


def mtu(cluster: Cluster) -> None:
    for other in ("m1", "w1"):
        cluster.checkups["w2"]["peers"][other]["largest"] = 1400
        cluster.checkups[other]["peers"]["w2"]["largest"] = 1400


def silent(kinds: str, *pairs: str) -> Spoil:
    """Nothing of these kinds passes on these ways, each `sender receiver`."""

    def spoil(cluster: Cluster) -> None:
        for pair in pairs:
            cluster.silence(kinds, *pair.split())

    return spoil


def all_of(*spoils: Spoil) -> Spoil:
    def spoil(cluster: Cluster) -> None:
        for one in spoils:
            one(cluster)

    return spoil


def clock(cluster: Cluster) -> None:
    cluster.infos["w1"]["time_epoch"] += 90


def set_in(path: str, value: Any) -> Spoil:
    """A value somewhere in the cluster's answers; the path has slashes."""

    def spoil(cluster: Cluster) -> None:
        first, *rest, last = path.split("/")
        at: Any = getattr(cluster, first)
        for part in rest:
            at = at[int(part) if part.isdigit() and isinstance(at, list) else part]
        at[int(last) if last.isdigit() and isinstance(at, list) else last] = value

    return spoil


def twin(cluster: Cluster) -> None:
    old = copy.deepcopy(cluster.status["nodes"][1]) | {"id": "old-w1", "status": "down"}
    cluster.status["nodes"].append(old)


def third_manager(cluster: Cluster) -> None:
    for name in ("w1", "w2"):
        node = cluster.status["nodes"][int(name[1])]
        node.update(role="manager", reachability="reachable" if name == "w1" else "unreachable")


def few_tasks(cluster: Cluster) -> None:
    cluster.status["services"][0]["running"] = 1
    cluster.status["tasks"][1].update(state="rejected", error="no such image")
    for name in ("w1", "w2"):
        del cluster.checkups[name]["networks"][NET]["services"]["shop_page"]["tasks"][
            "shop_page.2.t2"
        ]


SERVICE = "checkups/w1/networks/shop_net"

# What is spoilt, and of each finding its level and what its sentence must hold.
CASES: dict[str, tuple[Spoil, list[tuple[str, list[str]]]]] = {
    "nothing": (lambda _cluster: None, []),
    "an engine is stopped": (
        stopped,
        [("error", ["w2: its Docker Engine is stopped", "site.yml, which starts it"])],
    ),
    "the engine with all tasks of a service is stopped": (
        all_of(stopped, set_in("status/tasks/0/node", "id-w2")),
        [
            ("error", ["w2: its Docker Engine is stopped"]),
            ("error", ["service shop_page: all of its tasks are on w2", "Bring that node back"]),
        ],
    ),
    "an engine hangs": (
        silent_engine("hung"),
        [("error", ["w2: its Docker Engine runs and does not answer", "systemctl restart docker"])],
    ),
    "an engine cannot start": (
        silent_engine("failed"),
        [
            ("error", ["w2: its Docker Engine cannot start", "invalid character '}'", "Mend"]),
            ("warning", ["w2: /etc/docker/daemon.json cannot be read", "Correct the file"]),
        ],
    ),
    "a host is off": (unreachable, [("error", ["w2: Ansible does not reach it", "SSH"])]),
    "a node is cut off": (
        cut,
        [("error", ["w2: nothing passes between it and m1, w1", "firewall"])],
    ),
    "a firewall drops the overlay from one node": (
        firewall,
        [
            (
                "error",
                [
                    "w2: 4789/udp, ESP (IP protocol 50) do not pass to it from w1",
                    "tasks on different nodes do not reach each other",
                    "nft list ruleset",
                ],
            )
        ],
    ),
    "a firewall drops gossip from everybody": (
        silent("gossip", "m1 w2", "w1 w2"),
        [("error", ["w2: 7946/udp does not pass to it from m1, w1"])],
    ),
    "a firewall drops what a node sends": (
        silent("esp", "w2 m1", "w2 w1"),
        [("error", ["w2: ESP (IP protocol 50) does not pass from it to m1, w1"])],
    ),
    "the own firewall refuses": (
        all_of(
            silent("esp", "w2 w1"),
            set_in("checkups/w2/peers/w1/refused/esp", "Operation not permitted"),
        ),
        [("error", ["w2 itself refuses to send (Operation not permitted)"])],
    ),
    "no ESP, and nothing is encrypted": (
        all_of(silent("esp", "w2 w1"), set_in("status/networks/0/encrypted", False)),
        [("warning", ["ESP (IP protocol 50)"])],
    ),
    "managers' port is closed": (
        set_in("checkups/w1/peers/m1/tcp/2377", "closed"),
        [("error", ["m1: it refuses connections to 2377/tcp (w1 tried)"])],
    ),
    "a tunnel": (
        mtu,
        [
            (
                "error",
                [
                    "w2: packets of more than 1400 bytes do not pass between it and m1, w1",
                    "shop_net",
                    "up to 1500",
                    "com.docker.network.driver.mtu=1400",
                ],
            )
        ],
    ),
    "a tunnel, and networks made for it": (
        all_of(mtu, set_in("status/networks/0/mtu", 1400)),
        [],
    ),
    "a clock is wrong": (clock, [("error", ["their clocks are at least 90 s apart"])]),
    "a twin": (twin, [("warning", ["w1 was installed anew", "site.yml removes", "old-w1"])]),
    "a drained node": (
        set_in("status/nodes/1/availability", "drain"),
        [("notice", ["w1: it takes no new tasks: its availability is drain"])],
    ),
    "engines differ": (
        set_in("status/nodes/1/engine_version", "29.0.1"),
        [("warning", ["26.1.5: m1, w2; 29.0.1: w1", "one at a time"])],
    ),
    "a node is down for no reason": (
        set_in("status/nodes/1/status", "down"),
        [("error", ["w1: the Swarm calls it down, though its engine answers"])],
    ),
    "too few tasks": (
        few_tasks,
        [("error", ["service shop_page: 1 of 2 tasks run (last on w2: no such image)"])],
    ),
    "an update stopped": (
        set_in("status/services/0/update", {"state": "paused", "message": "task failed"}),
        [("error", ["its update stopped half-way: task failed", "rollback.yml"])],
    ),
    "a name leads nowhere": (
        set_in(f"{SERVICE}/names", {"shop_page": "no such name"}),
        [("error", ["w1/shop_page: in the network shop_net the name leads to no such name"])],
    ),
    "a name leads elsewhere": (
        set_in(f"{SERVICE}/names", {"shop_page": ["10.0.9.9"]}),
        [("error", ["leads to 10.0.9.9 instead of 10.0.1.2"])],
    ),
    "a task does not answer": (
        set_in(f"{SERVICE}/reached/10.0.1.4", "silent"),
        [("error", ["w1/shop_page", "shop_page.2 on w2 (10.0.1.4: silent)"])],
    ),
    "only the service's address does not answer": (
        set_in(f"{SERVICE}/reached/10.0.1.2", "silent"),
        [("error", ["address 10.0.1.2 does not answer", "though each of its tasks does"])],
    ),
    "a node's view is old": (
        set_in(
            f"{SERVICE}/services/shop_page/tasks",
            {"shop_page.1.old": {"address": "10.0.1.3", "host": "198.18.7.21"}},
        ),
        [("warning", ["w1/shop_page", "knows 0 of its 2 running tasks and 1 that are gone"])],
    ),
    "the mesh does not answer": (
        set_in("checkups/m1/published", {"80": "silent"}),
        [("error", ["m1: its published port 80 (shop_page) does not answer", "silent"])],
    ),
    "the mesh does not know": (
        set_in("checkups/m1/published", {}),
        [("error", ["the node does not know of it"])],
    ),
    "no mesh knows": (
        lambda c: [one.update(published={}) for one in c.checkups.values()],
        [("error", ["shop_page: its published port 80 answers on no node", "update --force"])],
    ),
    "a certificate was not renewed": (
        set_in("infos/w1/swarm/certificate_not_after", "2026-11-30T00:00:00Z"),
        [("warning", ["w1: its certificate in the Swarm ends in 5 days"])],
    ),
    "a certificate has ended": (
        set_in("infos/w1/swarm/certificate_not_after", "2026-11-01T00:00:00Z"),
        [("error", ["ended 24 days ago", "join again"])],
    ),
    "the CA ends": (
        lambda c: [one.update(root_certificate_not_after="2026-12-24T22:40:00Z")
                   for one in c.checkups.values()],
        [("warning", ["the Swarm's own CA ends in 30 days", "Run rotate_ca.yml"])],
    ),
    "two CAs": (
        set_in("checkups/w1/root_certificate_not_after", "2045-01-01T00:00:00Z"),
        [("error", ["different CAs"])],
    ),
    "the registry's certificate ends": (
        lambda c: [one["registries"]["registry:5443"].update(not_after="2026-12-01T00:00:00Z")
                   for one in c.checkups.values()],
        [("warning", ["registry registry:5443: its certificate ends in 6 days", "site.yml"])],
    ),
    "the registry is not trusted": (
        set_in("checkups/w2/registries/registry:5443/error", "certificate verify failed"),
        [("error", ["registry registry:5443: w2 cannot talk to it: certificate verify failed"])],
    ),
    "a disk is full": (
        set_in("checkups/w2/disks/0/free", 100 * 2**20),
        [("error", ["w2: / has 100 MiB left, 1%", "docker image prune"])],
    ),
    "a disk fills": (
        set_in("checkups/w2/disks/0/free", 700 * 2**20),
        [("warning", ["w2: / has 700 MiB left"])],
    ),
    "inodes": (set_in("checkups/w2/disks/0/inodes_free", 10), [("error", ["inodes"])]),
    "memory": (
        set_in("checkups/w2/memory/available", 20 * 2**20),
        [("warning", ["w2: 20 MiB of 1024 MiB memory are left"])],
    ),
    "a global service that fits no node": (
        lambda cluster: cluster.status["services"].append(
            {
                "full_name": "shop_agent",
                "mode": "global",
                "running": 0,
                "desired": 0,
                "ports": [],
                "update": {"state": "", "message": ""},
            }
        ),
        [("error", ["service shop_agent: no node that takes tasks may have it"])],
    ),
    "one checkup failed": (
        set_in("checkups/w2", None),
        [("error", ["w2: it could not be checked"])],
    ),
}  # fmt: skip


@pytest.mark.fault("A1")
@pytest.mark.parametrize(("spoil", "expected"), CASES.values(), ids=CASES)
def test_findings(spoil: Spoil, expected: list[tuple[str, list[str]]]) -> None:
    cluster = Cluster()
    spoil(cluster)
    findings = [
        finding
        for finding in diagnosis.diagnose(cluster.case())
        if "one manager: without it" not in str(finding)
    ]
    said = [f"{finding.level}: {finding}" for finding in findings]
    assert len(said) == len(expected), said
    for finding, (level, words) in zip(findings, expected, strict=True):
        assert finding.level == level
        # The plan of the cluster names the remedy in its own sentence.
        told = any(word in finding.problem for word in ("Remove it", "site.yml removes"))
        assert finding.remedy or level == "notice" or told
        for word in words:
            assert word in str(finding)


def test_raft() -> None:
    cluster = Cluster()
    third_manager(cluster)
    said = [str(finding) for finding in diagnosis.diagnose(cluster.case())]
    assert any(
        "2 of 3 managers take part (w2 not), the quorum is 2: one more loss" in one for one in said
    )


def test_without_quorum_everything_else_is_still_told() -> None:
    cluster = Cluster()
    cluster.status = {"answers": False, "error": "no leader", "nodes": []}
    cluster.infos["m1"]["swarm"] |= {"nodes": [], "error": "The swarm does not have a leader."}
    cluster.checkups["w2"]["disks"][0]["free"] = 0
    said = [str(finding) for finding in diagnosis.diagnose(cluster.case())]
    assert any("has no quorum" in one for one in said)
    assert any("w2: / has 0 MiB left" in one for one in said)


def test_before_there_is_a_cluster() -> None:
    cluster = Cluster()
    for name, info in cluster.infos.items():
        info["swarm"].update(state="inactive", cluster_id=None, node_id=None, nodes=[])
        cluster.checkups[name].update(networks={}, published={})
        for seen in cluster.checkups[name]["peers"].values():
            seen.update(gossip=0, tcp=dict.fromkeys(seen["tcp"], "closed"))
    cluster.status = {"answers": False, "error": "no manager", "nodes": []}
    said = [str(finding) for finding in diagnosis.diagnose(cluster.case())]
    assert said == ["swarm: there is none yet. Run site.yml."]


ISLANDS: dict[str, tuple[list[tuple[str, str]], list[set[str]]]] = {
    "all joined": ([("a", "b"), ("b", "c"), ("c", "d")], [{"a", "b", "c", "d"}]),
    "one apart": ([("a", "b"), ("b", "c")], [{"a", "b", "c"}, {"d"}]),
    "two halves": ([("a", "b"), ("c", "d")], [{"a", "b"}, {"c", "d"}]),
    "joined late": ([("a", "b"), ("c", "d"), ("b", "c")], [{"a", "b", "c", "d"}]),
}


@pytest.mark.parametrize(("joined", "expected"), ISLANDS.values(), ids=ISLANDS)
def test_islands(joined: list[tuple[str, str]], expected: list[set[str]]) -> None:
    assert diagnosis.islands("abcd", joined) == expected


WORDS: dict[str, tuple[set[tuple[str, str]], list[tuple[str, str]]]] = {
    "both ways": ({("a", "b"), ("b", "a")}, [("a", "between it and b")]),
    "one and all": (
        {("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")},
        [("c", "between it and a, b")],
    ),
    "to one": ({("a", "c"), ("b", "c")}, [("c", "to it from a, b")]),
    "from one": ({("c", "a"), ("c", "b")}, [("c", "from it to a, b")]),
    "mixed": (
        {("a", "b"), ("b", "a"), ("c", "d")},
        [("a", "between it and b"), ("d", "to it from c")],
    ),
}


@pytest.mark.parametrize(("pairs", "expected"), WORDS.values(), ids=WORDS)
def test_pairs_in_words(pairs: set[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    assert diagnosis.in_words(pairs) == expected


def test_the_report_is_json_and_counts() -> None:
    cluster = Cluster()
    stopped(cluster)
    case = cluster.case()
    findings = diagnosis.diagnose(case)
    report = json.loads(json.dumps(diagnosis.report(case, findings)))
    assert report["counts"]["error"] == 1
    assert report["when"] == "2026-11-24T22:40:00Z"
    assert diagnosis.lines(case, findings)[-1].startswith(
        "3 of 3 nodes looked at, 6 paths between them: 1 error"
    )


@pytest.mark.fault("A1")
def test_a_node_outside_the_swarm_is_one_finding() -> None:
    """Seen after a removal from another computer: the registry's mesh port was a second one."""
    cluster = Cluster()
    cluster.infos["w2"].update(machine("w2"))
    del cluster.status["nodes"][2]
    cluster.checkups["w2"]["registries"]["registry:5443"]["error"] = "Connection refused"
    said = [str(finding) for finding in diagnosis.diagnose(cluster.case())]
    about = [one for one in said if "w2" in one and one.startswith(("error", "w2", "registry"))]
    assert any("it is not in the Swarm" in one for one in about), said
    assert any("take it out of the inventory" in one for one in about), said
    assert not any("cannot talk to it" in one for one in said), said
