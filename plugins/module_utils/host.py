# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host says of itself: parsers of /proc, of `ip -j addr` and of the engine's answers."""

from __future__ import annotations

import binascii
import hashlib
import json
import re
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import objects, swarm_spec

# Where the roles are tested; elsewhere they refuse to install an engine.
SUPPORTED_OS = {"debian": ("12", "13")}

STACK_LABEL = "com.docker.stack.namespace"
ON_LABEL = re.compile(r"\s*node\.labels\.([\w.-]+)\s*==\s*true\s*", re.IGNORECASE)


def parse_os_release(text: str) -> dict[str, Any]:
    """os-release(5) as {id, version_id, codename, pretty_name, supported}."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            values[key] = value.strip("\"'")
    os_id, version = values.get("ID", ""), values.get("VERSION_ID", "")
    return {
        "id": os_id,
        "version_id": version,
        "codename": values.get("VERSION_CODENAME", ""),
        "pretty_name": values.get("PRETTY_NAME", os_id),
        "supported": version in SUPPORTED_OS.get(os_id, ()),
    }


def parse_hosts(text: str) -> dict[str, str]:
    """hosts(5) as {name: address}; as for the resolver, a name's first line counts."""
    hosts: dict[str, str] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            hosts.setdefault(name, address)
    return hosts


