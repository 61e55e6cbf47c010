# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what nodes saw of each other to sentences: what is wrong, where, and what to do.

What follows from another finding is left out: a node whose engine is stopped answers nobody.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import cluster, preflight, status
from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import mebibytes
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import (
    Finding,
    InventoryHost,
    error,
    notice,
    warning,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import DATA_PORT

GOSSIP, GOSSIP_UDP, CLUSTER, DATA, ESP = "7946/tcp", "7946/udp", "2377/tcp", "VXLAN", "ESP"
CHANNELS = (CLUSTER, GOSSIP, GOSSIP_UDP, DATA, ESP)
MEANING = {
    CLUSTER: "it gets no orders",
    GOSSIP: "it does not learn of other nodes' tasks",
    GOSSIP_UDP: "it does not learn of other nodes' tasks",
    DATA: "tasks on different nodes do not reach each other",
    ESP: "tasks in encrypted networks do not reach each other",
}
OUTSIDE = (
    "Run site.yml: it joins then. If it was taken out on purpose, take it out of the inventory."
)
DEFAULT_MTU = 1500  # what Docker assumes of the line below an overlay network
DAY = 86400
LEVELS = ("error", "warning", "notice")
MEMORY_MIN = 400 * 2**20
Pair = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """All that is known: hosts of the inventory, checkups and statuses by name, and the time."""

    hosts: Sequence[InventoryHost]
    checkups: Mapping[str, Mapping[str, Any]]
    statuses: Mapping[str, Mapping[str, Any]]
    now: float
    data_port: int = DATA_PORT

    @property
    def status(self) -> Mapping[str, Any]:
        found = status.first_answer(self.statuses)
        return found[1] if found else {}

    @property
    def members(self) -> set[str]:
        """Names of the hosts whose engine answers and is in a Swarm."""
        return {
            host.name
            for host in self.hosts
            if host.info
            and host.info["engine"]["running"]
            and host.info["swarm"]["state"] != "inactive"
        }

    def away(self, explained: Explained) -> dict[str, list[str]]:
        """Services of which every task that is to run is on nodes that are out: {service: nodes}.

        Swarm goes on calling a task on such a node running.
        """
        places: dict[str, set[str]] = {}
        for task in self.status.get("tasks") or []:
            if task["state"] == "running":
                places.setdefault(task["service"], set()).add(self.name_of(task["node"]))
        return {name: sorted(on) for name, on in places.items() if on <= explained.nodes}

    def name_of(self, node_id: str) -> str:
        """A node's name in the inventory, else its host name."""
        for host in self.hosts:
            if host.info and host.info["swarm"].get("node_id") == node_id:
                return host.name
        nodes = self.status.get("nodes") or []
        return next((n["hostname"] for n in nodes if n["id"] == node_id), node_id or "no node")


@dataclass
class Explained:
    """What an earlier finding explains: nodes that are out, pairs whose data path is dead."""

    nodes: set[str] = field(default_factory=set)
    pairs: set[Pair] = field(default_factory=set)

    def about(self, name: str) -> bool:
        """Whether what a node does not reach is explained."""
        return name in self.nodes or any(name in pair for pair in self.pairs)


def diagnose(case: Case) -> list[Finding]:
    """All findings, errors first; within a level causes before what may follow from them."""
    explained = Explained()
    findings = [
        *check_answers(case, explained),
        *check_hosts(case),
        *check_paths(case, explained),
        *check_mtu(case, explained),
        *check_cluster(case, explained),
        *check_services(case, explained),
        *check_names(case, explained),
        *check_published(case, explained),
        *check_certificates(case, explained),
        *check_room(case),
    ]
    return sorted(dict.fromkeys(findings), key=lambda finding: LEVELS.index(finding.level))


def report(case: Case, findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as data, with what was looked at."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(case.now)),
        "nodes": [host.name for host in case.hosts],
        "checked": sorted(case.checkups),
        "counts": {level: sum(finding.level == level for finding in findings) for level in LEVELS},
        "findings": [
            {
                "level": finding.level,
                "where": finding.where,
                "problem": finding.problem,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }


def lines(case: Case, findings: Sequence[Finding]) -> list[str]:
    """The findings for people, and one line that says what was looked at."""
    said: list[str] = []
    for finding in findings:
        text = f"{finding.where}: {finding.problem}"
        said.append(f"{finding.level.upper()} {text}{'' if text.endswith('.') else '.'}")
        said += [f"    {finding.remedy}"] if finding.remedy else []
    pairs = len(case.checkups) * (len(case.checkups) - 1)
    counts = ", ".join(
        f"{count} {level}{'' if count == 1 else 's'}"
        for level in LEVELS
        if (count := sum(finding.level == level for finding in findings))
    )
    looked = (
        f"{len(case.checkups)} of {len(case.hosts)} nodes looked at, {pairs} paths between them"
    )
    return [*said, f"{looked}: {counts or 'nothing is wrong'}."]


# Hosts


def check_answers(case: Case, explained: Explained) -> list[Finding]:
    """Hosts, engines and checkups that do not answer."""
    findings: list[Finding] = []
    for host in case.hosts:
        if not host.info:
            remedy = "Is it switched on, and does SSH answer? Try: ansible NODE -m ping"
            findings.append(error(host.name, "Ansible does not reach it", remedy))
        elif not host.info["engine"]["running"]:
            if not host.info["engine"]["installed"]:
                text, remedy = "it has no Docker Engine", "Run site.yml."
            else:
                text = str(host.info["engine"]["problem"])
                remedy = str(host.info["engine"]["remedy"])
            findings.append(error(host.name, text, remedy))
        elif host.name not in case.checkups:
            remedy = "Its message stands above; what follows says nothing of this node."
            findings.append(error(host.name, "it could not be checked", remedy))
            continue
        else:
            continue
        explained.nodes.add(host.name)
    return findings


def check_hosts(case: Case) -> list[Finding]:
    """What the preflight of every playbook says of the hosts, clocks included."""
    known = [host for host in case.hosts if host.info]
    return preflight.check_hosts(known, None, "", [], MEMORY_MIN, disk_min=0)


def check_room(case: Case) -> list[Finding]:
    """Disks, inodes and memory."""
    findings: list[Finding] = []
    for name, checkup in case.checkups.items():
        for disk in checkup["disks"]:
            share = disk["free"] / max(1, disk["size"])
            text = f"{disk['path']} has {mebibytes(disk['free'])} left, {share:.0%}"
            remedy = "docker system df shows what takes it, docker image prune gives some back."
            if share < 0.03 or disk["free"] < preflight.DISK_MIN:
                findings.append(error(name, text, remedy))
            elif share < 0.1 or disk["free"] < 2**30:
                findings.append(warning(name, text, remedy))
            if disk["inodes"] and disk["inodes_free"] / disk["inodes"] < 0.05:
                text = f"{disk['path']} has hardly any inodes left ({disk['inodes_free']})"
                findings.append(error(name, text, "Find the many small files and remove them."))
        memory = checkup["memory"]
        if memory["available"] < max(memory["total"] * 0.08, 48 * 2**20):
            text = (
                f"{mebibytes(memory['available'])} of {mebibytes(memory['total'])} memory are left"
            )
            remedy = "Give it more, or move tasks away: docker stats shows who takes it."
            findings.append(warning(name, text, remedy))
    return findings


# Paths between nodes


def dead_channels(case: Case) -> dict[Pair, frozenset[str]]:
    """For each (sender, receiver) that both were looked at: what does not pass."""
    members = case.members
    dead: dict[Pair, frozenset[str]] = {}
    for sender, receiver in permutations(case.checkups, 2):
        sent = case.checkups[sender]["peers"].get(receiver)
        heard = case.checkups[receiver]["peers"].get(sender)
        if sent is None or heard is None:
            continue
        found = {kind for kind, count in ((DATA, "vxlan"), (ESP, "esp")) if not heard[count]}
        if {sender, receiver} <= members:
            found |= {GOSSIP_UDP} if not heard["gossip"] else set()
            # A closed port is the engine's business: the packets do pass.
            found |= {
                f"{port}/tcp"
                for port, answer in sent["tcp"].items()
                if answer not in ("open", "closed")
            }
        dead[sender, receiver] = frozenset(found)
    return dead


def possible_channels(case: Case, pair: Pair) -> frozenset[str]:
    """What could pass from one node to another."""
    tcp = case.checkups[pair[0]]["peers"][pair[1]]["tcp"]
    engine = {GOSSIP_UDP, *(f"{port}/tcp" for port in tcp)} if set(pair) <= case.members else set()
    return frozenset({DATA, ESP} | engine)


def islands(names: Collection[str], joined: Iterable[Pair]) -> list[set[str]]:
    """The groups of nodes between which anything passes, the largest first."""
    groups = [{name} for name in names]
    for one, other in joined:
        touched = [group for group in groups if one in group or other in group]
        groups = [group for group in groups if group not in touched]
        groups.append(set().union(*touched))
    return sorted(groups, key=lambda group: (-len(group), sorted(group)))


def in_words(pairs: Collection[Pair]) -> list[tuple[str, str]]:
    """Ordered pairs as (where, which way) in as few lines as are needed."""
    rest, said = set(pairs), []
    both = {pair for pair in rest if pair[::-1] in rest}
    while both:
        degree: dict[str, set[str]] = {}
        for one, other in both:
            degree.setdefault(one, set()).add(other)
        node = max(sorted(degree), key=lambda name: len(degree[name]))
        others = degree[node]
        said.append((node, f"between it and {', '.join(sorted(others))}"))
        gone = {(node, other) for other in others} | {(other, node) for other in others}
        both, rest = both - gone, rest - gone
    to: dict[str, list[str]] = {}
    of: dict[str, list[str]] = {}
    for sender, receiver in sorted(rest):
        to.setdefault(receiver, []).append(sender)
        of.setdefault(sender, []).append(receiver)
    if len(to) <= len(of):
        said += [(name, f"to it from {', '.join(others)}") for name, others in to.items()]
    else:
        said += [(name, f"from it to {', '.join(others)}") for name, others in of.items()]
    return said


def check_paths(case: Case, explained: Explained) -> list[Finding]:
    """What does not pass between the nodes, in as few sentences as are needed."""
    dead = dead_channels(case)
    joined = [pair for pair, gone in dead.items() if gone != possible_channels(case, pair)]
    groups = islands(list(case.checkups), joined)
    findings: list[Finding] = []
    for group in groups[1:]:
        away = {pair for pair in dead if (pair[0] in group) != (pair[1] in group)}
        explained.pairs |= away
        explained.nodes |= group
        text = f"nothing passes between {'it' if len(group) == 1 else 'them'} and "
        text += f"{', '.join(sorted({one for pair in away for one in pair} - group))}: "
        text += "no TCP, no UDP, no ESP"
        remedy = (
            "A cable, a switch, a route or a firewall that drops everything: from it, ping them."
        )
        findings.append(error(", ".join(sorted(group)), text, remedy))
    rest: dict[frozenset[str], set[Pair]] = {}
    for pair, gone in dead.items():
        if gone and any(set(pair) <= group for group in groups):
            rest.setdefault(gone, set()).add(pair)
    encrypted = any(network["encrypted"] for network in case.status.get("networks") or [])
    for gone, pairs in rest.items():
        if gone & {DATA, ESP}:
            explained.pairs |= pairs | {pair[::-1] for pair in pairs}
        names = [channel for channel in CHANNELS if channel in gone]
        spoken = [_spoken(name, case.data_port) for name in names]
        worst = [name for name in names if name != ESP or DATA not in gone]
        meaning = " and ".join(dict.fromkeys(MEANING[name] for name in worst))
        for where, way in in_words(pairs):
            text = f"{', '.join(spoken)} {'do' if len(spoken) > 1 else 'does'} not pass {way}, so "
            text += f"{meaning}; {_why(case, pairs, where)}"
            remedy = f"Let {' and '.join(spoken)} pass between all nodes: look at the firewalls on "
            remedy += "these nodes (nft list ruleset; iptables -S) and at those between them."
            level = warning if gone == {ESP} and not encrypted else error
            findings.append(level(where, text, remedy))
    return findings + _closed_ports(case)


def _spoken(channel: str, data_port: int) -> str:
    if channel == ESP:
        return "ESP (IP protocol 50)"
    return f"{data_port}/udp" if channel == DATA else channel


def _why(case: Case, pairs: Iterable[Pair], where: str) -> str:
    refused = {
        f"{sender} itself refuses to send ({reason})"
        for sender, receiver in pairs
        if where in (sender, receiver)
        for reason in case.checkups[sender]["peers"][receiver]["refused"].values()
    }
    return "; ".join(sorted(refused)) or "other packets do pass"


def _closed_ports(case: Case) -> list[Finding]:
    closed: dict[tuple[str, str], list[str]] = {}
    for name, checkup in case.checkups.items():
        for peer, seen in checkup["peers"].items():
            for port, answer in seen["tcp"].items():
                if answer == "closed" and {name, peer} <= case.members:
                    closed.setdefault((peer, port), []).append(name)
    return [
        error(
            name,
            f"it refuses connections to {port}/tcp ({', '.join(by)} tried), so its engine does not "
            "listen there",
            "On it: docker info says whether it is in the Swarm; systemctl restart docker, and if "
            "that does not help, a firewall there rejects instead of dropping.",
        )
        for (name, port), by in sorted(closed.items())
    ]


def check_mtu(case: Case, explained: Explained) -> list[Finding]:
    """Paths that let small packets pass and lose long ones."""
    networks = case.status.get("networks") or []
    needed = max((network["mtu"] or DEFAULT_MTU for network in networks), default=DEFAULT_MTU)
    short: dict[int, set[Pair]] = {}
    for receiver, checkup in case.checkups.items():
        for sender, heard in checkup["peers"].items():
            if heard["vxlan"] and heard["largest"] < needed and sender in case.checkups:
                short.setdefault(heard["largest"], set()).add((sender, receiver))
    users = sorted(n["name"] for n in networks if (n["mtu"] or DEFAULT_MTU) == needed)
    findings: list[Finding] = []
    for largest, pairs in sorted(short.items()):
        explained.pairs |= pairs
        for where, way in in_words(pairs):
            own = case.checkups[where]["interface_mtu"]
            text = f"packets of more than {largest} bytes do not pass {way}, and overlay networks "
            text += f"({', '.join(users) or 'all'}) send up to {needed}: small answers come, large "
            text += "ones hang"
            if own and own < needed:
                text += f"; its interface has the MTU {own}"
            remedy = f"Make the line carry {needed} bytes, or give the networks the option "
            remedy += f"{status.MTU_OPTION}={largest} (a stack's setting network_mtu); a network "
            remedy += "must be made anew for that."
            findings.append(error(where, text, remedy))
    return findings


# The Swarm


def check_cluster(case: Case, explained: Explained) -> list[Finding]:
    """One Swarm, its nodes, its managers, its versions."""
    hosts = [
        cluster.Host(host.name, host.group, host.address or host.name, host.info)
        for host in case.hosts
    ]
    plan = cluster.make_plan(hosts)
    findings = [error("swarm", _sentence(text), "") for text in plan.errors]
    findings += [
        warning("swarm", _sentence(text), "")
        for text in plan.notices
        if not any(text.startswith(f"{name} ") for name in plan.silent)
    ]
    if not plan.exists and not plan.errors:
        findings.append(error("swarm", "there is none yet", "Run site.yml."))
    strangers = [*plan.join_managers, *plan.join_workers] if plan.exists else []
    for name in strangers:
        findings.append(error(name, "it is not in the Swarm", OUTSIDE))
    nodes = case.status.get("nodes") or []
    ours = {(host.info or {})["swarm"].get("node_id"): host for host in case.hosts if host.info}
    for node in nodes:
        if node["id"] not in ours:
            continue
        name = ours[node["id"]].name
        if node["status"] != "ready" and name not in explained.nodes:
            text = f"the Swarm calls it {node['status']}, though its engine answers"
            remedy = "On it: journalctl -u docker -n 50; often systemctl restart docker helps."
            findings.append(error(name, text, remedy))
        if node["availability"] != "active":
            text = f"it takes no new tasks: its availability is {node['availability']}"
            findings.append(notice(name, text))
    return findings + _check_raft(case, nodes) + _check_versions(nodes)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _check_raft(case: Case, nodes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    managers = [node for node in nodes if node["role"] == "manager"]
    if not managers:
        return []
    quorum = len(managers) // 2 + 1
    lost = [n for n in managers if n["reachability"] != "reachable" or n["status"] == "down"]
    findings: list[Finding] = []
    if lost:
        names = ", ".join(sorted(case.name_of(node["id"]) for node in lost))
        spare = len(managers) - len(lost) - quorum
        text = f"{len(managers) - len(lost)} of {len(managers)} managers take part ({names} not), "
        text += f"the quorum is {quorum}: "
        text += "one more loss, and nothing can be changed" if spare < 1 else f"{spare} to spare"
        remedy = (
            "Bring it back. A machine that will not answer again: node_remove.yml -e node=NAME "
        )
        remedy += "-e dead=true, which looks at quorum and data first."
        findings.append(error("raft", text, remedy))
    if len(managers) % 2 == 0:
        text = f"{len(managers)} managers keep no better quorum than {len(managers) - 1}"
        findings.append(warning("raft", text, "Use 1, 3, 5 or 7."))
    if len(managers) == 1 and len(nodes) > 1:
        text = "one manager: without it tasks run on, but nothing is replaced or changed"
        findings.append(notice("raft", text))
    return findings


def _check_versions(nodes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    versions: dict[str, list[str]] = {}
    for node in nodes:
        if node["status"] == "ready":
            versions.setdefault(node["engine_version"], []).append(node["hostname"])
    if len(versions) < 2:
        return []
    said = "; ".join(
        f"{version}: {', '.join(names)}" for version, names in sorted(versions.items())
    )
    remedy = "Upgrade the older ones, managers first and one at a time."
    return [warning("engines", f"their versions differ ({said})", remedy)]


def check_services(case: Case, explained: Explained) -> list[Finding]:
    """Services with too few tasks, without any that can be reached, and updates that stopped."""
    findings = [
        error(
            f"service {name}",
            f"all of its tasks are on {', '.join(on)}, so it is not there for the others",
            "Bring that node back; what is wrong with it stands above.",
        )
        for name, on in case.away(explained).items()
    ]
    tasks = case.status.get("tasks") or []
    for service in case.status.get("services") or []:
        where, state = f"service {service['full_name']}", service["update"]["state"]
        if status.has_no_place(service):
            text = f"{status.NO_PLACE}: Swarm itself counts 0 of 0 tasks"
            findings.append(
                error(where, text, "Correct its constraints, or give a node that label.")
            )
        if service["running"] < service["desired"] and state not in (
            "updating",
            "rollback_started",
        ):
            mine = [task for task in tasks if task["service"] == service["full_name"]]
            said = next((task for task in mine if task["error"]), None)
            text = f"{service['running']} of {service['desired']} tasks run"
            if said:
                text += f" (last on {case.name_of(said['node'])}: {said['error']})"
            remedy = f"docker service ps --no-trunc {service['full_name']} tells each task's story."
            findings.append(error(where, text, remedy))
        if state in ("paused", "rollback_paused"):
            text = f"its update stopped half-way: {service['update']['message']}"
            remedy = "Two versions run. Release a good one (rolling_update.yml), or rollback.yml."
            findings.append(error(where, text, remedy))
    return findings


def check_names(case: Case, explained: Explained) -> list[Finding]:
    """Names and addresses of services as tasks on each node see them."""
    findings: list[Finding] = []
    by_address = {
        str(((host.info or {}).get("swarm") or {}).get("node_addr") or host.address): host.name
        for host in case.hosts
    }
    ids = {task["id"] for task in case.status.get("tasks") or [] if task["state"] == "running"}
    for name, checkup in case.checkups.items():
        if checkup["error"] and name not in explained.nodes:
            text = f"its engine did not tell its networks: {checkup['error']}"
            findings.append(error(name, text, "On it: systemctl restart docker."))
        for network, seen in checkup["networks"].items():
            for service, known in seen["services"].items():
                where = f"{name}/{service}"
                hosts = {by_address.get(t["host"], t["host"]) for t in known["tasks"].values()}
                cut = {h for h in hosts if (name, h) in explained.pairs or h in explained.nodes}
                findings += _check_name(where, network, known, seen)
                if not cut:
                    findings += _check_addresses(where, network, known, seen, by_address)
                if case.status and not explained.nodes:
                    findings += _check_view(case, where, service, known, ids)
    return findings


def _check_name(
    where: str, network: str, known: Mapping[str, Any], seen: Mapping[str, Any]
) -> list[Finding]:
    answer = seen["names"][where.split("/", 1)[1]]
    right = (
        [known["vip"]] if known["vip"] else sorted(t["address"] for t in known["tasks"].values())
    )
    if answer == right:
        return []
    said = answer if isinstance(answer, str) else ", ".join(answer)
    text = f"in the network {network} the name leads to {said} instead of {', '.join(right)}"
    remedy = "Restart the engine there, or force the service: docker service update --force."
    return [error(where, text, remedy)]


def _check_addresses(
    where: str,
    network: str,
    known: Mapping[str, Any],
    seen: Mapping[str, Any],
    by_address: Mapping[str, str],
) -> list[Finding]:
    remedy = "Look at the paths above; if they are good, docker service update --force it."
    silent = [
        f"{task.rsplit('.', 1)[0]} on {by_address.get(t['host'], t['host'])} ({t['address']}: "
        f"{seen['reached'][t['address']]})"
        for task, t in known["tasks"].items()
        if seen["reached"][t["address"]] not in ("open", "closed")
    ]
    if silent:
        text = f"in the network {network} these tasks do not answer: {', '.join(sorted(silent))}"
        return [error(where, text, remedy)]
    vip = known["vip"]
    if vip and known["tasks"] and seen["reached"][vip] not in ("open", "closed"):
        text = f"in the network {network} the service's address {vip} does not answer "
        text += f"({seen['reached'][vip]}), though each of its tasks does"
        return [error(where, text, remedy)]
    return []


def _check_view(
    case: Case, where: str, service: str, known: Mapping[str, Any], ids: Collection[str]
) -> list[Finding]:
    running = {
        task["id"]
        for task in case.status["tasks"]
        if task["service"] == service and task["id"] in ids
    }
    view = {task.rsplit(".", 1)[-1] for task in known["tasks"]}
    if view == running or not running:
        return []
    text = f"this node knows {len(view & running)} of its {len(running)} running tasks"
    if view - running:
        text += f" and {len(view - running)} that are gone"
    remedy = "During a rollout that is normal for seconds. If it stays: systemctl restart docker."
    return [warning(where, text, remedy)]


def check_published(case: Case, explained: Explained) -> list[Finding]:
    """Published TCP ports through every node's own part of the routing mesh."""
    away = case.away(explained)
    owners = {
        str(port["published"]): service["full_name"]
        for service in case.status.get("services") or []
        for port in service["ports"]
        if port["protocol"] == "tcp" and service["running"] and service["full_name"] not in away
    }
    asked = [
        name
        for name, checkup in case.checkups.items()
        if name in case.members and not checkup["error"] and not explained.about(name)
    ]
    findings: list[Finding] = []
    for port, service in owners.items():
        answers = {name: case.checkups[name]["published"].get(port) for name in asked}
        closed = {name: answer for name, answer in answers.items() if answer != "open"}
        if len(closed) == len(asked) > 1:
            # Seen after both workers had been with the minority of the managers.
            text = f"its published port {port} answers on no node, though its tasks run"
            remedy = f"The routing mesh has forgotten it: docker service update --force {service}"
            findings.append(error(service, text, remedy))
            continue
        for name, answer in closed.items():
            text = f"its published port {port} ({service}) does not answer on the node itself "
            text += f"({answer or 'the node does not know of it'})"
            remedy = "The routing mesh there is broken: systemctl restart docker on it."
            findings.append(error(name, text, remedy))
    return findings


# Certificates


def seconds_until(text: str, now: float) -> float:
    """From now to a time such as 2027-02-20T21:09:24Z."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - now


def check_certificates(case: Case, explained: Explained) -> list[Finding]:
    """The nodes' own, the Swarm's CA, the registries'."""
    findings: list[Finding] = []
    life = case.status.get("certificate_seconds") or 90 * DAY
    roots: dict[str, list[str]] = {}
    registries: dict[tuple[str, str, str], list[str]] = {}
    for host in case.hosts:
        if not host.info or host.name not in case.checkups:
            continue
        own = host.info["swarm"].get("certificate_not_after")
        left = seconds_until(own, case.now) if own else life
        if left < 0:
            text = f"its certificate in the Swarm ended {_span(-left)} ago"
            remedy = "Take it out and let it join again: node_remove.yml, then site.yml."
            findings.append(error(host.name, text, remedy))
        elif left < 0.15 * life:  # swarmkit renews between half and four fifths of the time
            text = f"its certificate in the Swarm ends in {_span(left)} and was not renewed"
            remedy = "On it: systemctl restart docker; it must reach 2377/tcp of a manager."
            findings.append(warning(host.name, text, remedy))
        root = case.checkups[host.name]["root_certificate_not_after"]
        if root:
            roots.setdefault(root, []).append(host.name)
        outside = host.info["swarm"].get("state", "inactive") == "inactive"
        if outside or explained.about(host.name):
            continue  # the way to a registry leads through the mesh
        for name, found in case.checkups[host.name]["registries"].items():
            key = (name, found["not_after"] or "", found["error"] or "")
            registries.setdefault(key, []).append(host.name)
    for root in roots:
        left = seconds_until(root, case.now)
        if left < 90 * DAY:
            text = f"the Swarm's own CA ends in {_span(left)}" if left > 0 else "the CA has ended"
            findings.append(warning("swarm", text, "Run rotate_ca.yml: it makes a new one."))
    if len(roots) > 1:
        said = "; ".join(
            f"{', '.join(names)} until {root}" for root, names in sorted(roots.items())
        )
        text = f"the nodes trust different CAs of the Swarm ({said})"
        findings.append(error("swarm", text, "A rotation is under way, or they are in two Swarms."))
    away = case.away(explained)
    silent = {
        str(port["published"])
        for service in case.status.get("services") or []
        for port in service["ports"]
        if service["full_name"] in away
    }
    for (name, not_after, problem), nodes in registries.items():
        if problem and name.rpartition(":")[2] in silent:
            continue
        where = f"registry {name}"
        if problem:
            text = f"{', '.join(nodes)} cannot talk to it: {problem}"
            remedy = "docker service ps registry on a manager; site.yml hands out its CA anew."
            findings.append(error(where, text, remedy))
        elif not_after and (left := seconds_until(not_after, case.now)) < 20 * DAY:
            text = f"its certificate ends in {_span(left)}"
            findings.append(warning(where, text, "Run site.yml: it makes a new one in time."))
    return findings


def _span(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 2 * DAY else f"{seconds / DAY:.0f} days"
