# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what every host says of itself to the plan of one cluster: who starts it, who joins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CLUSTER_PORT = 2377


@dataclass(frozen=True)
class Host:
    """A host of the inventory; `info` is host_info's result, None when it could not be asked."""

    name: str
    group: str
    address: str
    info: Mapping[str, Any] | None

    @property
    def swarm(self) -> Mapping[str, Any]:
        return (self.info or {}).get("swarm") or {}

    @property
    def answers(self) -> bool:
        return bool(self.info and (self.info.get("engine") or {}).get("running"))

    @property
    def fresh(self) -> bool:
        """Looked at, and without an engine that was ever in a swarm: it can get one and join."""
        return self.info is not None and not self.answers and not self.swarm.get("cluster_id")

    @property
    def usable(self) -> bool:
        return self.answers or self.fresh

    @property
    def member(self) -> bool:
        return self.answers and self.swarm.get("state", "inactive") != "inactive"

    @property
    def cluster_id(self) -> str:
        return self.swarm.get("cluster_id") or "unknown"


@dataclass
class Plan:
    """What to do; nothing may be done while `errors` is not empty. Hosts by inventory name."""

    exists: bool = False
    cluster_id: str | None = None
    primary: str | None = None
    primary_address: str | None = None
    init: str | None = None
    join_managers: list[str] = field(default_factory=list)
    join_workers: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    promote: list[str] = field(default_factory=list)
    demote: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    node_ids: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def make_plan(hosts: Sequence[Host]) -> Plan:
    """The plan for these hosts, in the order of the inventory; every problem at once."""
    plan = Plan(silent=[host.name for host in hosts if not host.usable])
    for host in hosts:
        if not host.usable:
            why = "cannot be reached" if host.info is None else "has a Docker Engine that is silent"
            plan.notices.append(f"{host.name} {why} and is left out.")
    managers = [host for host in hosts if host.group == "managers"]
    clusters = {host.cluster_id: host for host in reversed(managers) if host.member}
    if len(clusters) > 1:
        parts = [
            f"{', '.join(h.name for h in managers if h.member and h.cluster_id == cluster)} "
            f"in {cluster}"
            for cluster in dict.fromkeys(h.cluster_id for h in managers if h.member)
        ]
        plan.errors.append(
            f"the managers are in different swarms ({'; '.join(parts)}). Decide which one stays, "
            "and run 'docker swarm leave --force' on the managers of the others."
        )
    elif clusters:
        _plan_existing(plan, hosts, next(iter(clusters)))
    else:
        _plan_new(plan, hosts, managers)
    return plan


def _plan_new(plan: Plan, hosts: Sequence[Host], managers: Sequence[Host]) -> None:
    for cluster in dict.fromkeys(host.cluster_id for host in hosts if host.member):
        names = ", ".join(host.name for host in hosts if host.member and host.cluster_id == cluster)
        plan.errors.append(
            f"the swarm {cluster} exists only on workers of the inventory ({names}). Add its "
            f"manager to the group managers, or run 'docker swarm leave --force' on {names}."
        )
    silent = [host.name for host in managers if not host.usable]
    if silent:
        plan.errors.append(
            f"nothing shows whether a swarm exists already: of {', '.join(silent)} there is no "
            "answer. Start it and its Docker Engine, or take it out of the group managers."
        )
    if plan.errors or not managers:
        return
    first = managers[0]
    plan.init = plan.primary = first.name
    plan.primary_address = f"{first.address}:{CLUSTER_PORT}"
    plan.join_managers = [host.name for host in managers[1:]]
    plan.join_workers = [host.name for host in hosts if host.group == "workers" and host.usable]


def _plan_existing(plan: Plan, hosts: Sequence[Host], cluster_id: str) -> None:
    plan.exists, plan.cluster_id = True, cluster_id
    primary, nodes = _find_primary(plan, hosts, cluster_id)
    if primary:
        plan.primary = primary.name
        plan.primary_address = f"{primary.swarm.get('node_addr') or primary.address}:{CLUSTER_PORT}"
    for host in hosts:
        if host.usable:
            _plan_host(plan, host, cluster_id, nodes)
    if nodes:
        _notice_nodes(plan, hosts, nodes)


