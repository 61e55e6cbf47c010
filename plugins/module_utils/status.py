# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster as a manager tells it, in what people want to see: no environment, no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import release
from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import parse_reference
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import short_name
from ansible_collections.monsterstack.swarm.plugins.module_utils.host import STACK_LABEL

Api = Mapping[str, Any]

MTU_OPTION = "com.docker.network.driver.mtu"
BAD_STATES = ("failed", "rejected", "orphaned")
WANTED = ("running", "ready")
FAILURES = 20  # the newest ones that are told
NO_PLACE = "no node that takes tasks may have it"


def has_no_place(service: Mapping[str, Any]) -> bool:
    """Whether an entry of `summarise_service` is a global service that fits no node."""
    return bool(service["mode"] == "global" and not service["desired"])


def summarise_service(service: Api) -> dict[str, Any]:
    """One entry of `/services?status=true`."""
    spec = service["Spec"]
    template = spec.get("TaskTemplate") or {}
    stack = (spec.get("Labels") or {}).get(STACK_LABEL, "")
    reference = parse_reference((template.get("ContainerSpec") or {}).get("Image", ""))
    mode, status = spec.get("Mode") or {"Replicated": {}}, service.get("ServiceStatus") or {}
    update = service.get("UpdateStatus") or {}
    return {
        "id": service["ID"],
        "stack": stack,
        "name": short_name(stack, spec["Name"]) if stack else spec["Name"],
        "full_name": spec["Name"],
        "image": reference.name,
        "tag": reference.tag,
        "digest": reference.digest,
        "release": (spec.get("Labels") or {}).get(release.RELEASE_LABEL, ""),
        "mode": next(iter(mode)).lower(),
        "running": status.get("RunningTasks", 0),
        "desired": status.get("DesiredTasks", 0),
        "ports": [
            {"published": port.get("PublishedPort", 0), "protocol": port.get("Protocol", "tcp")}
            for port in (service.get("Endpoint") or {}).get("Ports") or []
        ],
        "update": {
            "state": update.get("State", ""),
            "message": update.get("Message", ""),
            "started": update.get("StartedAt", ""),
            "completed": update.get("CompletedAt", ""),
        },
    }


def summarise_task(task: Api, names: Mapping[str, str]) -> dict[str, Any]:
    """One entry of /tasks; `names` has the services' names by id."""
    status = task.get("Status") or {}
    reference = parse_reference(
        ((task.get("Spec") or {}).get("ContainerSpec") or {}).get("Image", "")
    )
    return {
        "id": task["ID"],
        "service": names.get(task.get("ServiceID", ""), ""),
        "slot": task.get("Slot"),
        "node": task.get("NodeID", ""),
        "state": status.get("State", ""),
        "desired": task.get("DesiredState", ""),
        "since": status.get("Timestamp", ""),
        "error": status.get("Err", ""),
        "exit_code": (status.get("ContainerStatus") or {}).get("ExitCode"),
        "tag": reference.tag,
        "digest": reference.digest,
    }


def summarise_tasks(tasks: Iterable[Api], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tasks that are to run, by service and slot, then the newest failures."""
    every = [summarise_task(task, names) for task in tasks]
    wanted = [task for task in every if task["desired"] in WANTED and task["service"]]
    wanted.sort(key=lambda task: (task["service"], task["slot"] or 0, task["node"]))
    failures = [
        task
        for task in every
        if task["desired"] not in WANTED and task["state"] in BAD_STATES and task["service"]
    ]
    failures.sort(key=lambda task: str(task["since"]), reverse=True)
    return wanted + failures[:FAILURES]


def summarise_network(network: Api) -> dict[str, Any]:
    """One overlay network of /networks."""
    options = network.get("Options") or {}
    return {
        "name": network["Name"],
        "encrypted": "encrypted" in options,
        "mtu": int(options.get(MTU_OPTION) or 0),
    }


def summarise_releases(configs: Iterable[Api]) -> dict[str, list[dict[str, Any]]]:
    """The recorded releases of each stack, newest first."""
    stacks: dict[str, list[dict[str, Any]]] = {}
    for record in release.read_records(configs):
        summary = {key: record[key] for key in release.SUMMARY}
        stacks.setdefault(record["stack"], []).append(summary)
    return dict(sorted(stacks.items()))


def first_answer(
    statuses: Mapping[str, Mapping[str, Any] | None],
) -> tuple[str, Mapping[str, Any]] | None:
    """(manager, its status) of the leader, else of the first that answered, else None."""
    answers = {name: one for name, one in statuses.items() if one and one.get("answers")}
    if not answers:
        return None
    for name, one in answers.items():
        if any(node["leader"] and node["id"] == one["node_id"] for node in one["nodes"]):
            return name, one
    return next(iter(answers.items()))


def nodes_by_zone(nodes: Sequence[Api]) -> dict[str, list[Api]]:
    """Managers first, then by name; nodes without a zone stand under ""."""
    zones: dict[str, list[Api]] = {}
    ordered = sorted(nodes, key=lambda node: (node["role"] != "manager", node["hostname"]))
    for node in ordered:
        zones.setdefault(str(node["labels"].get("zone", "")), []).append(node)
    return dict(sorted(zones.items()))
