# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases as the cluster remembers them, what really runs, and what a deployment would change."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import compose
from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import parse_reference
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import short_name

Api = Mapping[str, Any]
Record = dict[str, Any]

RELEASE_LABEL = "monsterstack.swarm.release"
# Seconds for what a plan does not name: pulling an image onto a node, a busy manager. And the least
# that is waited for any release.
SPARE_SECONDS, LEAST_SECONDS = 120.0, 300.0
# `docker stack deploy` writes the image's name here again.
IMAGE_LABEL = "com.docker.stack.image"
# What a new record may differ in without being another release.
INCIDENTAL = ("number", "when", "who", "compose", "behind")
SUMMARY = ("number", "tag", "when", "who", "verdict", "images", "replicas")


def sha256(value: Any) -> str:
    """The hash of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def spec_hash(spec: Api) -> str:
    """The hash of a service's Spec without its image, its replicas and its forced restarts, which
    are compared by themselves or are no difference at all."""
    rest = copy.deepcopy(dict(spec))
    template = rest.get("TaskTemplate") or {}
    (template.get("ContainerSpec") or {}).pop("Image", None)
    template.pop("ForceUpdate", None)
    (rest.get("Labels") or {}).pop(IMAGE_LABEL, None)
    ((rest.get("Mode") or {}).get("Replicated") or {}).pop("Replicas", None)
    return sha256(rest)


def running_state(services: Iterable[Api], stack: str) -> dict[str, dict[str, Any]]:
    """What the swarm has of a stack, by short name.

    {image, tag, digest, mode, replicas (None for global services), spec_hash, version,
    update_state}
    """
    state: dict[str, dict[str, Any]] = {}
    for service in services:
        spec = service["Spec"]
        image = (spec["TaskTemplate"].get("ContainerSpec") or {}).get("Image", "")
        reference = parse_reference(image)
        mode = spec.get("Mode") or {"Replicated": {"Replicas": 1}}
        kind = next(iter(mode))
        state[short_name(stack, spec["Name"])] = {
            "image": image,
            "tag": reference.tag,
            "digest": reference.digest or None,
            "mode": kind.lower(),
            "replicas": (mode[kind] or {}).get("Replicas") if kind == "Replicated" else None,
            "spec_hash": spec_hash(spec),
            "version": service["Version"]["Index"],
            "update_state": (service.get("UpdateStatus") or {}).get("State"),
        }
    return dict(sorted(state.items()))


def drift(name: str, running: Api, record: Record | None) -> list[str]:
    """What of a running service differs from its record: image, replicas, spec."""
    if not record or name not in record["images"]:
        return []
    found: list[str] = []
    if running["image"] != record["images"][name]:
        found.append("image")
    if running["replicas"] != record["replicas"].get(name):
        found.append("replicas")
    if running["spec_hash"] != record["spec_hashes"].get(name):
        found.append("spec")
    return found


def config_hashes(document: Api) -> dict[str, str]:
    """The hash of each service of a normalised compose file, with the definitions it refers to,
    without its image and its replicas."""
    parsed = compose.parse(document)
    hashes: dict[str, str] = {}
    for name, service in parsed.services.items():
        body = copy.deepcopy(dict(document["services"][name] or {}))
        body.pop("image", None)
        (body.get("deploy") or {}).pop("replicas", None)
        used = {
            "networks": service.networks,
            "secrets": service.secrets,
            "configs": service.configs,
            "volumes": tuple(volume.source for volume in service.volumes),
        }
        definitions = {
            section: {key: (document.get(section) or {}).get(key) for key in keys}
            for section, keys in used.items()
        }
        hashes[name] = sha256([body, definitions])
    return hashes


def plan(
    document: Api, running: Mapping[str, Api], record: Record | None
) -> dict[str, dict[str, Any]]:
    """What deploying a compose file would do to each service.

    `record` is the newest release that converged. Each entry: {action: new, changed, unchanged or
    removed; reasons: of image, replicas, config, drift; image_from, image_to, replicas_from,
    replicas_to}.
    """
    hashes = config_hashes(document)
    result: dict[str, dict[str, Any]] = {}
    for name, service in compose.parse(document).services.items():
        there = running.get(name)
        wanted_replicas = service.replicas if service.mode == "replicated" else None
        reasons: list[str] = []
        if there:
            if not same_image(service.image, there["image"]):
                reasons.append("image")
            if wanted_replicas != there["replicas"]:
                reasons.append("replicas")
            if not record or record["config_hashes"].get(name) != hashes[name]:
                reasons.append("config")
            if drift(name, there, record):
                reasons.append("drift")
        result[name] = {
            "action": "new" if not there else "changed" if reasons else "unchanged",
            "reasons": reasons,
            "image_from": there["image"] if there else None,
            "image_to": service.image,
            "replicas_from": there["replicas"] if there else None,
            "replicas_to": wanted_replicas,
        }
    for name, there in running.items():
        if name not in result:
            result[name] = {
                "action": "removed",
                "reasons": [],
                "image_from": there["image"],
                "image_to": None,
                "replicas_from": there["replicas"],
                "replicas_to": None,
            }
    return dict(sorted(result.items()))


def same_image(wanted: str, running: str) -> bool:
    """Whether a wanted reference is the running one; what it leaves open (a digest) is no
    difference."""
    want, have = parse_reference(wanted), parse_reference(running)
    if want.digest:
        return want == have
    return (want.name, want.tag or "latest") == (have.name, have.tag or "latest")


def plan_lines(entries: Mapping[str, Api]) -> list[str]:
    """The plan for people, one line per service that changes."""
    lines: list[str] = []
    for name, entry in entries.items():
        if entry["action"] == "unchanged":
            continue
        parts: list[str] = []
        if entry["action"] == "new":
            parts.append(_short(entry["image_to"]))
        if "image" in entry["reasons"]:
            parts.append(f"image {_short(entry['image_from'])} -> {_short(entry['image_to'])}")
        if "replicas" in entry["reasons"]:
            parts.append(f"replicas {entry['replicas_from']} -> {entry['replicas_to']}")
        if "config" in entry["reasons"]:
            parts.append("configuration")
        if "drift" in entry["reasons"]:
            parts.append("does not run as the last good release left it")
        lines.append(f"{name}: {entry['action']}" + (f" ({', '.join(parts)})" if parts else ""))
    return lines


def _short(image: str) -> str:
    reference = parse_reference(image)
    digest = f"@{reference.digest[:19]}" if reference.digest else ""
    return f"{reference.name.rpartition('/')[2]}:{reference.tag or 'latest'}{digest}"


def pace(
    document: Api, entries: Mapping[str, Api], canary_seconds: float = 0.0, serial: int = 0
) -> dict[str, dict[str, Any]] | None:
    """What to lay over a compose file for one rollout that goes at another pace than usual.

    With `canary_seconds` one task is updated and watched before the next, else `serial` tasks at
    once. Concerns what has more than one replica and gets another image or configuration; None
    when nothing does, or when the usual pace is meant.
    """
    if not canary_seconds and not serial:
        return None
    other: dict[str, Any] = (
        {"parallelism": 1, "delay": f"{canary_seconds:g}s"}
        if canary_seconds
        else {"parallelism": serial}
    )
    overlay: dict[str, Any] = {}
    for name, entry in entries.items():
        if entry["action"] != "changed" or not {"image", "config"} & set(entry["reasons"]):
            continue
        if (entry["replicas_to"] or 0) < 2:
            continue
        usual = (document["services"][name].get("deploy") or {}).get("update_config") or {}
        overlay[name] = {"deploy": {"update_config": {**usual, **other}}}
    return {"services": overlay} if overlay else None


def seconds_needed(
    document: Api, entries: Mapping[str, Api], overlay: Api | None = None, nodes: int = 1
) -> int:
    """Seconds after which a good release must be done, at the pace of its plan.

    A service that is updated takes its tasks by so many at once (`parallelism`), each lot until its
    last task is healthy at the latest (start period, then interval x retries + timeout), then the
    delay, where old tasks stop first their time to stop too, and after the last lot the monitor's
    time. New tasks start all at once. A global service has as many as there are `nodes`. Nobody
    waits so long for a release that fails: that is said as soon as it is known.
    """
    most = 0.0
    for name, service in compose.parse(document).services.items():
        entry = entries.get(name)
        if entry is None or entry["action"] == "unchanged":
            continue
        pace = ((overlay or {}).get("services") or {}).get(name)
        update = compose.rollout(pace["deploy"]["update_config"]) if pace else service.update
        start = _start_seconds(service)
        tasks = service.replicas if service.mode == "replicated" else nodes
        at_once = entry["action"] == "new" or not update.parallelism
        lots = 1 if at_once else math.ceil(tasks / update.parallelism)
        stop = service.stop_grace_period if update.order == "stop-first" else 0.0
        most = max(most, lots * (start + stop + update.delay) + update.monitor)
    return math.ceil(max(LEAST_SECONDS, most + SPARE_SECONDS))


def first_seconds(document: Api, entries: Mapping[str, Api]) -> int:
    """Seconds after which the first task of a good release must be healthy."""
    services = compose.parse(document).services
    touched = [s for n, s in services.items() if entries[n]["action"] != "unchanged"]
    return math.ceil(SPARE_SECONDS + max(map(_start_seconds, touched), default=0.0))


def _start_seconds(service: compose.Service) -> float:
    """Until a task is healthy at the latest."""
    check = service.healthcheck
    if not check or check.disabled or not check.test:
        return 5.0
    return 5.0 + check.start_period + check.interval * check.retries + check.timeout


def redeployable(
    document: Api, secrets: Mapping[str, str] | None = None, replicas: Api | None = None
) -> dict[str, Any]:
    """A recorded compose file as one that can be deployed again.

    Secrets by short name get the names they have now (an old one is gone once its value was
    renewed), services the replicas they are to keep. `docker stack config` has resolved `$$`, so
    each dollar is doubled again.
    """
    result: dict[str, Any] = _doubled(compose.without_version(document))
    for name, body in (result.get("secrets") or {}).items():
        if secrets and name in secrets and isinstance(body, dict):
            body["name"] = secrets[name]
    for name, count in (replicas or {}).items():
        if name in result["services"]:
            deploy = result["services"][name].setdefault("deploy", {})
            deploy["replicas"] = int(count)
    return result


def paced(document: Api, overlay: Api) -> str:
    """The text of a compose file with a pace laid over it, to be deployed as one.

    Two files could not be: the Docker client refuses those of two versions, and a stack's own file
    may have any."""
    result = redeployable(document)
    for name, body in overlay["services"].items():
        deploy = result["services"][name].setdefault("deploy", {})
        deploy["update_config"] = body["deploy"]["update_config"]
    return compose.dump(result)


def _doubled(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _doubled(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_doubled(entry) for entry in value]
    return value


def kept_scale(
    settings: Api, recorded: Mapping[str, Api], asked: Mapping[str, int]
) -> dict[str, dict[str, int]]:
    """Replicas that scale.yml set: {service: {replicas, instead_of (what the inventory says)}}.

    `settings` are the inventory's, with replicas under each service's name. A recorded number
    holds until the inventory names another number than it did when the scaling was asked for:
    then somebody has said something newer.
    """
    kept: dict[str, dict[str, int]] = {}
    for name, body in settings.items():
        if not isinstance(body, Mapping) or "replicas" not in body:
            continue
        try:
            said = int(body["replicas"])
        except (TypeError, ValueError):
            continue  # the compose file's reader says what is wrong with it, and where
        known = recorded.get(name)
        if name in asked:
            if int(asked[name]) != said:
                kept[name] = {"replicas": int(asked[name]), "instead_of": said}
        elif known and known["instead_of"] == said:
            kept[name] = {"replicas": int(known["replicas"]), "instead_of": said}
    return kept


def read_records(configs: Iterable[Api]) -> list[Record]:
    """The recorded releases, newest first, from the stack's Swarm configs."""
    records: list[Record] = []
    for config in configs:
        if RELEASE_LABEL in (config["Spec"].get("Labels") or {}):
            records.append(json.loads(base64.b64decode(config["Spec"]["Data"])))
    return sorted(records, key=lambda record: -record["number"])


