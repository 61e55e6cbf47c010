# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the CIS Docker Benchmark 1.6 that a machine can answer, over facts of one node.

Each check returns its problems, none when it passes, and None where it does not apply. What fails
on purpose has its reason in EXCEPTIONS; any other problem fails. Numbers are the benchmark's. Left
out are those that only people can answer (1.1.2, 2.17, 6.1 …) and the audit rules of the host
(1.1.3 to 1.1.18), which belong to whoever makes the hosts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Facts = Mapping[str, Any]
Verdict: TypeAlias = "list[str] | None"

API_PORTS = (2375, 2376)
SENSITIVE = ("/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")
UNIT = "/usr/lib/systemd/system/docker.service"
SOCKET_UNIT = "/usr/lib/systemd/system/docker.socket"

MESH = (
    "the routing mesh answers on all addresses of a node; docker_engine_firewall closes the "
    "registry's port to all but nodes and the others to all but docker_engine_published_from "
    "(default: everywhere)"
)
# Which problems (a regular expression) of a check are meant, and why.
EXCEPTIONS = {
    "2.1": (".*", "a rootless engine has no overlay networks, so it cannot be in a Swarm"),
    "2.2": (
        ".*",
        "no task is attached to docker0: services talk in overlay networks of their own, and what "
        "runs by hand beside them is not ours to cut off",
    ),
    "2.9": (
        ".*",
        "tasks run as users of their own without capabilities; shifted user ids would part "
        "existing volumes from their owners",
    ),
    "2.12": (".*", "the engine's socket is open to root alone, who needs no plugin's leave"),
    "2.13": (
        ".*",
        "where logs are sent is the operator's choice (docker_engine_config); by default they stay "
        "on the node, in bounded files",
    ),
    "2.15": (".*", "live-restore and Swarm exclude each other"),
    "2.16": (".*", "connections from a node to its own published ports need it"),
    "4.1": (
        "registry(:.*)?",
        "the registry's image runs as root and owns its volume so; it has no capabilities",
    ),
    "4.5": (".*", "images are pinned to digests, which say more than a signature of a tag"),
    "4.6, 5.27": (
        "registry(:.*)?",
        "its image is the operator's choice, with or without a program to ask it with",
    ),
    "5.2": (".*", "no AppArmor in this kernel: switch it on where the distribution has it"),
    "5.14": (".*", MESH),
    "5.15": (
        ".*",
        "on-failure never restarts a task that ended with 0, and a budget of 5 is spent by drains",
    ),
    "5.29": ("registry(:.*)?", "the module that makes the registry's service cannot set it"),
    "7.1": ("1", "one manager is a small cluster's choice; three survive the loss of one"),
    "7.2": (".*", MESH),
    "7.3": (
        "ingress is not encrypted",
        "Docker makes it itself; what crosses it is what comes in from outside in the same form",
    ),
    "7.5": (
        ".*",
        "a locked manager waits for its key at every boot: swarm_autolock where that is meant",
    ),
}


@dataclass(frozen=True)
class Check:
    """One check; `work` gets the facts of a node."""

    number: str
    title: str
    work: Callable[[Facts], Verdict]


def _only(problem: str, wrong: bool) -> Verdict:
    return [problem] if wrong else []


def _file(
    path: str, mode: int, owners: tuple[str, ...] = ("root:root",)
) -> Callable[[Facts], Verdict]:
    """Owner and the bits that a file or folder may have at most; not there, does not apply."""

    def work(facts: Facts) -> Verdict:
        found = {name: one for name, one in facts["files"].items() if _matches(name, path)}
        if not found:
            return None
        problems: list[str] = []
        for name, one in found.items():
            if one["owner"] not in owners:
                problems.append(f"{name} belongs to {one['owner']}")
            if one["mode"] & ~mode:
                problems.append(f"{name} has the mode {one['mode']:o}")
        return problems

    return work