def parse_memory(meminfo: str) -> int:
    """MemTotal of /proc/meminfo, in bytes; 0 when it is not there."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def parse_addresses(ip_json: str) -> list[dict[str, Any]]:
    """`ip -j addr` as [{address, family, interface, prefix}], without loopback and link-local."""
    found: list[dict[str, Any]] = []
    for link in json.loads(ip_json or "[]"):
        for info in link.get("addr_info", []):
            # A temporary address of IPv6 is another one tomorrow (RFC 8981).
            if info.get("temporary") or info.get("deprecated"):
                continue
            if info.get("scope") == "global" and info.get("family") in ("inet", "inet6"):
                found.append(
                    {
                        "address": info["local"],
                        "family": "ipv4" if info["family"] == "inet" else "ipv6",
                        "interface": link["ifname"],
                        "prefix": info["prefixlen"],
                    }
                )
    return found


def parse_routes(ip_json: str) -> list[dict[str, str]]:
    """`ip -j route` as [{network, interface}], without the default route."""
    return [
        {"network": route["dst"], "interface": str(route.get("dev") or "")}
        for route in json.loads(ip_json or "[]")
        if route.get("dst") not in (None, "default", "0.0.0.0/0", "::/0")
    ]


def containerd_root(config: str | None) -> str:
    """Where containerd keeps its data, by the text of its config.toml: `root` before any table."""
    for line in (config or "").splitlines():
        if line.lstrip().startswith("["):
            break
        if match := re.fullmatch(r"""\s*root\s*=\s*["']([^"']+)["']\s*(#.*)?""", line):
            return match[1]
    return "/var/lib/containerd"


def parse_sockets(table: str, protocol: str) -> list[tuple[int, str, str]]:
    """Listening sockets of a /proc/net/{tcp,udp}{,6} table as (port, address, inode).

    `protocol` is tcp (state LISTEN) or udp (unconnected).
    """
    wanted = "0A" if protocol == "tcp" else "07"
    found: list[tuple[int, str, str]] = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != wanted:
            continue
        address, _colon, port = fields[1].partition(":")
        found.append((int(port, 16), _address(address), fields[9]))
    return found


def parse_ssh_connection(environ: str) -> dict[str, Any] | None:
    """SSH_CONNECTION of a process's environment (sshd(8)) as {client, address, port}.

    `address` and `port` are those that the connection came in by; None where there was none.
    """
    for entry in environ.split("\0"):
        name, _equals, value = entry.partition("=")
        fields = value.split()
        if name == "SSH_CONNECTION" and len(fields) == 4 and fields[3].isdigit():
            return {"client": fields[0], "address": fields[2], "port": int(fields[3])}
    return None


def ssh_ports(
    listening: Iterable[Mapping[str, Any]], connection: Mapping[str, Any] | None
) -> list[int]:
    """TCP ports by which SSH comes in: those that sshd listens on, and the one in use, which
    systemd holds where sshd is started for each connection."""
    found = {
        int(entry["port"])
        for entry in listening
        if str(entry["process"] or "").startswith("sshd")
        and not str(entry["address"]).startswith(("127.", "::1"))
    }
    return sorted(found | ({int(connection["port"])} if connection else set()))


def _address(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's own byte order.
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def parse_certificate(pem: str) -> dict[str, str | None]:
    """A Swarm node's certificate as {node_id, role, cluster_id, not_after}.

    swarmkit writes CN = node id, OU = swarm-manager or swarm-worker, O = cluster id (its ca
    package). This is the only place where a worker can read its cluster's id. Missing parts are
    None; `not_after` is ISO 8601 in UTC.
    """
    body = pem.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]
    try:
        der = binascii.a2b_base64(body)
    except binascii.Error:
        der = b""
    not_after, end = _validity(der)
    unit = _name_part(der, b"\x06\x03\x55\x04\x0b", end)
    return {
        "node_id": _name_part(der, b"\x06\x03\x55\x04\x03", end),
        "role": unit.removeprefix("swarm-") if unit else None,
        "cluster_id": _name_part(der, b"\x06\x03\x55\x04\x0a", end),
        "not_after": not_after,
    }


def _validity(der: bytes) -> tuple[str | None, int]:
    # Validity is SEQUENCE { notBefore, notAfter }: two UTCTimes (23) or GeneralizedTimes (24) in a
    # row. The issuer stands before it, the subject behind it.
    for start in range(len(der) - 32):
        if der[start] not in (0x17, 0x18) or der[start + 1] not in (13, 15):
            continue
        second = start + 2 + der[start + 1]
        if second + 1 < len(der) and der[second] in (0x17, 0x18) and der[second + 1] in (13, 15):
            end = second + 2 + der[second + 1]
            digits = der[second + 2 : end - 1].decode("ascii", "replace")
            digits = digits if len(digits) == 14 else "20" + digits
            date = f"{digits[0:4]}-{digits[4:6]}-{digits[6:8]}"
            return f"{date}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}Z", end
    return None, len(der)


def _name_part(der: bytes, oid: bytes, start: int) -> str | None:
    at = der.find(oid, start)
    if at < 0:
        return None
    value = at + len(oid)
    return der[value + 2 : value + 2 + der[value + 1]].decode("utf-8", "replace")


def parse_daemon_json(text: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """daemon.json as (settings or None, error or None)."""
    if text is None or not text.strip():
        return None, None
    try:
        value = json.loads(text)
    except ValueError as error:
        return None, f"it is not JSON: {error}"
    if not isinstance(value, dict):
        return None, "it is not a JSON object"
    return value, None


def parse_unit(text: str) -> dict[str, str]:
    """`systemctl show` as {property: value}; empty where there is no systemd."""
    lines = (line.partition("=") for line in text.splitlines())
    return {key: value for key, separator, value in lines if separator}


def journal_lines(text: str, most: int = 2) -> list[str]:
    """The last different lines of dockerd's journal that can say why it does not start.

    Each start says the same again. Seen: the reason stands in a line without a time, or of the
    level fatal; warnings of an earlier, healthy time stand before it.
    """
    noise = "environment variable evaluates to an empty string"
    lines = [line.strip()[:300] for line in text.splitlines() if noise not in line]
    telling = [line for line in lines if not line.startswith("time=") or "level=fatal" in line]
    return list(dict.fromkeys(line for line in reversed(telling or lines) if line))[:most][::-1]


def engine_state(installed: bool, answers: bool, unit: Mapping[str, str]) -> str:
    """What an engine does: absent, running, stopped, starting, failed, hung or silent.

    `unit` is what systemd says of docker.service. Seen: a dockerd that is stopped with SIGSTOP is
    active for systemd; one that cannot read its daemon.json is started again three times and is
    "activating (auto-restart)" between them; `silent` is one that nothing is known of.
    """
    if answers:
        return "running"
    if not installed:
        return "absent"
    active, sub = unit.get("ActiveState", ""), unit.get("SubState", "")
    if active == "activating":
        return "failed" if sub == "auto-restart" else "starting"
    known = {"active": "hung", "failed": "failed", "inactive": "stopped", "deactivating": "stopped"}
    return known.get(active, "silent")


# What is said of an engine in each state, and what helps; none of it touches data.
_SILENT = {
    "stopped": ("its Docker Engine is stopped", "Run site.yml, which starts it."),
    "starting": ("its Docker Engine is still starting", "Wait a minute, then run this again."),
    "failed": (
        "its Docker Engine cannot start",
        "Mend what its journal says (on it: journalctl -u docker -n 50), then run site.yml.",
    ),
    "hung": (
        "its Docker Engine runs and does not answer",
        "On it: journalctl -u docker -n 50; systemctl restart docker ends it and starts it anew.",
    ),
    "silent": (
        "its Docker Engine does not answer",
        "On it: systemctl status docker; journalctl -u docker -n 50.",
    ),
}


def engine_problem(state: str, journal: Iterable[str]) -> tuple[str | None, str | None]:
    """(what is wrong with an engine, what to do), or (None, None) when nothing is.

    The last lines of its journal say why it cannot start.
    """
    if state not in _SILENT:
        return None, None
    problem, remedy = _SILENT[state]
    said = " / ".join(journal)
    return f"{problem}: {said}" if said else problem, remedy


def data_roots(daemon_json: str | None, units: Iterable[str]) -> list[str]:
    """Where a silent engine may keep its data, the likeliest first.

    `daemon_json` may be what the engine itself cannot read; `units` are the texts of docker.service
    and what is dropped beside it, whose command line wins.
    """
    found: list[str] = []
    for unit in units:
        found += re.findall(r"(?:--data-root|--graph|-g)[= ]+[\"']?(/[^\s\"']+)", unit)
    found.reverse()  # what systemd reads last counts
    found += re.findall(r"\"data-root\"\s*:\s*\"(/[^\"]*)\"", daemon_json or "")
    return list(dict.fromkeys([*found, "/var/lib/docker"]))


def named_volumes(names: Iterable[str]) -> list[str]:
    """Of what lies in an engine's folder of volumes, those that people named.

    Docker gives a volume without a name 64 hexadecimal digits, and keeps its own records beside.
    """
    own = ("metadata.db", "backingFsBlockDev")
    return sorted(n for n in names if n not in own and not re.fullmatch(r"[0-9a-f]{64}", n))


def missing_mounts(fstab: str, mounts: str, folder: str) -> list[str]:
    """Mount points of fstab(5) at, above or below a folder that /proc/self/mounts lacks.

    A disk that did not come back after a boot leaves an empty folder in its place.
    """
    there = {line.split()[1] for line in mounts.splitlines() if len(line.split()) > 1}
    found: list[str] = []
    for line in fstab.splitlines():
        fields = line.partition("#")[0].split()
        if len(fields) < 3 or fields[2] == "swap" or fields[1] in there:
            continue
        point = fields[1].rstrip("/") or "/"
        above = folder == point or folder.startswith(f"{point.rstrip('/')}/")
        if above or point.startswith(f"{folder.rstrip('/')}/"):
            found.append(point)
    return found


def summarise_engine(
    info: Mapping[str, Any] | None,
    *,
    installed: bool,
    unit: Mapping[str, str],
    journal: Sequence[str],
    daemon_json: str | None,
    data_root: str,
    error: str | None,
    api_version: str | None = None,
    min_api_version: str | None = None,
    containerd: str | None = None,
    settings_unread: bool = False,
) -> dict[str, Any]:
    """The engine's part of host_info; `info` is its /info, None when it is silent."""
    settings, problem = parse_daemon_json(daemon_json)
    asked = info or {}
    state = engine_state(installed, info is not None, unit)
    told, remedy = engine_problem(state, journal)
    return {
        "installed": installed or info is not None,
        "running": info is not None,
        "state": state,
        "problem": told,
        "remedy": remedy,
        "version": asked.get("ServerVersion"),
        "api_version": api_version if info is not None else None,
        "min_api_version": min_api_version,
        "containerd_root": containerd_root(containerd),
        "firewall_backend": (asked.get("FirewallBackend") or {}).get("Driver")
        or (settings or {}).get("firewall-backend"),
        "live_restore": bool(asked.get("LiveRestoreEnabled", (settings or {}).get("live-restore"))),
        "data_root": asked.get("DockerRootDir") or data_root,
        "daemon_json": settings,
        "daemon_json_error": problem,
        "error": error,
        "settings_unread": settings_unread and info is not None,
    }


def summarise_swarm(
    info: Mapping[str, Any] | None, certificate: Mapping[str, str | None], key: str
) -> dict[str, Any]:
    """The Swarm part of the engine's /info; no nodes yet. `info` is None when it is silent.

    The certificate in `swarm-node.crt` knows cluster, node and role where nobody can be asked: an
    engine that is stopped or hangs is still this node, and its state is then "unknown". Only an
    engine that says itself that it is in no swarm makes an old certificate count for nothing.
    The private `key` shows whether managers are locked: then it is encrypted. The key itself goes
    no further.
    """
    swarm = (info or {}).get("Swarm") or {}
    if info is None:
        state = "unknown" if certificate.get("node_id") else "inactive"
    else:
        state = swarm.get("LocalNodeState") or "inactive"
    member = state != "inactive"
    cluster = (swarm.get("Cluster") or {}).get("ID")
    control = bool(swarm.get("ControlAvailable"))
    spec = (swarm.get("Cluster") or {}).get("Spec") or {}
    encryption = spec.get("EncryptionConfig") or {}
    return {
        "state": state,
        "node_id": swarm.get("NodeID") or (certificate.get("node_id") if member else None),
        "node_addr": swarm.get("NodeAddr") or None,
        "control_available": control,
        "cluster_id": cluster or (certificate.get("cluster_id") if member else None),
        "role": ("manager" if control else certificate.get("role")) if member else None,
        "certificate_not_after": certificate.get("not_after") if member else None,
        "address_pool": (swarm.get("Cluster") or {}).get("DefaultAddrPool") or [],
        "data_path_port": (swarm.get("Cluster") or {}).get("DataPathPort") or None,
        "managers": [manager["Addr"] for manager in swarm.get("RemoteManagers") or []],
        "error": swarm.get("Error") or None,
        "autolock": (
            bool(encryption.get("AutoLockManagers")) if cluster else "ENCRYPTED PRIVATE KEY" in key
        ),
        "zeros": swarm_spec.zeros(spec),
        "nodes": [],
    }


def summarise_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of the engine's /nodes, flat."""
    spec, description = node.get("Spec") or {}, node.get("Description") or {}
    status, manager = node.get("Status") or {}, node.get("ManagerStatus") or {}
    resources = description.get("Resources") or {}
    return {
        "id": node["ID"],
        "hostname": description.get("Hostname", ""),
        "role": spec.get("Role", ""),
        "availability": spec.get("Availability", ""),
        "status": status.get("State", "unknown"),
        "addr": status.get("Addr", ""),
        "leader": bool(manager.get("Leader")),
        "reachability": manager.get("Reachability"),
        "labels": spec.get("Labels") or {},
        "cpus": resources.get("NanoCPUs", 0) / 1e9,
        "memory_bytes": resources.get("MemoryBytes", 0),
        "engine_version": (description.get("Engine") or {}).get("EngineVersion", ""),
    }


def summarise_services(services: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """/services as {stack: {services: {short name: …}}}; no environment, of secrets
    the names, of volumes those on a node's own disk that are written to.

    Services that belong to no stack stand under "". Memory in bytes, CPU in cores, both reserved.
    under_way: its last update has not ended, so that it may still go back to the spec before.
    spec_sha256 is that of the whole Spec as Python writes it as JSON with sorted keys, in hex.
    """
    stacks: dict[str, Any] = {}
    for service in services:
        spec = service["Spec"]
        stack = (spec.get("Labels") or {}).get(STACK_LABEL, "")
        template, mode = spec.get("TaskTemplate") or {}, spec.get("Mode") or {}
        kind = next(iter(mode), "Replicated")
        cpus, memory = reservation(template)
        # The endpoint also has the ports that Swarm chose itself.
        ports = (service.get("Endpoint") or {}).get("Ports") or []
        ports = ports or (spec.get("EndpointSpec") or {}).get("Ports") or []
        stacks.setdefault(stack, {"services": {}})["services"][
            spec["Name"].removeprefix(f"{stack}_") if stack else spec["Name"]
        ] = {
            "image": (template.get("ContainerSpec") or {}).get("Image", ""),
            "mode": kind.lower(),
            "replicas": (mode.get(kind) or {}).get("Replicas"),
            "ports": [
                {
                    "published": port.get("PublishedPort", 0),
                    "target": port.get("TargetPort", 0),
                    "protocol": port.get("Protocol", "tcp"),
                    "mode": port.get("PublishMode", "ingress"),
                }
                for port in ports
            ],
            "cpus": cpus,
            "memory_bytes": memory,
            "secrets": sorted(
                secret["SecretName"]
                for secret in (template.get("ContainerSpec") or {}).get("Secrets") or []
            ),
            "volumes": sorted(
                mount["Source"]
                for mount in (template.get("ContainerSpec") or {}).get("Mounts") or []
                if mount.get("Type") == "volume" and _stores(mount)
            ),
            "under_way": (service.get("UpdateStatus") or {}).get("State") in objects.UNDER_WAY,
            "spec_sha256": hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest(),
        }
    return stacks


def reservation(template: Mapping[str, Any]) -> tuple[float, int]:
    """(CPU cores, bytes) that one task of a TaskTemplate reserves."""
    reserved = (template.get("Resources") or {}).get("Reservations") or {}
    return reserved.get("NanoCPUs", 0) / 1e9, reserved.get("MemoryBytes", 0)


def summarise_reserved(
    tasks: Iterable[Mapping[str, Any]], services: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, dict[str, float]]]:
    """What tasks that are to run reserve: {node id: {stack: {cpus, memory_bytes}}}."""
    stack_of = {
        service["ID"]: (service["Spec"].get("Labels") or {}).get(STACK_LABEL, "")
        for service in services
    }
    totals: dict[str, dict[str, dict[str, float]]] = {}
    for task in tasks:
        node = task.get("NodeID")
        if not node or task.get("DesiredState") != "running":
            continue
        cpus, memory = reservation(task.get("Spec") or {})
        stack = stack_of.get(task.get("ServiceID", ""), "")
        entry = totals.setdefault(node, {}).setdefault(stack, {"cpus": 0.0, "memory_bytes": 0})
        entry["cpus"] = round(entry["cpus"] + cpus, 9)
        entry["memory_bytes"] += memory
    return totals


def bound_labels(
    services: Iterable[Mapping[str, Any]], tasks: Iterable[Mapping[str, Any]] = ()
) -> dict[str, dict[str, list[str]]]:
    """{label: {services, volumes, nodes}} of services that may run only where a label is and store
    there; `services` and `tasks` are /services and /tasks.

    Something is stored in a volume of Docker's own driver and in a folder of the node, unless it is
    read only. A service that runs on all nodes with the label has no data of which there is one.
    `nodes` are the ids of those that the tasks were given to, the last one first, as far back as
    Swarm keeps tasks.
    """
    dated = sorted(tasks, key=lambda task: str(task.get("CreatedAt") or ""), reverse=True)
    placed = [(task["NodeID"], task.get("ServiceID")) for task in dated if task.get("NodeID")]
    ids: dict[str, list[str]] = {}
    found: dict[str, dict[str, list[str]]] = {}
    for service in services:
        spec = service["Spec"]
        template = spec.get("TaskTemplate") or {}
        mounts = (template.get("ContainerSpec") or {}).get("Mounts") or []
        stores = [mount for mount in mounts if _stores(mount)]
        if not stores or "Global" in (spec.get("Mode") or {}):
            continue
        for text in (template.get("Placement") or {}).get("Constraints") or []:
            match = ON_LABEL.fullmatch(text)
            if match:
                entry = found.setdefault(match[1], {"services": [], "volumes": []})
                entry["services"].append(spec["Name"])
                ids.setdefault(match[1], []).append(service["ID"])
                entry["volumes"] += [m["Source"] for m in stores if m["Type"] == "volume"]
    return {
        label: {
            **{kind: sorted(set(names)) for kind, names in found[label].items()},
            "nodes": list(dict.fromkeys(node for node, service in placed if service in ids[label])),
        }
        for label in sorted(found)
    }


def _stores(mount: Mapping[str, Any]) -> bool:
    source = mount.get("Source") or ""
    if mount.get("ReadOnly") or not source or source.endswith(".sock"):
        return False
    driver = ((mount.get("VolumeOptions") or {}).get("DriverConfig") or {}).get("Name") or "local"
    return mount.get("Type") == "bind" or (mount.get("Type") == "volume" and driver == "local")