def current_record(records: Sequence[Record]) -> Record | None:
    """The newest release that converged."""
    return next((record for record in records if record["verdict"] == "converged"), None)


def behind(records: Sequence[Record]) -> dict[int, int | None]:
    """For each good release (`records` newest first) the number of the one that a rollback from it
    leads to, None where there is none.

    The good releases make a way: one with new images lies ahead of the one that ran before it. One
    with images that were on the way already is a step back to that place, and what had been ahead
    of the place was left: no rollback leads there again. Records tell it themselves ("behind");
    those of earlier versions do not, and what they did follows from their images.
    """
    found: dict[int, int | None] = {}
    good = {r["number"]: r for r in sorted(records, key=_number) if r["verdict"] == "converged"}
    last: Record | None = None
    for number, record in good.items():
        if "behind" in record:
            found[number] = record["behind"]
        else:
            place: Record | None = last
            while place and place["images"] != record["images"]:
                place = good.get(found[place["number"]] or 0)
            found[number] = found[place["number"]] if place else last["number"] if last else None
        last = record
    return found


def _number(record: Record) -> int:
    return int(record["number"])


def previous_record(records: Sequence[Record]) -> Record | None:
    """Where a rollback leads: the good release with other images that ran before the current one,
    never one that was rolled back from."""
    current = current_record(records)
    number = behind(records).get(current["number"]) if current else None
    return next((record for record in records if record["number"] == number), None)


