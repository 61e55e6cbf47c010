# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster for people: a view as plain data, a table for the terminal, one page for a browser.

Everything here is a pure function of what swarm_status returned, of a template and of the time.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import parse_reference
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import held_by
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.status import (
    NO_PLACE,
    has_no_place,
    nodes_by_zone,
)

Data = dict[str, Any]

EVENTS = 30
VERDICT_LEVELS = {"converged": "good", "rolled_back": "warn", "pending": "warn"}
# Of swarmkit's task states (docs, "Swarm task states"); all others are on their way.
TASK_LEVELS = {"running": "good", "failed": "bad", "rejected": "bad", "orphaned": "bad"}
UPDATE_LEVELS = {"paused": "bad", "rollback_paused": "bad", "rollback_completed": "warn"}
QUIET_UPDATES = ("", "completed")
HUES = (212, 152, 28, 282, 190, 338, 92, 250, 52, 312)  # far apart, for chips beside each other


def seconds_of(text: str) -> float | None:
    """The engine's time, such as 2026-11-24T21:26:27.123456789Z, as seconds since 1970; None for
    the year 1, by which Go says "never"."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", text or "")
    if not match or text.startswith("0001"):
        return None
    return float(calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S")))


def age(text: str, now: float) -> str:
    """How long ago a time was: 40 s, 3 min, 5 h, 2 d."""
    then = seconds_of(text)
    if then is None:
        return ""
    seconds = max(0, int(now - then))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length * (2 if unit != "min" else 1):
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def gigabytes(number: int) -> str:
    """Bytes as people name a machine's memory: 0.8 GB, 16 GB."""
    size = number / 2**30
    return f"{size:.1f} GB" if size < 9.5 and round(size, 1) != round(size) else f"{size:.0f} GB"


def make_view(status: Mapping[str, Any], seen_by: str, now: float) -> Data:
    """All that the table and the page show, as plain data without anything to compute."""
    nodes, tasks = status["nodes"], status["tasks"]
    wanted = [task for task in tasks if task["desired"] in ("running", "ready")]
    hues = {
        service["full_name"]: HUES[number % len(HUES)]
        for number, service in enumerate(status["services"])
    }
    names = {node["id"]: node["hostname"] for node in nodes}
    services = [_service(one, wanted, names, hues, now) for one in status["services"]]
    zones = [
        {"name": zone, "nodes": [_node(node, wanted, hues) for node in members]}
        for zone, members in nodes_by_zone(nodes).items()
    ]
    stacks: dict[str, list[Data]] = {}
    for service in services:
        stacks.setdefault(service["stack"], []).append(service)
    problems = _problems(nodes, services, status["locks"])
    return {
        "seen_by": seen_by,
        "when": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)),
        "level": _worst(problem["level"] for problem in problems),
        "problems": problems,
        "tiles": _tiles(nodes, services),
        "zones": zones,
        "stacks": [{"name": name, "services": found} for name, found in stacks.items()],
        "events": _events(status, names, now),
    }


def _worst(levels: Iterable[str]) -> str:
    found = set(levels)
    return next((level for level in ("bad", "warn") if level in found), "good")


def _node(
    node: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], hues: Mapping[str, int]
) -> Data:
    ready, active = node["status"] == "ready", node["availability"] == "active"
    reachable = node["reachability"] in (None, "reachable")
    return {
        "name": node["hostname"],
        "address": node["addr"],
        "role": "leader" if node["leader"] else node["role"],
        "status": node["status"] if reachable else f"{node['status']}, unreachable",
        "availability": node["availability"],
        "level": "bad" if not ready or not reachable else "good" if active else "warn",
        "engine": node["engine_version"],
        "cpus": f"{node['cpus']:g}",
        "memory": gigabytes(node["memory_bytes"]),
        "labels": sorted(key for key in node["labels"] if key != "zone"),
        "tasks": [
            {
                "label": f"{_short(task)}.{task['slot']}" if task["slot"] else _short(task),
                "service": task["service"],
                "state": task["state"],
                "level": TASK_LEVELS.get(task["state"], "warn"),
                "hue": hues.get(task["service"], 0),
            }
            for task in tasks
            if task["node"] == node["id"]
        ],
    }


def _short(task: Mapping[str, Any]) -> str:
    return str(task["service"]).rpartition("_")[2]


