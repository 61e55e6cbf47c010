# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After the loss of the majority: what one surviving manager may do, and who must join anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host


@dataclass
class Recovery:
    """What to do; nothing may be done while `errors` is not empty. Hosts by inventory name.

    `force` says that the survivor still has to become a cluster of its own; without it that was
    done before, and only those in `rejoin` are left. They leave first and then join as they did.
    """

    survivor: str
    cluster_id: str = ""
    force: bool = False
    rejoin: list[str] = field(default_factory=list)
    answering: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def plan_recovery(hosts: Sequence[Host], survivor: str) -> Recovery:
    """The recovery of the swarm that `survivor` belongs to, through it alone.

    `docker swarm init --force-new-cluster` makes a quorum of one out of a manager's copy of the
    Raft log, unless that is locked: seen, the engine then refuses it and forgets that it was in a
    swarm until it starts again. The other managers keep their own copies: two of three that come
    back would elect a leader beside it, so each of them that answers has to leave.
    """
    plan = Recovery(survivor, answering=[host.name for host in hosts if host.usable])
    managers = [host for host in hosts if host.group == "managers"]
    chosen = next((host for host in managers if host.name == survivor), None)
    problem = _unfit(chosen, survivor, managers)
    if chosen is None or problem:
        plan.errors.append(problem)
        return plan
    plan.cluster_id = chosen.cluster_id
    mine = [
        host
        for host in hosts
        if host.member and host.cluster_id == chosen.cluster_id and host.name != survivor
    ]
    if _leader(chosen) is None:
        # Whoever only stands still has its copy of the Raft log, and perhaps the newer one.
        plan.errors += [
            f"{host.name} is not lost: by its certificate it is a manager of the swarm "
            f"{plan.cluster_id}, and {host.engine.get('problem')}. {host.engine.get('remedy')} A "
            "quorum may be back then."
            for host in hosts
            if host.asleep
            and host.cluster_id == chosen.cluster_id
            and host.swarm.get("role") == "manager"
            and host.engine.get("state") in ("stopped", "starting", "hung", "silent")
        ]
        if plan.errors:
            return plan
        plan.force = True
        # The certificate is the only witness of a role where no manager answers for it.
        stale = [host for host in mine if host.swarm.get("role") == "manager"]
        for other in mine:
            if _leader(other) is not None:
                plan.errors.append(
                    f"the swarm {plan.cluster_id} has a quorum: {other.name} answers with a "
                    f"leader. It is {survivor} that is cut off: repair its way to the others, "
                    f"or run 'docker swarm leave --force' on {survivor} and then site.yml."
                )
                return plan
        if chosen.swarm.get("autolock"):
            plan.errors.append(
                f"the managers of the swarm {plan.cluster_id} are locked (autolock), and Docker "
                "cannot make a cluster of one out of a locked manager (moby/moby#36852): start one "
                "more of the lost managers and run site.yml, which unlocks it; or restore a backup "
                "onto machines that are in no swarm: restore.yml."
            )
            return plan
        if not chosen.leaderless:
            said = chosen.swarm.get("error") or "it lists no nodes"
            plan.errors.append(
                f"{survivor} does not say that its swarm has no leader ({said}), so the quorum may "
                "be whole. Run this again in a minute; if it stays so, 'journalctl -u docker' "
                "there says why."
            )
            return plan
    else:
        raft = {
            node["id"]
            for node in _nodes(chosen)
            if node["role"] == "manager" and node.get("reachability")
        }
        others = [node for node in _nodes(chosen) if node["role"] == "manager"]
        ready = {node["hostname"] for node in _nodes(chosen) if node["status"] == "ready"}
        twins = [n for n in others if n["id"] not in raft and n["hostname"] in ready]
        alone = raft == {chosen.swarm.get("node_id")}
        stale = [
            host
            for host in mine
            if host.swarm.get("role") == "manager" and host.swarm.get("node_id") not in raft
        ]
        # Whoever joined again before the run was interrupted has left its old entry behind.
        if not twins and not (alone and (stale or len(others) > 1)):
            plan.errors.append(
                f"the swarm {plan.cluster_id} has a quorum: {survivor} answers with a leader. "
                "There is nothing to recover: run site.yml."
            )
            return plan
    plan.rejoin = [host.name for host in stale]
    silent = [host.name for host in managers if not host.usable]
    if silent:
        plan.notices.append(
            f"{', '.join(silent)} {'do' if len(silent) > 1 else 'does'} not answer. A manager that "
            "comes back still believes in the old quorum: run this playbook again at once, and "
            "keep it off the network until then."
        )
    return plan


def _leader(host: Host) -> Mapping[str, Any] | None:
    return next((node for node in _nodes(host) if node["leader"]), None)


def _nodes(host: Host) -> Sequence[Mapping[str, Any]]:
    return host.swarm.get("nodes") or []


def _unfit(chosen: Host | None, survivor: str, managers: Sequence[Host]) -> str:
    """Why this host cannot be the survivor; "" when it can."""
    able = [h.name for h in managers if h.member and h.swarm.get("role") == "manager"]
    others = [name for name in able if name != survivor]
    instead = f" Of the managers, {', '.join(others)} can." if others else ""
    if chosen is None:
        names = ", ".join(host.name for host in managers)
        if not survivor:
            example = f"-e survivor={(able or [host.name for host in managers] or ['m1'])[0]}"
            return f"say which manager survived, one of {names}: {example}"
        return f"survivor={survivor} is none of the group managers ({names}).{instead}"
    if chosen.info is None:
        return f"{survivor} cannot be reached, so nothing can be recovered from it.{instead}"
    if not chosen.answers:
        problem, remedy = chosen.engine.get("problem"), chosen.engine.get("remedy")
        return f"{survivor} cannot be the survivor: {problem}. {remedy}{instead}"
    if not chosen.member or chosen.swarm.get("role") != "manager":
        return f"{survivor} is no manager of a swarm, so nothing can be recovered from it.{instead}"
    return ""
