# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup consists of, from whom it is taken, and where it goes on empty machines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host

FORMAT = 1
# Label of a restored volume: which archive it is from, so that a second run leaves it alone.
RESTORED = "monsterstack.swarm.restored"

# What backup.yml calls its pair of files; the time is in UTC.
ARCHIVE = re.compile(r"(?P<stack>.+)-(?P<at>\d{8}T\d{6}Z)\.(?P<kind>cluster|credentials)")


def outdated(
    manifests: Mapping[str, Mapping[str, Any]],
    others: Iterable[str],
    new: str,
    keep: int,
) -> list[str]:
    """Names of files to remove so that the newest `keep` archives of a cluster's stack stay.

    `manifests` are those of the `.cluster` files of a folder that the key opens, by name; `others`
    the folder's other files. Only what is of the same stack and cluster as `new` is counted, by the
    time in its name. `new` itself always stays. Credentials go before the archive that they belong
    to, so that an interrupted removal leaves nothing that the next one would not find.
    """
    mine = manifests.get(new)
    name = ARCHIVE.fullmatch(new)
    if not keep or mine is None or name is None:
        return []
    dated: list[tuple[str, str]] = []
    for one, manifest in manifests.items():
        found = ARCHIVE.fullmatch(one)
        if (
            found
            and one != new
            and found["stack"] == name["stack"]
            and all(manifest.get(key) == mine.get(key) for key in ("stack", "cluster_id"))
        ):
            dated.append((found["at"], one))
    left = set(others)
    gone: list[str] = []
    for _at, one in sorted(dated, reverse=True)[keep - 1 :]:
        credentials = one.removesuffix(".cluster") + ".credentials"
        gone += [credentials, one] if credentials in left else [one]
    return gone