def _service(
    service: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    hues: Mapping[str, int],
    now: float,
) -> Data:
    mine = [task for task in tasks if task["service"] == service["full_name"]]
    update = service["update"]
    level = "good" if service["running"] >= service["desired"] else "warn"
    level = "bad" if service["desired"] and not service["running"] else level
    level = "bad" if has_no_place(service) else level
    return {
        "name": service["name"],
        "full_name": service["full_name"],
        "stack": service["stack"],
        "image": service["image"].rpartition("/")[2],
        "full_image": service["image"],
        "tag": service["tag"],
        "digest": service["digest"],
        "short_digest": service["digest"].partition(":")[2][:12],
        "release": service["release"] or service["tag"],
        "mode": service["mode"],
        "running": service["running"],
        "desired": service["desired"],
        "level": _worst((level, UPDATE_LEVELS.get(update["state"], "good"))),
        "ports": [f"{port['published']}/{port['protocol']}" for port in service["ports"]],
        "updating": "" if update["state"] in QUIET_UPDATES else update["state"].replace("_", " "),
        "message": "" if update["state"] in QUIET_UPDATES else update["message"],
        "hue": hues[service["full_name"]],
        "tasks": [
            {
                "slot": task["slot"] or "",
                "node": names.get(task["node"], "no node yet"),
                "state": task["state"],
                "level": TASK_LEVELS.get(task["state"], "warn"),
                "age": age(task["since"], now),
                "tag": task["tag"],
                "old": bool(task["digest"]) and task["digest"] != service["digest"],
                "error": task["error"],
            }
            for task in mine
        ],
    }


def _problems(
    nodes: Sequence[Mapping[str, Any]],
    services: Sequence[Data],
    locks: Sequence[Mapping[str, Any]],
) -> list[Data]:
    found: list[Data] = []
    workers = "; ".join(held_by(one) for one in locks if one["scope"] == "cluster")
    for node in nodes:
        if node["status"] != "ready":
            found.append({"level": "bad", "text": f"{node['hostname']} is {node['status']}"})
        elif node["reachability"] not in (None, "reachable"):
            text = f"the other managers do not reach {node['hostname']}"
            found.append({"level": "bad", "text": text})
        elif node["availability"] != "active":
            text = f"{node['hostname']} takes no new tasks ({node['availability']})"
            if MAINTENANCE in node["labels"]:
                text += ": it is in maintenance, " + (
                    workers
                    or f"and that run did not end: maintenance.yml -e node={node['hostname']} "
                    "-e do=nothing gives its work back"
                )
            found.append({"level": "warn", "text": text})
    for service in services:
        if service["running"] < service["desired"]:
            text = f"{service['full_name']}: {service['running']} of {service['desired']} tasks run"
            found.append({"level": service["level"], "text": text})
        if has_no_place(service):
            found.append({"level": "bad", "text": f"{service['full_name']}: {NO_PLACE}"})
        if service["updating"]:
            text = f"{service['full_name']}: update {service['updating']}"
            found.append({"level": _worst((service["level"], "warn")), "text": text})
    return found


