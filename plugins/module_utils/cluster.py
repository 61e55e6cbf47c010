# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what every host says of itself to the plan of one cluster: who starts it, who joins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import pins, quorum, swarm_spec
from ansible_collections.monsterstack.swarm.plugins.module_utils.addresses import (
    reached_at,
    swarm_address,
    with_port,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import inventory_labels
from ansible_collections.monsterstack.swarm.plugins.module_utils.wire import CLUSTER_PORT

Nodes = Mapping[str, Mapping[str, Any]]
# What a manager's engine answers while too few managers are there (swarmkit, raft.go).
NO_LEADER = "does not have a leader"


@dataclass(frozen=True)
class Host:
    """A host of the inventory; `info` is host_info's result, None when it could not be asked."""

    name: str
    group: str
    address: str
    info: Mapping[str, Any] | None
    labels: Mapping[str, str] = field(default_factory=dict)  # what the inventory gives it

    @property
    def swarm(self) -> Mapping[str, Any]:
        return (self.info or {}).get("swarm") or {}

    @property
    def engine(self) -> Mapping[str, Any]:
        return (self.info or {}).get("engine") or {}

    @property
    def answers(self) -> bool:
        return bool(self.engine.get("running"))

    @property
    def fresh(self) -> bool:
        """Looked at, and in no swarm: no engine, one that says so itself, or no certificate.

        A stopped or hung engine of a node is not fresh: its certificate is on the disk.
        """
        if self.info is None:
            return False
        if self.answers:
            return bool(self.swarm.get("state", "inactive") == "inactive")
        return not self.engine.get("installed") or not (
            self.swarm.get("node_id") or self.swarm.get("cluster_id")
        )

    @property
    def usable(self) -> bool:
        """Whether it can be worked with: it answers, or can be given an engine that will."""
        can_start = self.engine.get("state") in ("absent", "stopped")
        return self.answers or (self.fresh and can_start)

    @property
    def member(self) -> bool:
        return self.answers and self.swarm.get("state", "inactive") != "inactive"

    @property
    def asleep(self) -> bool:
        """A node of a swarm, by its certificate, whose engine does not answer."""
        return self.info is not None and not self.answers and not self.fresh

    @property
    def leaderless(self) -> bool:
        """Whether this manager says itself that its swarm has no leader.

        A question that failed for another reason proves nothing: the quorum may be whole.
        """
        return self.member and NO_LEADER in (self.swarm.get("error") or "")

    def is_not(self, node: Mapping[str, Any]) -> bool:
        """Whether the host itself says that it is not this node of the swarm (any more)."""
        return self.fresh or (self.member and self.swarm.get("node_id") != node["id"])

    @property
    def cluster_id(self) -> str:
        return self.swarm.get("cluster_id") or "unknown"


@dataclass(frozen=True)
class Wishes:
    """What a playbook asks for beyond the inventory."""

    pins: Sequence[str] = ()  # labels that stand for data on one node's disk
    other_pins: Sequence[str] = ()  # those of the stacks that this run does not release
    labels: bool = True  # this run sets the nodes' labels
    remove: Sequence[str] = ()  # nodes to be removed, by inventory name, else by host name
    dead: bool = False  # those to be removed will never answer again
    replace: Sequence[str] = ()  # hosts that must have been installed anew
    # The volumes that each pin stands for, as far as the services that run tell: {label: [volume]}.
    volumes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lose_data: bool = False  # what stood on a disk that goes is not needed
    unlocks: bool = False  # a run like this one unlocks what is locked, so it is no problem
    joins: bool = True  # this run lets hosts join that are in no swarm


@dataclass
class Plan:
    """What to do; nothing may be done while `errors` is not empty. Hosts by inventory name."""

    exists: bool = False
    cluster_id: str | None = None
    primary: str | None = None
    primary_address: str | None = None
    leader: str | None = None
    init: str | None = None
    join_managers: list[str] = field(default_factory=list)
    join_workers: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    promote: list[str] = field(default_factory=list)
    demote: list[str] = field(default_factory=list)
    # Hosts that were installed anew: {name, id and role of the earlier node}.
    replace: list[dict[str, str]] = field(default_factory=list)
    # Nodes to be removed: {name, id, role, alive (whether there is something to drain)}.
    remove: list[dict[str, Any]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)  # in no swarm, and this run changes nothing
    autolock: bool | None = None
    zeros: list[str] = field(default_factory=list)  # settings of the swarm that must not be 0
    unlocks: bool = False
    # Labels that stand for data on one node's disk, of all stacks: no purge takes them away.
    data_labels: list[str] = field(default_factory=list)
    node_ids: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def inventory_hosts(variables: Mapping[str, Any], args: Mapping[str, Any]) -> list[Host]:
    """The hosts that are to be managers and workers, with what host_info registered for each.

    `variables` are a task's, with `groups` and `hostvars`; `args` the module's: `managers` and
    `workers`, None for the group of that name, and `info_variable`.
    """
    hostvars = variables["hostvars"]
    return [
        Host(
            name=name,
            group=group,
            address=swarm_address(name, hostvars[name], info) or reached_at(name, hostvars[name]),
            info=info if "swarm" in info else None,
            labels=inventory_labels(hostvars[name]),
        )
        for group in ("managers", "workers")
        for name in (variables["groups"].get(group, []) if args[group] is None else args[group])
        for info in [hostvars[name].get(args["info_variable"]) or {}]
    ]


def make_plan(hosts: Sequence[Host], wishes: Wishes = Wishes()) -> Plan:
    """The plan for these hosts, in the order of the inventory; every problem at once."""
    plan = Plan(unlocks=wishes.unlocks, silent=[host.name for host in hosts if not host.usable])
    for host in hosts:
        if not host.usable:
            if host.info is None:
                plan.notices.append(f"{host.name} cannot be reached and is left out.")
            else:
                why, remedy = host.engine.get("problem"), host.engine.get("remedy")
                plan.notices.append(f"{host.name} is left out: {why}. {remedy}")
    managers = [host for host in hosts if host.group == "managers"]
    clusters = {host.cluster_id: host for host in reversed(managers) if host.member}
    if len(clusters) > 1:
        parts = [
            f"{', '.join(h.name for h in managers if h.member and h.cluster_id == cluster)} "
            f"in {cluster}"
            for cluster in dict.fromkeys(h.cluster_id for h in managers if h.member)
        ]
        plan.errors.append(
            f"the managers are in different swarms ({'; '.join(parts)}). Give each swarm an "
            "inventory of its own. A machine that is to move is first taken out of its swarm in "
            "good order, with that swarm's inventory: playbooks/node_remove.yml -e node=NAME."
        )
    elif clusters:
        _plan_existing(plan, hosts, next(iter(clusters)), wishes)
    elif wishes.remove or wishes.replace:
        plan.errors.append("there is no swarm yet, so no node can be removed or replaced.")
    else:
        _plan_new(plan, hosts, managers)
    return plan


def _plan_new(plan: Plan, hosts: Sequence[Host], managers: Sequence[Host]) -> None:
    silent = [host for host in managers if not host.usable]
    # A manager that is only silent may be the one of these workers' swarm.
    orphans = [] if silent else [host.cluster_id for host in hosts if host.member]
    for cluster in dict.fromkeys(orphans):
        members = [host for host in hosts if host.member and host.cluster_id == cluster]
        names = ", ".join(host.name for host in members)
        where = ", ".join(sorted({addr for h in members for addr in h.swarm.get("managers") or []}))
        plan.errors.append(
            f"the swarm {cluster} exists only on workers of the inventory ({names}). Add its "
            f"managers{f' ({where})' if where else ''} to the group managers. If they are lost for "
            "good, playbooks/restore.yml makes the swarm anew from a backup."
        )
    asleep = [host for host in silent if host.asleep]
    for host in asleep:
        plan.errors.append(
            f"{host.name} is a {host.swarm.get('role') or 'node'} of the swarm {host.cluster_id}, "
            f"by its certificate, but {host.engine.get('problem')}. {host.engine.get('remedy')}"
        )
    unknown = [host.name for host in silent if not host.asleep]
    if unknown and not asleep:
        plan.errors.append(
            f"nothing shows whether a swarm exists already: of {', '.join(unknown)} there is no "
            "answer. Start it and its Docker Engine, or take it out of the group managers."
        )
    if len(managers) % 2 == 0 and managers:
        plan.errors.append(
            f"{len(managers)} managers keep no better quorum than {len(managers) - 1}: make the "
            "swarm with 1, 3, 5 or 7."
        )
    if plan.errors or not managers:
        return
    first = managers[0]
    plan.init = plan.primary = first.name
    plan.primary_address = with_port(first.address, CLUSTER_PORT)
    plan.join_managers = [host.name for host in managers[1:]]
    plan.join_workers = [host.name for host in hosts if host.group == "workers" and host.usable]


def _plan_existing(plan: Plan, hosts: Sequence[Host], cluster_id: str, wishes: Wishes) -> None:
    plan.exists, plan.cluster_id = True, cluster_id
    count = sum(host.group == "managers" for host in hosts)
    if count % 2 == 0:
        # No refusal: what is left after a loss is still to be looked after.
        plan.notices.append(
            f"{count} managers in the inventory keep no better quorum than {count - 1}. If one was "
            "lost, give it a successor."
        )
    primary, nodes = _find_primary(plan, hosts, cluster_id, wishes)
    if primary:
        plan.primary = primary.name
        plan.autolock = primary.swarm.get("autolock")
        plan.zeros = list(primary.swarm.get("zeros") or [])
        if plan.zeros:
            plan.notices.append(swarm_spec.complaint(plan.zeros))
        plan.primary_address = with_port(
            primary.swarm.get("node_addr") or primary.address, CLUSTER_PORT
        )
    for host in hosts:
        if host.usable and host.name not in wishes.remove:
            _plan_host(plan, host, cluster_id, nodes)
    if not wishes.joins:
        plan.outside = plan.join_managers + plan.join_workers
        plan.notices += [
            f"{name} is in no swarm and is left out. Run site.yml: it joins then. If it was taken "
            "out on purpose, take it out of the inventory."
            for name in plan.outside
        ]
    if not nodes:
        return
    bound = ((primary.info if primary else None) or {}).get("bound_labels") or {}
    wishes = _plan_pins(plan, hosts, bound, nodes, wishes)
    # Removed by somebody, and their machines may have what a pin stood for.
    former = {node_id for entry in bound.values() for node_id in entry.get("nodes", ())}
    _plan_removals(plan, hosts, nodes, former, wishes)
    _plan_replacements(plan, hosts, nodes, wishes)
    _check_roles(plan, nodes)
    _notice_nodes(plan, hosts, nodes)


def _plan_pins(
    plan: Plan, hosts: Sequence[Host], bound: pins.Bound, nodes: Nodes, wishes: Wishes
) -> Wishes:
    """The same wishes with the pins of all stacks; one that no node has is not given to another."""
    listed = list(nodes.values())
    plan.data_labels = pins.data_labels([*wishes.pins, *wishes.other_pins], bound, listed)
    gone = [name for name in wishes.remove if wishes.dead]
    names = [host.name for host in hosts]
    machines = [
        *(_machine(host, host.name in gone) for host in hosts),
        *(pins.Machine(name, lost=True) for name in gone if name not in names),
    ]
    for lost in pins.lost_pins(wishes.pins, bound, listed, machines):
        if wishes.lose_data and lost.proven and wishes.labels:
            plan.notices.append(
                f"{lost.label} goes to another node, where what it stands for is empty."
            )
        else:
            (plan.errors if wishes.labels else plan.notices).append(lost.why)
    stored = {label: entry["volumes"] for label, entry in bound.items()}
    return replace(wishes, pins=plan.data_labels, volumes={**stored, **wishes.volumes})


def _machine(host: Host, lost: bool) -> pins.Machine:
    """What was seen of a host's disk; also of an engine that is silent: its data lie there."""
    info = host.info or {}
    volumes, away = info.get("volumes"), info.get("unmounted") or []
    why = "it cannot be reached" if host.info is None else "this user may not look for its volumes"
    if away:
        volumes, why = None, f"{', '.join(away)} is in its /etc/fstab and not mounted"
    return pins.Machine(
        name=host.name,
        address=host.address,
        node_id=host.swarm.get("node_id") or "",
        volumes=volumes,
        why="" if volumes is not None else why,
        lost=lost and host.info is None,
        answers=host.info is not None,
        chosen=[label for label, value in host.labels.items() if value == "true"],
    )


def _find_primary(
    plan: Plan, hosts: Sequence[Host], cluster_id: str, wishes: Wishes
) -> tuple[Host | None, dict[str, Mapping[str, Any]]]:
    """The manager to work through, and the nodes by id as it sees them.

    The first one that answers: what a run leaves on it is found there by the next run, whoever
    leads then.
    """
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
        plan.leader = next((h.name for h in hosts if h.swarm.get("node_id") == leader), None)
        staying = [host for host in able if host.name not in wishes.remove] or able
        ours = [host for host in staying if host.group == "managers"] or staying
        return ours[0], nodes
    know = [h for h in hosts if h.group == "managers" and h.member and h.cluster_id == cluster_id]
    if not any(host.swarm.get("state") == "locked" for host in know):
        said = "; ".join(f"{h.name}: {h.swarm['error']}" for h in know if h.swarm.get("error"))
        # Those are not lost: they carry the certificate, and their copy of the Raft log.
        asleep = [h for h in hosts if h.asleep and h.cluster_id == cluster_id]
        asleep = [host for host in asleep if host.swarm.get("role") == "manager"]
        remedy = " ".join(f"{h.name}: {h.engine['problem']}. {h.engine['remedy']}" for h in asleep)
        names, told = ", ".join(h.name for h in know), f" ({said})" if said else ""
        asked = [host for host in know if host.swarm.get("role") == "manager"]
        if asked and all(host.leaderless for host in asked):
            lost = (
                "Start the other managers; if they are lost for good: ansible-playbook "
                f"playbooks/recover_quorum.yml -e survivor={asked[0].name}"
            )
            plan.errors.append(
                f"the swarm {cluster_id} has no quorum: {names} belong to it, but none of them "
                f"answers with a leader{told}. {remedy or lost}"
            )
        else:
            again = (
                "Run this again in a minute; if it stays so, 'journalctl -u docker' there says why."
            )
            plan.errors.append(
                f"whether the swarm {cluster_id} has a quorum is not known: {names} belong to it, "
                f"but none of them answers all that it is asked{told}. {remedy or again}"
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
            f"{name} is in another swarm ({host.cluster_id}) than the managers ({cluster_id}). "
            "Take it out of the inventory. If it is to move, it first leaves its swarm in good "
            f"order, with that swarm's inventory: playbooks/node_remove.yml -e node={name}."
        )
        return
    if swarm.get("state") == "locked":
        if plan.unlocks and plan.primary:
            plan.notices.append(f"{name} is locked and would be unlocked.")
        elif plan.unlocks:
            plan.errors.append(
                f"{name} is locked and would be unlocked, but a dry run cannot see what is behind "
                "the lock, and no other manager answers. Run it without --check."
            )
        else:
            plan.errors.append(
                f"{name} is a locked manager of the swarm {cluster_id}. Run site.yml, which "
                "unlocks it with the key that it kept, or says where it looks for one."
            )
        return
    node_id: str = swarm.get("node_id") or ""
    if nodes and node_id not in nodes:
        if any(node["leader"] for node in swarm.get("nodes") or []):
            # What that quorum has decided is nowhere else.
            plan.errors.append(
                f"{name} answers with a leader of the swarm {cluster_id}, and {plan.primary} does "
                "too, but neither lists the other: there are two quorums. Run "
                "playbooks/recover_quorum.yml -e survivor=NAME with the manager whose quorum is to "
                "stay: the managers of the other one leave and join again."
            )
            return
        plan.errors.append(
            f"{name} still thinks that it is in the swarm {cluster_id}, but the swarm does not "
            f"list its node {node_id}. Run 'docker swarm leave --force' on {name}."
        )
        return
    if swarm.get("state") == "error":
        # Where nobody answers for the swarm, this may be the last copy of its state.
        leave = (
            f", run 'docker swarm leave --force' on {name} and then site.yml: it joins again."
            if nodes
            else ", bring a quorum of the managers back first."
        )
        plan.errors.append(
            f"{name} cannot take part in the swarm {cluster_id}: {swarm.get('error')}. If it does "
            f"not recover when its engine is restarted{leave}"
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
    else:
        plan.promote.append(name)


def _nodes_of(
    host: Host, hosts: Sequence[Host], nodes: Nodes, free: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The nodes of the swarm that this host is or was: by its id, else by its host name, else by
    its address; the last two only of those that no machine says to be (`free`)."""
    own: str = host.swarm.get("node_id") or ""
    if not host.fresh and own in nodes:
        return [nodes[own]]
    if _mistaken(host, hosts, free):
        return []
    # Nobody knows what a machine that does not answer calls itself.
    hostname = (host.info or {}).get("hostname", host.name)
    return [node for node in free if node["hostname"] == hostname] or [
        node for node in free if node.get("addr") == host.address
    ]


def _mistaken(host: Host, hosts: Sequence[Host], free: Sequence[Mapping[str, Any]]) -> str:
    """Why nobody knows which node a silent host is: its name and its address are two nodes', or its
    name is that of a node at another host's address. Taken by its name, a machine that nobody has
    given up would go."""
    named = [node for node in free if node["hostname"] == host.name]
    there = [node for node in free if node.get("addr") == host.address]
    if host.info is not None or not named or any(node in there for node in named):
        return ""
    at = str(named[0].get("addr"))
    others = [other.name for other in hosts if other.address == at]
    if not there and not others:
        return ""
    whose = f", which the inventory calls {others[0]}" if others else ""
    own = f", where the swarm has {there[0]['hostname']}" if there else ""
    return (
        f"{host.name} does not answer, and nobody knows which node it is: the swarm's node "
        f"{host.name} is at {at}{whose}, and the inventory has {host.name} at {host.address}{own}. "
        "Give the hosts in the inventory the names that the swarm has for these addresses "
        "('docker node ls' and 'docker node inspect' on a manager), and run this again."
    )


def _plan_removals(
    plan: Plan, hosts: Sequence[Host], nodes: Nodes, former: Collection[str], wishes: Wishes
) -> None:
    by_name = {host.name: host for host in hosts}
    taken = {host.swarm.get("node_id") for host in hosts if not host.fresh}
    free = [node for node_id, node in nodes.items() if node_id not in taken]
    of = {host.name: _nodes_of(host, hosts, nodes, free) for host in hosts}
    for name in wishes.remove:
        host = by_name.get(name)
        if host:
            found = of[name]
        else:
            found = [n for n in nodes.values() if name in (n["id"], n["hostname"], n.get("addr"))]
            called = [
                one.name
                for one in hosts
                if name in (one.address, (one.info or {}).get("hostname"))
                or any(node in found for node in of[one.name])
            ]
            if problem := _refuse_name(name, called, found):
                plan.errors.append(problem)
                continue
        if host and (why := _mistaken(host, hosts, free)):
            plan.errors.append(why)
            continue
        if not found and not (name in former and wishes.dead):
            unknown = [
                node["hostname"]
                for node in nodes.values()
                if node["status"] == "down" and not any(node in theirs for theirs in of.values())
            ]
            if host and host.info is None and unknown:
                plan.errors.append(
                    f"{name} does not answer, and the swarm lists no node of that name or at its "
                    f"address ({host.address}). If it was one of {', '.join(sorted(unknown))}, "
                    "which are down and which the inventory does not know, name that one: "
                    f"-e node={sorted(unknown)[0]} -e dead=true."
                )
            elif host:
                plan.notices.append(f"{name} is not in the swarm any more.")
            else:
                known = ", ".join(sorted({node["hostname"] for node in nodes.values()}))
                plan.errors.append(f"neither the inventory nor the swarm ({known}) has a {name}.")
        for node in found:
            alive = node["status"] != "down"
            problem = _refuse_removal(name, host, alive, wishes) or _refuse_removed_data(
                name, host or _machine_at(node, hosts), node, wishes
            )
            if problem:
                plan.errors.append(problem)
            entry = {"name": name, "id": node["id"], "role": node["role"], "alive": alive}
            place = f"{node['hostname']} at {node.get('addr') or 'no address'}"
            plan.remove.append({**entry, "called": place})
    if plan.primary in wishes.remove:
        plan.errors.append(
            f"{plan.primary} is the only manager that answers, and nothing can be done without one."
        )


def _refuse_name(
    name: str, called: Sequence[str], found: Sequence[Mapping[str, Any]]
) -> str | None:
    """Why a node is not removed by a name that is not the inventory's: plays find its machine by
    that one alone, so nobody would ask it."""
    if called:
        return (
            f"the inventory calls {name} {' or '.join(called)}. Say -e node={called[0]}: by that "
            "name alone its machine is asked."
        )
    named = [node["hostname"] for node in found if node["hostname"] != name]
    if named:
        return f"{name} is the node {named[0]} of the swarm: say -e node={named[0]}."
    return None


def _machine_at(node: Mapping[str, Any], hosts: Sequence[Host]) -> Host | None:
    """A host that answers at a node's address and is another node by now: the disk is the same."""
    return next((host for host in hosts if host.info and host.address == node.get("addr")), None)


def _refuse_removal(name: str, host: Host | None, alive: bool, wishes: Wishes) -> str | None:
    if wishes.dead:
        reached = host is not None and host.info is not None
        if not (alive or reached):
            return None
        why = "the swarm lists it as ready" if alive else "the machine itself answers"
        return f"{name} is not dead: {why}. Remove it without -e dead=true, or switch it off first."
    if host is None:
        return (
            f"{name} is not in the inventory, so nothing can be done on the machine itself. Put it "
            "back into the inventory for the removal or, if it is gone for good, say -e dead=true."
        )
    if host.asleep:
        return (
            f"{name} is reached, but {host.engine.get('problem')}, so its work cannot be moved off "
            f"in good order. {host.engine.get('remedy')}"
        )
    if not host.usable:
        return f"{name} does not answer. Start it or, if it is gone for good, say -e dead=true."
    return None


def _held(node: Mapping[str, Any], wishes: Wishes) -> list[str]:
    """The pins that a node holds."""
    labels = node.get("labels") or {}
    return [label for label in wishes.pins if labels.get(label) == "true"]


def _refuse_removed_data(
    name: str, host: Host | None, node: Mapping[str, Any], wishes: Wishes
) -> str | None:
    """Why a node that holds data must not be removed.

    Whoever says `lose_data` is believed where the machine itself was looked at and has no data, and
    where it cannot be looked at because it is dead by the operator's word.
    """
    held = _held(node, wishes)
    if not held:
        return None
    text = (
        f"{name} (node {node['id']}) holds {', '.join(held)}: what is stored under that label lies "
        "on its disk alone"
    )
    if host is None or host.info is None:
        if wishes.lose_data and wishes.dead:
            return None
        return (
            f"{text}, and nobody can look there while it is off. Start it if it can be started; if "
            "its disk is lost: docs/nodes.md, Data."
        )
    wanted, there = _volumes_of(held, wishes), host.info.get("volumes")
    if wanted and there is not None and not host.info.get("unmounted"):
        found = [volume for volume in wanted if volume in there]
        if not found and wishes.lose_data:
            return None
        what = f"{', '.join(found)} is there" if found else "there is no such volume any more"
    else:
        what = "whether they are still there, nothing here knows"
    return (
        f"{text} ({what}), and a removal parts it from its service. Keep the node, or move the "
        "data first: docs/nodes.md, Data."
    )


def _volumes_of(held: Sequence[str], wishes: Wishes) -> list[str]:
    """The volumes that these pins stand for; none where one of them stands for a folder too."""
    if not all(wishes.volumes.get(label) for label in held):
        return []
    return sorted({name for label in held for name in wishes.volumes[label]})


def _look_for_data(
    host: Host, node: Mapping[str, Any], wishes: Wishes
) -> tuple[str | None, str | None]:
    """(why a machine must not take the place of this earlier node, what to say of its data).

    Only a machine that was looked at, whose disks are all there, and which lacks the volumes has
    lost them. Whoever says `lose_data` is believed then, and where the data cannot be looked for by
    name: the label stays on the same machine, with whatever is on it.
    """
    held = _held(node, wishes)
    if not held:
        return None, None
    info = host.info or {}
    there, missing = info.get("volumes"), info.get("unmounted") or []
    earlier = f"the earlier {host.name} (node {node['id']}) holds {', '.join(held)}"
    if missing:
        return (
            f"{earlier}, and {', '.join(missing)} is in /etc/fstab of {host.name} and not mounted: "
            "the data may be on that disk. Mount it, restart docker and run this again."
        ), None
    if there is None:
        return (
            f"{earlier}, and this user may not look for its volumes on {host.name}. Run it with "
            "become: true."
        ), None
    wanted = _volumes_of(held, wishes)
    lost = [name for name in wanted if name not in there]
    if wanted and not lost:
        return None, (
            f"{host.name} left the swarm and comes back with its data: {', '.join(wanted)} is on "
            "its disk."
        )
    if wishes.lose_data:
        return None, None
    in_folders = any(label in wishes.volumes and not wishes.volumes[label] for label in held)
    if in_folders or (there and not wanted):
        has = f"has {', '.join(there)}" if there else "has no named volume"
        return (
            f"{earlier}. Which volume or folder that is for, nothing here knows; {host.name} "
            f"{has}: docs/nodes.md, Data."
        ), None
    gone = f"volume {', '.join(lost)}" if lost else "named volume"
    return (
        f"{earlier}: what was stored under that label lay on its disk alone, and on {host.name} "
        f"there is no {gone} any more. For this node alone: "
        f"playbooks/node_replace.yml -e node={host.name} -e data=lost. The label goes on, and what "
        "it stands for begins empty."
    ), None


def _plan_replacements(plan: Plan, hosts: Sequence[Host], nodes: Nodes, wishes: Wishes) -> None:
    for host in hosts:
        if not host.usable or host.name in wishes.remove:
            continue
        hostname = (host.info or {}).get("hostname")
        for node_id, node in nodes.items():
            # Down alone proves nothing: a stopped engine is down. The machine itself has to say
            # that it is not that node, and where it is at the node's address it need not be down.
            here = host.fresh and node.get("addr") == host.address
            gone = host.is_not(node) and (node["status"] == "down" or here)
            if node["hostname"] != hostname or not gone:
                continue
            problem, said = _look_for_data(host, node, wishes)
            if problem:
                plan.errors.append(problem)
            if said:
                plan.notices.append(said)
            plan.replace.append({"name": host.name, "id": node_id, "role": node["role"]})
            plan.notices.append(
                f"{host.name} was installed anew: site.yml removes its earlier node ({node_id}), "
                "and the new one takes over its labels."
                if not said
                else f"site.yml removes the earlier node of {host.name} ({node_id}), and the new "
                "one takes over its labels."
            )
    for name in wishes.replace:
        if name not in [entry["name"] for entry in plan.replace]:
            plan.errors.append(
                f"the swarm lists no earlier {name} that is down: there is nothing to replace. "
                "Has the machine been installed anew, and does it answer?"
            )


def _check_roles(plan: Plan, nodes: Nodes) -> None:
    """Whether the managers agree after each of the steps, in the order of the role `swarm`."""
    every, count = list(nodes.values()), quorum.managers(list(nodes.values()))
    if plan.primary in plan.demote:
        plan.errors.append(
            f"no manager of the swarm ({plan.primary}) stands in the group managers. Leave one of "
            "them there until the others have become managers."
        )
        return
    for name in plan.promote:
        node = nodes[plan.node_ids[name]]
        if node["status"] != "ready":
            plan.errors.append(
                f"{name} is not made a manager: the swarm lists it as {node['status']}."
            )
    steps = [entry["id"] for entry in plan.replace]
    more = len(plan.promote) + len(plan.join_managers)
    after = [plan.node_ids[name] for name in plan.demote] + [e["id"] for e in plan.remove]
    for node_id in [*steps, "", *after]:
        if not node_id:
            count = quorum.with_more(count, more)
            continue
        node = nodes[node_id]
        refusal = quorum.refuse_demotion(every, node, count)
        if refusal:
            plan.errors.append(refusal)
            return
        if node["role"] == "manager":
            count = quorum.without(count, node)


def _notice_nodes(plan: Plan, hosts: Sequence[Host], nodes: Nodes) -> None:
    ours = {host.swarm.get("node_id"): host.name for host in hosts if not host.fresh}
    known = [entry["id"] for entry in plan.replace + plan.remove]
    for node_id, node in nodes.items():
        name = ours.get(node_id, node["hostname"])
        if MAINTENANCE in (node.get("labels") or {}):
            plan.notices.append(
                f"{name} is in maintenance ({node['availability']}). If locks.yml shows nobody at "
                f"work, that run did not end: run maintenance.yml -e node={name} again, or with "
                "-e do=nothing."
            )
        if node_id in ours:
            if node.get("reachability") == "unreachable":
                plan.notices.append(f"the other managers do not reach {name}.")
        elif node_id not in known and not plan.silent:
            state = "down" if node["status"] == "down" else node["status"]
            plan.notices.append(
                f"the swarm has a {node['role']} {name} (node {node_id}, {state}) that is not "
                "in the inventory."
            )