def _matches(name: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    return name == pattern if not star else name.startswith(head) and name.endswith(tail)


def _each(test: Callable[[Facts], str | None]) -> Callable[[Facts], Verdict]:
    """For every running container: what is wrong with it, or None."""

    def work(facts: Facts) -> Verdict:
        if not facts["containers"]:
            return None
        found = [
            f"{container_name(container)}{f': {problem}' if problem else ''}"
            for container in facts["containers"]
            if (problem := test(container)) is not None
        ]
        return list(dict.fromkeys(found))  # a service's tasks are alike

    return work


def _wrong(test: Callable[[Facts], object]) -> Callable[[Facts], Verdict]:
    """The same where only a yes or no is asked for: true is wrong."""
    return _each(lambda container: "" if test(container) else None)


def container_name(container: Facts) -> str:
    """The service of a task, else the container's own name."""
    labels = container["Config"].get("Labels") or {}
    return str(labels.get("com.docker.swarm.service.name") or container["Name"].lstrip("/"))


def _manager(work: Callable[[Facts], Verdict]) -> Callable[[Facts], Verdict]:
    return lambda facts: work(facts) if facts["manager"] else None


def _root(container: Facts) -> str | None:
    user = str(container["Config"].get("User") or "root").partition(":")[0]
    return "runs as root" if user in ("root", "0") and container["effective_uid"] == 0 else None


def _capabilities(container: Facts) -> str | None:
    added = container["HostConfig"].get("CapAdd") or []
    if added:
        return f"has more than the default: {', '.join(added)}"
    return "keeps capabilities" if container["effective_capabilities"] else None


def _mounts(test: Callable[[Facts], bool]) -> Callable[[Facts], str | None]:
    def work(container: Facts) -> str | None:
        found = [mount.get("Source", "") for mount in container.get("Mounts") or [] if test(mount)]
        return ", ".join(found) or None

    return work


def _sensitive(mount: Facts) -> bool:
    source = str(mount.get("Source", ""))
    return mount.get("Type") == "bind" and (
        source in SENSITIVE or source.startswith(tuple(f"{path}/" for path in SENSITIVE[1:]))
    )


def _host(key: str) -> Callable[[Facts], str | None]:
    return lambda c: "shared" if c["HostConfig"].get(key) == "host" else None


def _published(container: Facts) -> list[int]:
    ports = (container.get("NetworkSettings") or {}).get("Ports") or {}
    return [int(one["HostPort"]) for bound in ports.values() for one in bound or []]


def _security(container: Facts, word: str) -> bool:
    return any(word in str(option) for option in container["HostConfig"].get("SecurityOpt") or [])


def _no_new_privileges(container: Facts) -> str | None:
    return None if container["no_new_privileges"] else "may gain privileges"


def _unhealthy(container: Facts) -> str | None:
    health = (container["State"].get("Health") or {}).get("Status")
    return None if health else "has no health check"


def _pinned(container: Facts) -> str | None:
    image = str(container["Config"].get("Image", ""))
    if "@sha256:" in image:
        return None
    tag = image.rpartition("/")[2].partition(":")[2]
    return f"{image} is not pinned" if tag in ("", "latest") else None


def _settings(facts: Facts, key: str, default: Any) -> Any:
    return (facts["daemon_json"] or {}).get(key, default)


def _api(facts: Facts) -> Verdict:
    return [f"dockerd listens on {port}/tcp" for port in facts["engine_ports"] if port in API_PORTS]


def _insecure(facts: Facts) -> Verdict:
    found = (facts["info"].get("RegistryConfig") or {}).get("InsecureRegistryCIDRs") or []
    names = (facts["info"].get("RegistryConfig") or {}).get("IndexConfigs") or {}
    insecure = [name for name, one in names.items() if not one.get("Secure", True)]
    insecure += [one for one in found if not one.startswith(("127.", "::1"))]
    return [f"{name} is asked without TLS" for name in insecure]


def _plain_networks(facts: Facts) -> Verdict:
    return [
        f"{network['Name']} is not encrypted"
        for network in facts["networks"]
        if network.get("Driver") == "overlay" and "encrypted" not in (network.get("Options") or {})
    ]


def _secrets(facts: Facts) -> Verdict:
    words = ("PASSWORD=", "SECRET=", "TOKEN=", "SALT=")
    return [
        f"{container_name(container)} has a value in {entry.partition('=')[0]}"
        for container in facts["containers"]
        for entry in container["Config"].get("Env") or []
        if any(word in entry.upper() for word in words) and entry.partition("=")[2]
    ]


def _rotation(facts: Facts) -> Verdict:
    expiry = (facts["spec"].get("CAConfig") or {}).get("NodeCertExpiry") or 0
    return _only("node certificates last more than 90 days", expiry > 90 * 86400 * 10**9)


CHECKS = (
    Check("2.1", "The engine runs as a user without rights", lambda f: _only(
        "it runs as root", "name=rootless" not in f["info"].get("SecurityOptions", []))),
    Check("2.2", "No traffic between containers on the default bridge", lambda f: _only(
        "icc is on", _settings(f, "icc", True))),
    Check("2.3", "Log level is info", lambda f: _only(
        "it is another", _settings(f, "log-level", "info") != "info")),
    Check("2.4", "The engine may change iptables", lambda f: _only(
        "it may not", not _settings(f, "iptables", True))),
    Check("2.5", "No insecure registries", _insecure),
    Check("2.6", "aufs is not the storage driver", lambda f: _only(
        "it is", f["info"].get("Driver") == "aufs")),
    Check("2.7", "No engine on TCP, or only with TLS", _api),
    Check("2.9", "User namespaces", lambda f: _only(
        "userns-remap is off", "name=userns" not in f["info"].get("SecurityOptions", []))),
    Check("2.12", "An authorisation plugin guards the client", lambda f: _only(
        "there is none", not _settings(f, "authorization-plugins", []))),
    Check("2.13", "Logs are sent to another machine", lambda f: _only(
        f"the log driver is {f['info'].get('LoggingDriver')}",
        f["info"].get("LoggingDriver") in ("json-file", "local", "none"))),
    Check("2.14", "No container gains privileges by default", lambda f: _only(
        "no-new-privileges is off", not _settings(f, "no-new-privileges", False))),
    Check("2.15", "live-restore is on", lambda f: _only(
        "it is off", not f["info"].get("LiveRestoreEnabled"))),
    Check("2.16", "The userland proxy is off", lambda f: _only(
        "it is on", _settings(f, "userland-proxy", True))),
    Check("2.18", "No experimental features", lambda f: _only(
        "they are on", bool(f["info"].get("ExperimentalBuild")))),
    Check("3.1-3.2", "docker.service: root's, 644", _file(UNIT, 0o644)),
    Check("3.3-3.4", "docker.socket: root's, 644", _file(SOCKET_UNIT, 0o644)),
    Check("3.5-3.6", "/etc/docker: root's, 755", _file("/etc/docker", 0o755)),
    Check("3.7-3.8", "Registry certificates: root's, 444", _file("/etc/docker/certs.d/*", 0o444)),
    Check("3.15-3.16", "Docker's socket: root:docker, 660", _file(
        "/run/docker.sock", 0o660, ("root:docker", "root:root"))),
    Check("3.17-3.18", "daemon.json: root's, 644", _file("/etc/docker/daemon.json", 0o644)),
    Check("3.19-3.20", "/etc/default/docker: root's, 644", _file("/etc/default/docker", 0o644)),
    Check("3.23-3.24", "containerd's socket: root's, 660", _file(
        "/run/containerd/containerd.sock", 0o660)),
    Check("4.1", "Containers do not run as root", _each(_root)),
    Check("4.5", "Content trust", lambda _facts: ["tags are not signed"]),
    Check("4.6, 5.27", "Containers have a health check", _each(_unhealthy)),
    Check("5.2", "AppArmor", _wrong(
        lambda c: c.get("AppArmorProfile") in ("", None, "unconfined"))),
    Check("5.4", "Capabilities are restricted", _each(_capabilities)),
    Check("5.5", "No privileged containers", _wrong(lambda c: c["HostConfig"].get("Privileged"))),
    Check("5.6", "No sensitive folders of the host are mounted", _each(_mounts(_sensitive))),
    Check("5.8", "No privileged ports of the host", _each(
        lambda c: ", ".join(str(p) for p in _published(c) if p < 1024) or None)),
    Check("5.10", "The host's network is not shared", _each(_host("NetworkMode"))),
    Check("5.11", "Memory is limited", _wrong(lambda c: not c["HostConfig"].get("Memory"))),
    Check("5.12", "CPU is limited", _wrong(lambda c: not any(
        c["HostConfig"].get(key) for key in ("NanoCpus", "CpuShares", "CpuQuota")))),
    Check("5.13", "The root file system is read-only", _wrong(
        lambda c: not c["HostConfig"].get("ReadonlyRootfs"))),
    Check("5.14", "Ports are bound to one address", lambda f: _only(
        "the routing mesh binds all", bool(f["mesh_ports"]))),
    Check("5.15", "Restart policy is on-failure, 5 times", _wrong(
        lambda c: "com.docker.swarm.task.id" in (c["Config"].get("Labels") or {}))),
    Check("5.16", "The host's processes are not shared", _each(_host("PidMode"))),
    Check("5.17", "The host's IPC is not shared", _each(_host("IpcMode"))),
    Check("5.18", "No devices of the host", _each(lambda c: ", ".join(
        d.get("PathOnHost", "") for d in c["HostConfig"].get("Devices") or []) or None)),
    Check("5.20", "Mounts are not shared back", _each(_mounts(
        lambda m: m.get("Propagation") == "shared"))),
    Check("5.21", "The host's UTS is not shared", _each(_host("UTSMode"))),
    Check("5.22", "seccomp is in force", _wrong(lambda c: not c["seccomp"])),
    Check("5.26", "No new privileges", _each(_no_new_privileges)),
    Check("5.28", "No floating images", _each(_pinned)),
    Check("5.29", "The number of processes is limited", _wrong(
        lambda c: (c["HostConfig"].get("PidsLimit") or 0) <= 0)),
    Check("5.31", "The host's user namespace is not shared", _each(_host("UsernsMode"))),
    Check("5.32", "Docker's socket is in no container", _each(_mounts(
        lambda m: str(m.get("Source", "")).endswith("docker.sock")))),
    Check("7.1", "As many managers as are needed: 3, 5 or 7", _manager(lambda f: _only(
        f"{f['managers']}", f["managers"] not in (3, 5, 7)))),
    Check("7.2", "Swarm's services are bound to one address", _manager(lambda f: _only(
        "the routing mesh binds all", bool(f["mesh_ports"])))),
    Check("7.3", "Overlay networks are encrypted", _manager(_plain_networks)),
    Check("7.4", "Secrets are Swarm's", _secrets),
    Check("7.5", "Managers lock themselves", _manager(lambda f: _only(
        "autolock is off", not (f["spec"].get("EncryptionConfig") or {}).get("AutoLockManagers")))),
    Check("7.7", "Node certificates are renewed", _manager(_rotation)),
)  # fmt: skip


def evaluate(facts: Facts) -> list[dict[str, Any]]:
    """Every check on one node: {number, title, problems (None where it does not apply)}."""
    return [
        {"number": check.number, "title": check.title, "problems": check.work(facts)}
        for check in CHECKS
    ]


def merge(
    by_node: Mapping[str, Iterable[Mapping[str, Any]]],
    exceptions: Mapping[str, Mapping[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """The checks of all nodes as one: {number, title, result, problems, reason}.

    `result` is pass, exception, fail or "not here"; problems that all nodes have in common are said
    once. `exceptions` are an inventory's own: {number: {problems: regular expression, reason}}.
    Raises ValueError when one is of no check or has no reason.
    """
    known = dict(EXCEPTIONS)
    for number, own in (exceptions or {}).items():
        if number not in {check.number for check in CHECKS} or not own.get("reason"):
            raise ValueError(
                f"the exception {number!r} is of no check here, or has no reason: give "
                "{number: {problems: regular expression, reason: why}}."
            )
        known[number] = (own.get("problems", ".*"), own["reason"])
    rows: list[dict[str, Any]] = []
    answers = {node: {row["number"]: row for row in found} for node, found in by_node.items()}
    for check in CHECKS:
        said: dict[str, list[str]] = {}
        asked = 0
        for node, found in answers.items():
            problems = found[check.number]["problems"]
            asked += problems is not None
            for problem in problems or []:
                said.setdefault(problem, []).append(node)
        texts = [
            problem if len(nodes) == asked else f"{', '.join(nodes)}: {problem}"
            for problem, nodes in said.items()
        ]
        meant, reason = known.get(check.number, ("(?!)", ""))
        result = "pass" if asked else "not here"
        if texts:
            all_meant = all(re.fullmatch(meant, problem) for problem in said)
            result = "exception" if all_meant else "fail"
        rows.append(
            {
                "number": check.number,
                "title": check.title,
                "result": result,
                "problems": texts,
                "reason": reason if result == "exception" else "",
            }
        )
    return rows


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table for a document."""
    lines = ["| CIS | check | result | what was seen | reason |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (
            row["number"],
            row["title"],
            row["result"],
            "; ".join(row["problems"]),
            row["reason"],
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def status_of(text: str) -> dict[str, Any]:
    """What the kernel says of a process in /proc/PID/status: effective user and rights."""
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return {
        "effective_uid": int(fields.get("Uid", "0 0").split()[1]),
        "effective_capabilities": int(fields.get("CapEff", "0"), 16),
        "no_new_privileges": fields.get("NoNewPrivs", "0") == "1",
        "seccomp": fields.get("Seccomp", "0") == "2",
    }


def settings_of(text: str | None) -> dict[str, Any]:
    """daemon.json, empty when it is not there or cannot be read."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
