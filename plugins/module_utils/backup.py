# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup consists of, from whom it is taken, and where it goes on empty machines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import pins
from ansible_collections.monsterstack.swarm.plugins.module_utils.cluster import Host

FORMAT = 1
# Label of a restored volume: which archive it is from, so that a second run leaves it alone.
RESTORED = "monsterstack.swarm.restored"
# The registry's volume belongs to no stack: each archive has a copy.
REGISTRY_VOLUME = "registry_data"

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
    """`copied_from`: the manager whose engine stands still while its Raft log is copied;
    `without_quorum`: the others are too few to change anything meanwhile, and that is meant."""

    copied_from: str = ""
    without_quorum: bool = False
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
    stack: str = "",
) -> BackupPlan:
    """What to copy of `stack` from where; `looked` is node_archive's result by host, `at` the
    time.

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
            plan.without_quorum = True
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
    for volume in volumes:
        there = _nodes_with(volume["name"], looked)
        if len(there) > 1:
            plan.notices.append(
                f"the volume {volume['name']} is on {', '.join(there)}, and each may hold "
                "something else: a copy of each is kept, and a restore puts each back on the node "
                "that it is from."
            )
    silent = [host.name for host in hosts if not host.answers]
    if silent:
        plan.notices.append(
            f"{', '.join(silent)} cannot be asked: what a volume holds there is not kept, and what "
            "is found elsewhere may be older. Run this again when all answer."
        )
    if not_kept:
        plan.notices.append(
            f"not kept, because the stack does not name them under `backup`: {', '.join(not_kept)}."
        )
    stored = _stored(chosen)
    plan.notices += [
        f"not kept: the data of the stack {other} ({', '.join(its)}). They need a run of their "
        f"own: backup.yml -e stack={other}."
        for other, its in stored["stacks"].items()
        if its and other != stack
    ]
    plan.manifest = {
        "format": FORMAT,
        "at": at,
        "cluster_id": chosen.cluster_id,
        "copied_from": _hostname(chosen),
        "nodes": [
            {key: node[key] for key in ("hostname", "role", "addr", "labels", "availability")}
            for node in nodes
        ],
        **stored,
    }
    return plan


def _stored(manager: Host) -> dict[str, Any]:
    """What a restore has to know of all stacks: `stacks` {stack: [volumes of its services]}, and
    `bound` {volume: label of the one node that may have its service}."""
    known = manager.info or {}
    stacks = {
        stack: sorted({v for one in body["services"].values() for v in one.get("volumes") or []})
        for stack, body in (known.get("stacks") or {}).items()
        if stack not in ("", "registry")
    }
    bound = {
        volume: label
        for label, entry in (known.get("bound_labels") or {}).items()
        for volume in entry["volumes"]
        if len(pins.holders(label, manager.swarm["nodes"])) == 1
    }
    return {"stacks": stacks, "bound": bound}


def _hostname(host: Host) -> str:
    return str((host.info or {}).get("hostname") or host.name)


def _nodes_with(volume: str, looked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts on which a running task uses this volume."""
    return [
        name
        for name, found in looked.items()
        if volume in [one["name"] for one in found.get("volumes") or []]
    ]