def history_lines(records: Sequence[Record]) -> list[str]:
    """The recorded releases for people, newest first."""
    current = current_record(records)
    lines: list[str] = []
    for record in records:
        mark = "*" if record is current else " "
        images = ", ".join(
            f"{name} {_short(image).partition(':')[2]}" for name, image in record["images"].items()
        )
        lines.append(
            f"{mark} {record['number']}: {record['tag']}, {record['verdict']}, {record['when']} by "
            f"{record['who'] or 'unknown'}: {images}"
        )
    return lines


def summary(
    records: Sequence[Record], running: Mapping[str, Mapping[str, Any]], secrets: Iterable[Api]
) -> dict[str, Any]:
    """What is recorded and what runs, as stack_release and stack_lock return it.

    `secrets` are all of Swarm's as the API gives them; only their names are returned."""
    current = current_record(records)
    return {
        "current": public(current),
        "last": public(records[0]) if records else None,
        "previous": public(previous_record(records)),
        "history": history_lines(records),
        "releases": [{key: record[key] for key in SUMMARY} for record in records],
        "secrets": sorted(secret["Spec"]["Name"] for secret in secrets),
        "versions": {name: entry["version"] for name, entry in running.items()},
        "running": {
            name: {
                **entry,
                "drift": (found := drift(name, entry, current)),
                "drifted": bool(found),
            }
            for name, entry in running.items()
        },
    }