def _find_primary(
    plan: Plan, hosts: Sequence[Host], cluster_id: str
) -> tuple[Host | None, dict[str, Mapping[str, Any]]]:
    """The manager to work through, the leader if it can be, and the nodes by id as it sees them."""
    able = [
        host
        for host in hosts
        if host.member
        and host.cluster_id == cluster_id
        and any(node["leader"] for node in host.swarm.get("nodes") or [])
    ]
    if able:
        nodes = {node["id"]: node for node in able[0].swarm["nodes"]}
        leader = next(node_id for node_id, node in nodes.items() if node["leader"])
        ours = [host for host in able if host.group == "managers"] or able
        return next((h for h in ours if h.swarm.get("node_id") == leader), ours[0]), nodes
    know = [h for h in hosts if h.group == "managers" and h.member and h.cluster_id == cluster_id]
    if not any(host.swarm.get("state") == "locked" for host in know):
        said = "; ".join(f"{h.name}: {h.swarm['error']}" for h in know if h.swarm.get("error"))
        plan.errors.append(
            f"the swarm {cluster_id} has no quorum: {', '.join(h.name for h in know)} belong to "
            f"it, but none of them answers with a leader{f' ({said})' if said else ''}. Start the "
            "other managers; if they are lost for good, run 'docker swarm init "
            "--force-new-cluster' on the one that survived."
        )
    return None, {}


def _plan_host(
    plan: Plan, host: Host, cluster_id: str, nodes: Mapping[str, Mapping[str, Any]]
) -> None:
    name, swarm = host.name, host.swarm
    if not host.member:
        (plan.join_managers if host.group == "managers" else plan.join_workers).append(name)
        return
    if host.cluster_id != cluster_id:
        plan.errors.append(
            f"{name} is in another swarm ({host.cluster_id}) than the managers ({cluster_id}). Run "
            f"'docker swarm leave --force' on {name} if it is to move, or take it out of the "
            "inventory."
        )
        return
    if swarm.get("state") == "locked":
        plan.errors.append(
            f"{name} is a locked manager of the swarm {cluster_id}. Run 'docker swarm unlock' on "
            "it with the swarm's key."
        )
        return
    node_id: str = swarm.get("node_id") or ""
    if nodes and node_id not in nodes:
        plan.errors.append(
            f"{name} still thinks that it is in the swarm {cluster_id}, but the swarm does not "
            f"list its node {node_id}. Run 'docker swarm leave --force' on {name}."
        )
        return
    if swarm.get("state") == "error":
        plan.errors.append(
            f"{name} cannot take part in the swarm {cluster_id}: {swarm.get('error')}. If it does "
            f"not recover when its engine is restarted, run 'docker swarm leave --force' on {name} "
            "and let it join again."
        )
        return
    if swarm.get("state") == "pending":
        plan.notices.append(f"{name} is still connecting to the swarm {cluster_id}.")
    if node_id:
        plan.node_ids[name] = node_id
    role = nodes[node_id]["role"] if node_id in nodes else swarm.get("role")
    wanted = host.group.removesuffix("s")
    if role == wanted:
        plan.already.append(name)
    elif role == "manager":
        plan.demote.append(name)
        plan.errors.append(
            f"{name} stands in the group workers but is a manager of the swarm. Move it to the "
            f"group managers, or run 'docker node demote {node_id}' on a manager first."
        )
    else:
        plan.promote.append(name)
        plan.errors.append(
            f"{name} stands in the group managers but is a worker of the swarm. Move it to the "
            f"group workers, or run 'docker node promote {node_id}' on a manager first."
        )


def _notice_nodes(
    plan: Plan, hosts: Sequence[Host], nodes: Mapping[str, Mapping[str, Any]]
) -> None:
    ours = {host.swarm.get("node_id"): host.name for host in hosts if host.answers}
    names: dict[str, str] = {
        str((host.info or {}).get("hostname")): host.name for host in hosts if host.answers
    }
    for node_id, node in nodes.items():
        hostname, down = node["hostname"], node["status"] == "down"
        if node_id in ours:
            if node.get("reachability") == "unreachable":
                plan.notices.append(f"the other managers do not reach {ours[node_id]}.")
            continue
        demote = f"'docker node demote {node_id}' and " if node["role"] == "manager" else ""
        if hostname in names and down:
            plan.notices.append(
                f"the swarm still lists an earlier {names[hostname]} (node {node_id}, down). "
                f"Remove it with {demote}'docker node rm {node_id}'."
            )
        elif not plan.silent:
            state = "down" if down else node["status"]
            plan.notices.append(
                f"the swarm has a {node['role']} {hostname} (node {node_id}, {state}) that is not "
                "in the inventory."
            )