def _tiles(nodes: Sequence[Mapping[str, Any]], services: Sequence[Data]) -> list[Data]:
    managers = [node for node in nodes if node["role"] == "manager"]
    up = [node for node in managers if node["reachability"] == "reachable"]
    ready = sum(node["status"] == "ready" for node in nodes)
    well = sum(
        service["running"] >= service["desired"] and not has_no_place(service)
        for service in services
    )
    running = sum(service["running"] for service in services)
    desired = sum(service["desired"] for service in services)
    spare = max(0, len(up) - (len(managers) // 2 + 1))
    return [
        _tile("nodes ready", ready, len(nodes), ""),
        _tile(
            "managers", len(up), len(managers), f"{spare} may fail" if spare else "none may fail"
        ),
        _tile("services whole", well, len(services), ""),
        _tile("tasks running", running, desired, ""),
    ]


def _tile(label: str, value: int, of: int, note: str) -> Data:
    level = "good" if value >= of else "bad" if value == 0 else "warn"
    return {"label": label, "value": value, "of": of, "note": note, "level": level}


def _now(stack: str, record: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> str:
    """What there is now of the newest good release."""
    there = {one["name"]: one for one in services if one["stack"] == stack}
    if not there:
        return "its services are gone"
    for name, image in record["images"].items():
        wanted = parse_reference(image)
        one = there.get(name)
        if not one or (one["image"], one["digest"]) != (wanted.name, wanted.digest):
            return "not what runs now"
    return "runs now"


def _events(status: Mapping[str, Any], names: Mapping[str, str], now: float) -> list[Data]:
    """Releases, failed tasks and updates that did not just complete, newest first."""
    found: list[Data] = []
    for stack, releases in status["releases"].items():
        current = next((one for one in releases if one["verdict"] == "converged"), None)
        for record in releases:
            newest = current is not None and record is current
            mark = f" · {_now(stack, record, status['services'])}" if newest else ""
            found.append(
                {
                    "when": record["when"],
                    "level": VERDICT_LEVELS.get(record["verdict"], "bad"),
                    "title": f"{stack} {record['tag']}",
                    "verdict": record["verdict"].replace("_", " ") + mark,
                    "text": f"release {record['number']}"
                    + (f" by {record['who']}" if record["who"] else ""),
                }
            )
    for task in status["tasks"]:
        if task["desired"] not in ("running", "ready") or task["error"]:
            code = f", exit code {task['exit_code']}" if task["exit_code"] else ""
            found.append(
                {
                    "when": task["since"],
                    "level": "bad",
                    "title": f"{task['service']}{'.' + str(task['slot']) if task['slot'] else ''}",
                    "verdict": task["state"],
                    "text": f"{task['error'] or 'no message'}{code} on "
                    f"{names.get(task['node'], 'no node')}",
                }
            )
    for service in status["services"]:
        update = service["update"]
        if update["state"] not in QUIET_UPDATES:
            found.append(
                {
                    "when": update["completed"]
                    if seconds_of(update["completed"])
                    else update["started"],
                    "level": UPDATE_LEVELS.get(update["state"], "warn"),
                    "title": service["full_name"],
                    "verdict": update["state"].replace("_", " "),
                    "text": update["message"],
                }
            )
    found.sort(key=lambda event: seconds_of(event["when"]) or 0, reverse=True)
    for event in found:
        event["age"] = age(event["when"], now)
        event["clock"] = str(event["when"])[:16].replace("T", " ")
    return found[:EVENTS]


# For the terminal


def table(view: Data) -> str:
    """The view as aligned text."""
    nodes = [
        [
            node["name"],
            zone["name"] or "-",
            node["role"],
            node["status"],
            node["availability"],
            node["engine"],
            " ".join(_mark(task["label"], task) for task in node["tasks"]) or "-",
        ]
        for zone in view["zones"]
        for node in zone["nodes"]
    ]
    services = [
        [
            service["full_name"],
            f"{service['running']}/{service['desired']}",
            service["release"] or "-",
            f"{service['image']}@{service['short_digest']}"
            if service["digest"]
            else service["image"],
            " ".join(service["ports"]) or "-",
            service["updating"] or "-",
        ]
        for stack in view["stacks"]
        for service in stack["services"]
    ]
    events = [
        [f"{event['age']} ago", event["title"], event["verdict"], event["text"]]
        for event in view["events"][:10]
    ]
    problems = [f"! {problem['text']}" for problem in view["problems"]]
    parts = [
        [f"{view['when']}, as {view['seen_by']} sees it: "
         f"{'everything that is wanted runs' if view['level'] == 'good' else 'not all is well'}",
         *problems],
        _columns(["NODE", "ZONE", "ROLE", "STATE", "WORK", "ENGINE", "TASKS"], nodes),
        _columns(["SERVICE", "TASKS", "RELEASE", "IMAGE", "PORTS", "UPDATE"], services),
        _columns(["WHEN", "WHAT", "BECAME", ""], events) if events else [],
    ]  # fmt: skip
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _mark(text: str, task: Mapping[str, Any]) -> str:
    return text if task["state"] == "running" else f"{text}({task['state']})"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    table_rows = [head, *rows]
    widths = [max(len(row[column]) for row in table_rows) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table_rows
    ]


# For a browser


def render(view: Data, template: str) -> str:
    """The page: what the template shows is escaped, what it names must be there."""
    import jinja2  # on the controller only, where Ansible brings it along

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(view=view)
