# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What in a compose file will hurt on a swarm, though every tool accepts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.compose import Compose, Service
from ansible_collections.monsterstack.swarm.plugins.module_utils.placement import (
    ConstraintError,
    Node,
    eligible,
    parse_constraint,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import (
    Finding,
    check_ports,
    check_room,
    error,
    warning,
)

# Swarm takes a task out of the balancer and waits two seconds before SIGTERM (moby's
# daemon/container: the sandbox is disabled in the load balancer first).
BALANCER_SECONDS = 2.0
# Programs that slim images usually lack.
RARE_PROGRAMS = ("curl", "wget")


@dataclass(frozen=True)
class Swarm:
    """What is known of the swarm; without nodes nothing is said of places.

    `free` are the nodes with what other stacks leave free, `taken_ports` maps (port, protocol) to
    the service of another stack, `networks` are the engine's entries by name, `images` what
    image_digests said of each reference (its `error`, or None), where it was asked.
    """

    free: Sequence[Node] = ()
    taken_ports: Mapping[tuple[int, str], str] = field(default_factory=dict)
    secrets: frozenset[str] | None = None
    configs: frozenset[str] | None = None
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    images: Mapping[str, str | None] = field(default_factory=dict)


def lint(compose: Compose, stack: str, swarm: Swarm) -> list[Finding]:
    """All findings, errors first, each with service, reason and remedy."""
    findings = check_ports(compose, [], [])
    for service in compose.services.values():
        where = f"service {service.name}"
        checks = (
            _image(service, swarm),
            _health(service),
            _restart(service),
            _update(service, swarm),
            _rollback(service),
            _stop(service),
        )
        findings += [
            Finding(level, where, problem, remedy)
            for check in checks
            for level, problem, remedy in check
        ]
        findings += _volumes(service, swarm)
        findings += _ports(service, swarm)
        findings += _preferences(service, swarm)
    findings += _objects(compose, swarm)
    findings += _networks(compose, stack, swarm)
    if swarm.free:
        has_workers = any(node.role == "worker" for node in swarm.free)
        findings += check_room(compose, swarm.free, has_workers)
    return sorted(findings, key=lambda finding: finding.level != "error")


Check = Iterator[tuple[str, str, str]]


def _image(service: Service, swarm: Swarm) -> Check:
    problem = swarm.images.get(service.image)
    if not service.image:
        yield "error", "has no image", "Name one: Swarm builds nothing."
    elif problem == "not_found":
        yield (
            "error",
            f"the registry has no {service.image}",
            "Build or push it, or correct the name.",
        )
    elif problem:
        text = f"the registry of {service.image} is {problem}"
        yield "error", text, "Log in, or see to the registry: the nodes could not pull it."


def _health(service: Service) -> Check:
    check = service.healthcheck
    if check is None or check.disabled:
        text = "has no health check here, so a task counts as good as soon as it has started"
        yield "warning", text, "Add one, unless its image has one of its own."
        return
    words = " ".join(check.test).replace(";", " ").replace("|", " ").split()
    for program in RARE_PROGRAMS:
        if any(word.rpartition("/")[2] == program for word in words):
            text = f"its health check calls {program}, which slim images lack"
            yield "warning", text, "Use a program that is in the image for certain."
    if "redis-cli" in words and "ping" in words and "PONG" not in " ".join(words):
        text = "its health check takes any answer of 'redis-cli ping', also NOAUTH, for health"
        yield "warning", text, "Log in (REDISCLI_AUTH), and ask for PONG."
    # Seen: the update hears of an unhealthy task when its container has stopped, not before.
    notices = check.interval * check.retries + check.timeout + service.stop_grace_period
    if service.update.failure_action != "continue" and service.update.monitor <= notices:
        text = (
            f"its update is monitored for {service.update.monitor:g} s, but a task that turns "
            f"unhealthy counts after up to {notices:g} s (interval x retries + timeout + "
            "stop_grace_period)"
        )
        yield "warning", text, f"Set update_config.monitor to more than {notices:g}s."


def _restart(service: Service) -> Check:
    if service.mode.endswith("-job"):
        return
    restart = service.restart
    if restart.condition != "any":
        text = f"a task that ends with exit code 0 is never replaced under {restart.condition!r}"
        remedy = "Use condition: any. Most servers exit with 0 on SIGTERM, also when unhealthy."
        yield "error", text, remedy
    if restart.max_attempts and not restart.window:
        text = f"max_attempts: {restart.max_attempts} without a window counts for its whole life"
        yield "warning", text, "Leave it out, or give a window: drained nodes use it up too."


def _update(service: Service, swarm: Swarm) -> Check:
    if service.update.order == "start-first":
        if any(port.mode == "host" for port in service.ports):
            text = "start-first cannot start beside the old task, which holds the port of the host"
            yield "error", text, "Use the order stop-first, or publish in mode ingress."
        if service.max_replicas_per_node:
            spare = service.max_replicas_per_node * len(_places(service, swarm)) - service.replicas
            if not swarm.free or spare < max(1, service.update.parallelism):
                text = "start-first needs a place more than max_replicas_per_node may leave"
                yield "warning", text, "Raise it, use stop-first, or add a node."
    if service.mode == "replicated" and service.update.failure_action == "pause":
        text = "a failed update stops half-way and stays so (failure_action: pause)"
        yield "warning", text, "Use failure_action: rollback."


def _places(service: Service, swarm: Swarm) -> list[Node]:
    """The nodes that may take a service's tasks; none when a constraint cannot be read."""
    try:
        return eligible(swarm.free, [parse_constraint(text) for text in service.constraints])
    except ConstraintError:
        return []


def _rollback(service: Service) -> Check:
    rollback = service.rollback
    if service.mode != "replicated" or rollback.order != "stop-first" or service.replicas < 2:
        return
    at_once = min(rollback.parallelism or service.replicas, service.replicas)
    left = service.replicas - at_once
    if left * 2 < service.replicas:
        text = f"a rollback stops {at_once} of {service.replicas} tasks at once"
        yield "warning", text, "Set rollback_config to parallelism: 1, or to order: start-first."


def _stop(service: Service) -> Check:
    drain = service.environment.get("DRAIN_SECONDS", "")
    try:
        needed = float(drain) + BALANCER_SECONDS
    except ValueError:
        return
    if service.stop_grace_period < needed:
        text = (
            f"is killed after {service.stop_grace_period:g} s (stop_grace_period), before its "
            f"drain of {drain} s is over"
        )
        yield "error", text, f"Set stop_grace_period to more than {needed:g}s."


def _volumes(service: Service, swarm: Swarm) -> list[Finding]:
    named = [volume.source for volume in service.volumes if volume.kind == "volume"]
    if not named:
        return []
    if swarm.free:
        moves = len(_places(service, swarm)) > 1
    else:
        moves = not any("node.role" not in text for text in service.constraints)
    if not moves or service.mode == "global":
        return []
    text = f"can move to another node, where its volume {named[0] or '(without a name)'} is empty"
    remedy = "Pin it to one node: name a label under `pins` in stack.yml, and constrain it to it."
    return [warning(f"service {service.name}", text, remedy)]


def _ports(service: Service, swarm: Swarm) -> list[Finding]:
    return [
        error(
            f"service {service.name}",
            f"port {port.published}/{port.protocol} is published by {owner} already",
            "Use another port.",
        )
        for port in service.ports
        if (owner := swarm.taken_ports.get((port.published, port.protocol)))
    ]


def _preferences(service: Service, swarm: Swarm) -> list[Finding]:
    findings: list[Finding] = []
    for preference in service.preferences:
        label = preference.removeprefix("node.labels.")
        if swarm.free and label != preference and not any(n.labels.get(label) for n in swarm.free):
            text = f"is to be spread by the label {label}, which no node has"
            remedy = "Give the nodes that label, or spread by another one."
            findings.append(warning(f"service {service.name}", text, remedy))
    return findings


def _objects(compose: Compose, swarm: Swarm) -> list[Finding]:
    findings: list[Finding] = []
    for kind, named, there in (
        ("secret", compose.secrets, swarm.secrets),
        ("config", compose.configs, swarm.configs),
    ):
        used = {
            name: service.name
            for service in compose.services.values()
            for name in (service.secrets if kind == "secret" else service.configs)
        }
        for name, owner in used.items():
            where = f"service {owner}"
            if name not in named:
                text = f"uses the {kind} {name}, which the file does not define"
                findings.append(error(where, text, f"Define it under {kind}s."))
            elif there is not None and named[name] is not None and named[name] not in there:
                text = f"uses the {kind} {named[name]}, which the swarm does not have"
                findings.append(error(where, text, "Create it before the deployment."))
    return findings


def _networks(compose: Compose, stack: str, swarm: Swarm) -> list[Finding]:
    findings: list[Finding] = []
    for name, body in compose.networks.items():
        full = str(body.get("name") or (name if body.get("external") else f"{stack}_{name}"))
        there = swarm.networks.get(full)
        if there is None or body.get("external"):
            continue
        # Swarm writes what it chose itself into the options too: only what the file says counts.
        wanted = {str(k): str(v) for k, v in (body.get("driver_opts") or {}).items()}
        options = there.get("Options") or {}
        differs = [key for key, value in wanted.items() if str(options.get(key)) != value]
        differs += ["encrypted"] if "encrypted" in options and "encrypted" not in wanted else []
        differs += [
            key
            for key, field_name in (("attachable", "Attachable"), ("internal", "Internal"))
            if bool(body.get(key)) != bool(there.get(field_name))
        ]
        for key in differs:
            text = f"exists with another value of {key}, and Swarm never changes a network"
            remedy = "Give it another name, or remove the stack and its network first."
            findings.append(error(f"network {full}", text, remedy))
    return findings