def public(record: Record | None) -> Record | None:
    """A record without the whole compose file."""
    return {k: v for k, v in record.items() if k != "compose"} if record else None


def make_record(
    number: int,
    stack: str,
    running: Mapping[str, Api],
    document: Api | None,
    before: Record | None,
    **given: Any,
) -> Record:
    """A record of what runs or, of a release that did not converge, of what was to run.

    `given` are tag, verdict, who, when, secrets and scale; without a compose `document`, or where
    `given` has None, the record before it lends its own."""
    before = before or {}
    tag, secrets, scale = given["tag"], given["secrets"], given.get("scale")
    if document is not None:
        # What the release takes out of the stack still runs now, and is no part of it.
        wanted = compose.parse(document).services
        running = {name: entry for name, entry in running.items() if name in wanted}
    images = {name: entry["image"] for name, entry in running.items()}
    if document is not None and given["verdict"] != "converged":
        images |= {name: service.image for name, service in wanted.items()}
    stored = document if document is not None else before.get("compose")
    stored = compose.without_version(stored) if stored else None
    return {
        "number": number,
        "stack": stack,
        "tag": before.get("tag") if tag is None else tag,
        "images": dict(sorted(images.items())),
        "replicas": {name: entry["replicas"] for name, entry in running.items()},
        "config_hashes": config_hashes(stored) if stored else {},
        "spec_hashes": {name: entry["spec_hash"] for name, entry in running.items()},
        "when": given["when"],
        "who": given["who"],
        "verdict": given["verdict"],
        "secrets": before.get("secrets", []) if secrets is None else sorted(secrets),
        "scale": before.get("scale", {}) if scale is None else dict(scale),
        "compose_sha256": sha256(stored) if stored else None,
        "compose": stored,
    }


def placed(record: Record, records: Sequence[Record]) -> Record:
    """A new record with the release behind it, see `behind`. `records` are those before it."""
    return {**record, "behind": behind([record, *records]).get(record["number"])}


def known_as(record: Record, records: Sequence[Record]) -> Record | None:
    """The record that says the same already: the last one, or, of a release that converged, the
    current one (a failed attempt in between has left no trace then)."""
    for known in (records[0] if records else None, current_record(records)):
        if known and all(record[k] == _plain(known).get(k) for k in record if k not in INCIDENTAL):
            return known
    return None


def _plain(record: Record) -> Record:
    # Earlier versions recorded the file with its version.
    stored = record.get("compose")
    if not stored or "version" not in stored:
        return record
    return {**record, "compose_sha256": sha256(compose.without_version(stored))}


def to_prune(records: Sequence[Record], keep: int) -> list[int]:
    """Numbers of the releases to forget (`records` newest first).

    The current one and the one a rollback leads to always stay: ten scalings of the same images
    must not take the way back."""
    spared = [current_record(records), previous_record(records)]
    return [record["number"] for record in records[keep:] if record not in spared]