def _check_volumes(
    looked: Mapping[str, Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    copied_from: str,
) -> list[str]:
    errors = []
    for volume in volumes:
        if not _nodes_with(volume["name"], looked):
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


def aside_of(volume: str, archive: str) -> str:
    """The volume to which what a volume holds is moved before an archive's data come.

    It gets no label of the stack, so that no teardown removes it.
    """
    return re.sub(r"[^\w.-]", "_", f"{volume}.before.{archive.removesuffix('.cluster')}")


@dataclass(frozen=True)
class Archive:
    """An archive of a stack that was opened: `folder` is where, below the folder of all; `path` as
    it was typed."""

    name: str
    folder: str
    manifest: Mapping[str, Any]
    path: str

    @property
    def stack(self) -> str:
        return str(self.manifest["stack"])


@dataclass
class RestorePlan:
    """Where the parts of the archives go; hosts by inventory name.

    `resumed`: the archives' swarm is there already, from an earlier restore: only volumes that are
    not there are put back, and whoever is missing joins.
    """

    target: str = ""
    resumed: bool = False
    force: bool = False
    state_file: str = ""
    volumes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # Labels that no node carries, and the host that gets each, because its volume goes there.
    pins: dict[str, list[str]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def plan_restore(
    hosts: Sequence[Host],
    archives: Sequence[Archive],
    there: Mapping[str, Sequence[Mapping[str, Any]]],
    without: Collection[str] = (),
    aside: bool = False,
) -> RestorePlan:
    """The state is that of the newest archive; each volume is its own stack's archive's.

    `there` is what node_archive found of the volumes, by host. A volume goes to the host that
    carries the label which its service is bound to, else to the one that is called like the host it
    came from. Of a volume that several nodes had each copy goes back to its own, but for that of
    the node which had the label: it goes where the label is, and counts there. The stacks of
    `without` begin without their data where their archives are not named; with `aside` the data of
    a volume that nobody uses are moved to another one first.
    """
    plan = RestorePlan()
    plan.errors = _unlike(archives)
    if plan.errors:
        return plan
    newest = max(archives, key=lambda one: str(one.manifest["at"]))
    cluster = newest.manifest["cluster_id"]
    by_hostname = {_hostname(host): host for host in hosts}
    for host in hosts:
        if host.info is None:
            plan.errors.append(f"{host.name} cannot be reached: a restore needs all hosts.")
        elif (host.member or host.asleep) and host.cluster_id != cluster:
            plan.errors.append(
                f"{host.name} is in the swarm {host.cluster_id}, and a restore needs machines that "
                "are in none. Take another machine, or take this one out of its swarm in good "
                "order, with that swarm's inventory: playbooks/node_remove.yml "
                f"-e node={host.name}."
            )
    # Whose engine is only stopped has its part of the swarm on the disk.
    mine = [h for h in hosts if (h.member or h.asleep) and h.cluster_id == cluster]
    _choose(plan, newest, by_hostname, mine)
    nodes = newest.manifest["nodes"]
    if plan.resumed:
        plan.notices.append(
            f"the swarm of {newest.name} is on {plan.target} already: no data are overwritten, "
            "volumes that are missing are put back, the rest joins."
        )
        nodes = next((h.swarm["nodes"] for h in mine if h.swarm.get("nodes")), nodes)
    elif plan.target:
        plan.state_file = f"{newest.folder}/{newest.manifest['state_file']}"
        plan.steps.append(
            f"{plan.target} gets the state of {newest.manifest['copied_from']} from {newest.name} "
            "and becomes a cluster of one, which the others join with the labels that they had."
        )
        _check_stacks(plan, newest, archives, without)
    for archive, copies in _newest_volumes(archives):
        placed: dict[str, str] = {}
        for copy in copies:
            # What others have beside the node with the label is not what its service looks for.
            follows = len(copies) == 1 or _had_label(archive, copy)
            target = _target(plan, archive, copy, follows, nodes, by_hostname)
            if target is None:
                continue
            goes_to, pin = target
            if goes_to in placed:
                plan.notices.append(
                    f"{copy['name']} of {copy['hostname']} is not put back, because that of "
                    f"{placed[goes_to]} goes to {goes_to}, with the label of its service. "
                    f"{archive.name} has both: keep it."
                )
                continue
            placed[goes_to] = copy["hostname"]
            whose = f", that of {copy['hostname']}" if len(copies) > 1 else ""
            _place(plan, archive, copy, goes_to, pin, whose, there, aside)
    missing = [n["hostname"] for n in newest.manifest["nodes"] if n["hostname"] not in by_hostname]
    if missing:
        plan.notices.append(
            f"not in the inventory any more: {', '.join(missing)}. Their entries stay in the swarm "
            "as down. When all is well, remove each that will not come back: "
            f"playbooks/node_remove.yml -e node={missing[0]} -e dead=true."
        )
    return plan


def _unlike(archives: Sequence[Archive]) -> list[str]:
    """Why these archives cannot be restored together."""
    for archive in archives:
        if archive.manifest.get("format") != FORMAT:
            return [
                f"{archive.name} has the format {archive.manifest.get('format')}, and this version "
                f"reads {FORMAT}."
            ]
    first, errors = archives[0], []
    for number, archive in enumerate(archives[1:], 1):
        if archive.manifest["cluster_id"] != first.manifest["cluster_id"]:
            errors.append(
                f"{first.name} is of the swarm {first.manifest['cluster_id']}, {archive.name} of "
                f"the swarm {archive.manifest['cluster_id']}: name archives of one swarm."
            )
        same = next((one for one in archives[:number] if one.stack == archive.stack), None)
        if same:
            errors.append(
                f"{same.name} and {archive.name} are of the stack {archive.stack}: name one of "
                "them."
            )
    return errors


def _choose(
    plan: RestorePlan, newest: Archive, by_hostname: Mapping[str, Host], mine: Sequence[Host]
) -> None:
    """The manager that gets the state, or that has it already.

    It is made a cluster of one only where nobody else has a part of that swarm: there is never a
    second one under the same id.
    """
    cluster, copied_from = newest.manifest["cluster_id"], newest.manifest["copied_from"]
    chosen = by_hostname.get(copied_from)
    # An earlier archive may have been restored onto another manager.
    leading = [h for h in mine if h.group == "managers" and _leads(h)]
    if leading and (chosen not in mine or not _leads(chosen)):
        plan.target, plan.resumed = leading[0].name, True
    elif chosen is None or chosen.group != "managers":
        plan.errors.append(
            f"the swarm's state is from {copied_from}, and no manager of the inventory "
            "calls itself so: give one that host name."
        )
    else:
        plan.target, plan.resumed = chosen.name, chosen in mine
        plan.force = not _leads(chosen)
        others = [host.name for host in mine if host is not chosen]
        if plan.resumed and plan.force and others:
            plan.errors.append(
                f"{chosen.name} is in the swarm {cluster} and sees no leader, and "
                f"{', '.join(others)} may have it too: a cluster of one made out of {chosen.name} "
                "would be a second one under the same id. Start the other managers and run site.yml"
                f"{_if_lost(chosen)}"
            )
    if mine and not plan.resumed:
        plan.errors.append(_refuse_left(mine, cluster))


def _if_lost(manager: Host) -> str:
    """What follows 'run site.yml'. Only who says itself that there is no leader may be told to make
    a quorum of its own; else site.yml finds out, and says it."""
    if manager.leaderless:
        return f"; if they are lost: playbooks/recover_quorum.yml -e survivor={manager.name}."
    return ", which says what to do if they are lost."


def _refuse_left(left: Sequence[Host], cluster_id: str) -> str:
    """What is said of hosts that are still in the swarm which is to be restored.

    A manager has the swarm's state, and a newer one than the archive; a worker has none of it, and
    its volumes stay on its disk when it leaves.
    """
    names = ", ".join(host.name for host in left)
    text = f"{names} still belong to the swarm {cluster_id}, which is to be restored. "
    managers = [host for host in left if host.swarm.get("role") != "worker"]
    if managers:
        first = managers[0]
        lost = f"playbooks/recover_quorum.yml -e survivor={first.name}"
        on = lost if first.leaderless else "site.yml"
        kept = f"{first.engine.get('data_root') or '/var/lib/docker'}/swarm"
        return (
            f"{text}{', '.join(host.name for host in managers)} may have its state, which is newer "
            f"than the archive: {on} goes on with it. Only if that fails: copy it away "
            f"(cp -a {kept} /root/), and let all of them leave with 'docker swarm leave --force'."
        )
    return f"{text}Run 'docker swarm leave --force' there; their volumes stay."


def _leads(host: Host | None) -> bool:
    return host is not None and any(node["leader"] for node in host.swarm.get("nodes") or [])


def _check_stacks(
    plan: RestorePlan, newest: Archive, archives: Sequence[Archive], without: Collection[str]
) -> None:
    """The state starts the services of every stack, also of those whose volumes are not here."""
    kept = {volume["name"] for archive in archives for volume in archive.manifest["volumes"]}
    named = {archive.stack for archive in archives}
    missing: dict[str, str] = {}
    for stack, volumes in (newest.manifest.get("stacks") or {}).items():
        empty = ", ".join(volume for volume in volumes if volume not in kept)
        if not empty:
            continue
        if stack in named:
            plan.notices.append(f"in no archive, so the stack {stack} begins without it: {empty}.")
        elif stack in without:
            plan.notices.append(
                f"no archive is named of the stack {stack}: it begins without {empty}."
            )
        else:
            missing[stack] = empty
    if missing:
        # All that it takes, in one word: -e archive=… typed twice would count once.
        each = "; ".join(f"{stack}: {empty}" for stack, empty in missing.items())
        words = [one.path for one in archives] + [f"…/{stack}-….cluster" for stack in missing]
        plan.errors.append(
            "the state has other stacks too, no archive of theirs is named, and their services "
            f"would begin with empty volumes ({each}). Name all of them: "
            f"-e archive={','.join(words)}. Those of which there is none begin empty with "
            f"-e without={','.join(sorted({*without, *missing}))}."
        )


def _newest_volumes(
    archives: Sequence[Archive],
) -> list[tuple[Archive, list[Mapping[str, Any]]]]:
    """Each volume once, with its copies, of which several nodes may have had one each. The
    registry's is in every archive, and the newest archive counts.

    The copy that follows a label comes first.
    """
    found: dict[str, tuple[Archive, list[Mapping[str, Any]]]] = {}
    for archive in sorted(archives, key=lambda one: str(one.manifest["at"])):
        copies: dict[str, dict[str, Mapping[str, Any]]] = {}
        for volume in archive.manifest["volumes"]:
            copies.setdefault(volume["name"], {})[volume["hostname"]] = volume
        for name, some in copies.items():
            first = sorted(some.values(), key=lambda one: not _had_label(archive, one))
            found[name] = (archive, first)
    return [found[name] for name in sorted(found)]


def _had_label(archive: Archive, volume: Mapping[str, Any]) -> bool:
    """Whether a copy is from the node that had the label which the volume's service is bound to."""
    label = (archive.manifest.get("bound") or {}).get(volume["name"])
    holders = pins.holders(label, archive.manifest["nodes"]) if label else []
    return volume["hostname"] in [node["hostname"] for node in holders]


def _target(
    plan: RestorePlan,
    archive: Archive,
    volume: Mapping[str, Any],
    follows: bool,
    nodes: Sequence[Mapping[str, Any]],
    by_hostname: Mapping[str, Host],
) -> tuple[str, str] | None:
    """(the host to which a volume goes, the label that it gets there, or ""); None without one.

    With `follows` it goes where the label of its service is.
    """
    name, hostname = volume["name"], volume["hostname"]
    label = (archive.manifest.get("bound") or {}).get(name) if follows else None
    carriers = sorted({str(n["hostname"]) for n in pins.holders(label, nodes)}) if label else []
    if len(carriers) == 1 and carriers[0] != hostname:
        plan.notices.append(
            f"{name} is from {hostname} and goes to {carriers[0]}, which has the label {label}."
        )
        hostname = carriers[0]
    if hostname not in by_hostname:
        plan.errors.append(
            f"the volume {name} is from {hostname}, and no host of the "
            "inventory calls itself so: give one that host name."
        )
        return None
    return by_hostname[hostname].name, label if label and not carriers else ""


def _place(
    plan: RestorePlan,
    archive: Archive,
    volume: Mapping[str, Any],
    host: str,
    pin: str,
    whose: str,
    there: Mapping[str, Sequence[Mapping[str, Any]]],
    aside: bool,
) -> None:
    """One volume goes to a host, unless that would touch data that are there."""
    name = volume["name"]
    found = next((one for one in there.get(host, ()) if one["name"] == name), None) or {}
    if found.get("data"):
        if found.get("archive") == archive.name:
            return  # by an earlier run
        if plan.resumed and name == REGISTRY_VOLUME:
            plan.notices.append(f"{name} on {host} holds data already and stays as it is.")
            return
    if found.get("users") or found.get("containers") or (found.get("data") and not aside):
        plan.errors.append(_occupied(archive, volume, host, found))
        return
    if pin:
        plan.pins[pin] = [host]
    one = {key: volume[key] for key in ("name", "labels")}
    one["labels"] = {**one["labels"], RESTORED: archive.name}
    one["file"] = f"{archive.folder}/{volume['file']}"
    plan.volumes.setdefault(host, []).append(one)
    if found.get("data"):
        one["aside"] = aside_of(name, archive.name)
        plan.steps.append(f"what {name} on {host} holds is moved to {one['aside']}.")
    plan.steps.append(f"{host} gets the volume {name} from {archive.name}{whose}.")


def _occupied(
    archive: Archive, volume: Mapping[str, Any], host: str, found: Mapping[str, Any]
) -> str:
    """The refusal to put a volume where another one of its name is, and what keeps both."""
    name = volume["name"]
    services = [str(user) for user in found.get("users") or []]
    containers = [str(user) for user in found.get("containers") or []]
    users = services + containers
    held = f"holds data that are not from {archive.name}" if found.get("data") else "is empty"
    moved = (
        f"-e aside=true: what it holds is moved to the volume {aside_of(name, archive.name)} there"
    )
    if not users:
        return (
            f"the volume {name} on {host} {held}, and nothing is overwritten. Run this again with "
            f"{moved}."
        )
    stop, after = [], []
    if services:
        zero = " ".join(f"{service}=0" for service in services)
        stop.append(f"'docker service scale {zero}' on a manager")
        again = "" if name == REGISTRY_VOLUME else f" -e stack={archive.stack}"
        after.append(f"site.yml{again} starts {', '.join(services)} again.")
    if containers:
        names = " ".join(containers)
        stop.append(f"'docker stop {names}' and 'docker rm {names}' on {host}")
        after.append(
            f"Nobody but you makes {', '.join(containers)} again, of no service: stopped alone, a "
            "container holds its volumes still. 'docker rm' removes no volume, but what a "
            "container wrote outside its volumes: 'docker commit' before it keeps that as an image."
        )
    return (
        f"the volume {name} on {host} {held}, it belongs to {', '.join(users)}, and nothing is "
        f"overwritten. To have the archive's data instead: end what uses it ({', '.join(stop)}), "
        f"and run this again with {moved}. {' '.join(after)}"
    )