@dataclass
class BackupPlan:
    """`copied_from`: the manager whose engine stands still while its Raft log is copied."""

    copied_from: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def plan_backup(
    hosts: Sequence[Host],
    looked: Mapping[str, Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    not_kept: Sequence[str],
    at: str,
    force: bool = False,
) -> BackupPlan:
    """What to copy from where; `looked` is node_archive's result by host, `at` the time.

    The leader is left alone where there is another manager, and of the others the one with the
    fewest tasks is taken: its containers stop with its engine. Of two managers none can be spared;
    the swarm is then without a quorum for the seconds of the copy, and so it is with `force` where
    too few of more managers answer.
    """
    plan = BackupPlan()
    nodes: Sequence[Mapping[str, Any]] = next(
        (host.swarm["nodes"] for host in hosts if host.swarm.get("nodes")), []
    )
    by_id = {node["id"]: node for node in nodes}
    managers = [
        host
        for host in hosts
        if host.answers
        and by_id.get(host.swarm.get("node_id"), {}).get("reachability") == "reachable"
    ]
    total = sum(node["role"] == "manager" for node in nodes)
    followers = [h for h in managers if not by_id[h.swarm["node_id"]]["leader"]]
    if not managers:
        plan.errors.append("no manager of the inventory answers with a quorum: run site.yml.")
        return plan
    if total == 1:
        chosen = managers[0]
        tasks = int((looked.get(chosen.name) or {}).get("tasks", 0))
        plan.notices.append(
            f"{chosen.name} is the only manager: while its state is copied, its engine and the "
            f"{tasks} tasks on it stand still for some seconds, and nothing can be deployed."
        )
    elif len(managers) - 1 < total // 2 + 1 and not (force or total == 2):
        plan.errors.append(
            f"of {total} managers {len(managers)} answer: without one more, which has to stand "
            "still while its state is copied, there would be no quorum. Start the others first, or "
            "say -e force=true: then nothing can be deployed during the seconds of the copy, and "
            "tasks run on."
        )
        return plan
    elif not followers:
        plan.errors.append("no manager but the leader answers: start the others first.")
        return plan
    else:
        chosen = min(followers, key=lambda h: int((looked.get(h.name) or {}).get("tasks", 0)))
        tasks = int((looked.get(chosen.name) or {}).get("tasks", 0))
        if len(managers) - 1 < total // 2 + 1:
            plan.notices.append(
                f"while the state of {chosen.name} is copied, {len(managers) - 1} of {total} "
                "managers answer, which is no quorum: for some seconds nothing can be deployed."
            )
        if tasks:
            plan.notices.append(
                f"{chosen.name} runs {tasks} tasks, which stand still with its engine for some "
                "seconds: every manager but the leader runs some."
            )
    plan.copied_from = chosen.name
    plan.errors += _check_volumes(looked, volumes, chosen.name)
    if not_kept:
        plan.notices.append(
            f"not kept, because the stack does not name them under `backup`: {', '.join(not_kept)}."
        )
    plan.manifest = {
        "format": FORMAT,
        "at": at,
        "cluster_id": chosen.cluster_id,
        "copied_from": _hostname(chosen),
        "nodes": [
            {key: node[key] for key in ("hostname", "role", "addr", "labels", "availability")}
            for node in nodes
        ],
    }
    return plan


def _hostname(host: Host) -> str:
    return str((host.info or {}).get("hostname") or host.name)


def _check_volumes(
    looked: Mapping[str, Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    copied_from: str,
) -> list[str]:
    errors = []
    for volume in volumes:
        there = [
            name
            for name, found in looked.items()
            if volume["name"] in [one["name"] for one in found.get("volumes") or []]
        ]
        if not there:
            errors.append(
                f"the volume {volume['name']} is not found: no running task of the service "
                f"{volume['service']} uses it on a host that answers. Mend the service "
                f"('docker service ps {volume['service']}'), or take it out of `backup`."
            )
    for name, found in looked.items():
        needed = sum(one["bytes"] for one in found.get("volumes") or [])
        if name == copied_from:
            needed += (found.get("swarm") or {}).get("bytes", 0)
        if needed and needed > found.get("free_bytes", 0):
            errors.append(
                f"{name} has {found.get('free_bytes', 0) >> 20} MiB free, and the copies on their "
                f"way take {needed >> 20} MiB: make room there."
            )
    return errors


@dataclass
class RestorePlan:
    """Where the parts of an archive go; hosts by inventory name.

    `resumed`: the archive's swarm is there already, from a run that was interrupted or is over:
    nothing is overwritten, and only what is missing joins.
    """

    target: str = ""
    resumed: bool = False
    force: bool = False
    volumes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def plan_restore(hosts: Sequence[Host], manifest: Mapping[str, Any], archive: str) -> RestorePlan:
    """Volumes go to the hosts that are called like those they came from, and so does the state."""
    plan = RestorePlan()
    if manifest.get("format") != FORMAT:
        plan.errors.append(
            f"{archive} has the format {manifest.get('format')}, and this version reads {FORMAT}."
        )
        return plan
    by_hostname = {_hostname(host): host for host in hosts}
    for host in hosts:
        if host.info is None:
            plan.errors.append(f"{host.name} cannot be reached: a restore needs all hosts.")
        elif host.member and host.cluster_id != manifest["cluster_id"]:
            plan.errors.append(
                f"{host.name} is in the swarm {host.cluster_id}, and a restore needs machines that "
                f"are in none: run 'docker swarm leave --force' on it if that one can go."
            )
    chosen = by_hostname.get(manifest["copied_from"])
    if chosen is None or chosen.group != "managers":
        plan.errors.append(
            f"the swarm's state is from {manifest['copied_from']}, and no manager of the inventory "
            "calls itself so: give one that host name."
        )
    else:
        plan.target = chosen.name
        plan.resumed = chosen.member and chosen.cluster_id == manifest["cluster_id"]
        plan.force = not any(node["leader"] for node in chosen.swarm.get("nodes") or [])
    left = [h.name for h in hosts if h.member and h.cluster_id == manifest["cluster_id"]]
    if left and not plan.resumed:
        plan.errors.append(
            f"{', '.join(left)} still belong to the swarm {manifest['cluster_id']}, which is to be "
            "restored: run 'docker swarm leave --force' there, or recover_quorum.yml if one of "
            "them is a manager with its state."
        )
    if plan.target and not plan.resumed:
        plan.steps.append(
            f"{plan.target} gets the state of {manifest['copied_from']} and becomes a cluster of "
            "one, which the others join with the labels that they had."
        )
    if plan.resumed:
        volumes = ", ".join(one["name"] for one in manifest["volumes"]) or "none"
        plan.notices.append(
            f"the swarm of {archive} is on {plan.target} already: no data are overwritten, "
            f"its volumes ({volumes}) are not "
            "put back, the rest joins. To restore onto these machines anew, empty them first."
        )
    for volume in manifest["volumes"]:
        if volume["hostname"] not in by_hostname:
            plan.errors.append(
                f"the volume {volume['name']} is from {volume['hostname']}, and no host of the "
                "inventory calls itself so: give one that host name."
            )
            continue
        one = {key: volume[key] for key in ("name", "labels", "file")}
        one["labels"] = {**one["labels"], RESTORED: archive}
        name = by_hostname[volume["hostname"]].name
        plan.volumes.setdefault(name, []).append(one)
        if not plan.resumed:
            plan.steps.append(f"{name} gets the volume {volume['name']}.")
    missing = [n["hostname"] for n in manifest["nodes"] if n["hostname"] not in by_hostname]
    if missing:
        plan.notices.append(
            f"not in the inventory any more: {', '.join(missing)}. Their entries stay in the swarm "
            "as down; remove them with 'docker node rm'."
        )
    return plan
