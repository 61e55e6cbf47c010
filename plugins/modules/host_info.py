#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Everything a Swarm playbook must know of a host, in one call
version_added: 0.1.0
description:
  - Reads the operating system, resources, addresses, open ports, the Docker Engine and the Swarm.
  - Needs nothing but Python on the host. Works before Docker is installed. Never changes anything.
  - An action plugin of the same name adds the controller's clock, which shows a clock skew.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  services:
    description: On a manager also list every stack's services and what tasks reserve per node.
    type: bool
    default: false
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
notes:
  - Without root, other users' process names and a worker's cluster ID are missing.
"""

EXAMPLES = r"""
- name: Look at every host
  monsterstack.swarm.host_info:
    services: true
  become: true
  register: __host_info
"""

RETURN = r"""
os:
  description:
    - C(id), C(version_id), C(codename), C(arch), C(pretty_name).
    - C(supported) says whether the roles are tested there.
  returned: always
  type: dict
kernel:
  description: Release of the running kernel.
  returned: always
  type: str
python:
  description: Version of the Python that ran the module.
  returned: always
  type: str
hostname:
  description: The host's own name, which Swarm uses too.
  returned: always
  type: str
memory_bytes:
  description: Total memory in bytes.
  returned: always
  type: int
cpus:
  description: Number of CPUs.
  returned: always
  type: int
disk_free_bytes:
  description: Free bytes for an unprivileged user where the engine keeps its data.
  returned: always
  type: int
addresses:
  description: Global addresses with C(address), C(family) (ipv4, ipv6), C(interface), C(prefix).
  returned: always
  type: list
  elements: dict
containerd_free_bytes:
  description: The same where containerd keeps its data, images included with newer engines.
  returned: always
  type: int
routes:
  description: Routes with C(network) and C(interface), without the default route.
  returned: always
  type: list
  elements: dict
listening_tcp:
  description: Listening TCP sockets with C(port), C(address) and C(process) (null if unknown).
  returned: always
  type: list
  elements: dict
listening_udp:
  description: The same for unconnected UDP sockets.
  returned: always
  type: list
  elements: dict
engine:
  description:
    - C(installed), C(running), C(version), C(api_version), C(live_restore), C(data_root), C(error).
    - C(firewall_backend) is iptables or nftables, as far as it is known.
    - C(min_api_version) is the oldest interface of an engine that is newer than this collection.
    - C(containerd_root) is where containerd keeps its data.
    - C(settings_unread) says that daemon.json changed after the engine was started.
    - C(state) is absent, running, stopped, starting, failed, hung or silent. C(problem) and
      C(remedy) say what is wrong with one that does not answer, else they are null.
    - C(daemon_json) is the parsed file or null, C(daemon_json_error) says why it cannot be parsed.
  returned: always
  type: dict
swarm:
  description:
    - C(state) is inactive, pending, active, error or locked, or unknown while the engine of a node
      is silent. Its certificate then says C(node_id), C(cluster_id) and C(role).
    - Also C(node_id), C(node_addr), C(control_available), C(cluster_id), C(role),
      C(certificate_not_after), C(managers), C(error).
    - On a manager C(data_path_port) is the UDP port of the overlay networks, and C(address_pool)
      the networks that they are cut from.
    - C(autolock) says whether this manager is locked when it restarts; false on workers.
    - C(zeros) names the swarm's own settings that are 0 and must not be; empty on workers.
    - C(nodes) lists all nodes where the host is a manager that the cluster answers. With
      O(services=true) it is missing too where the cluster left a question about them unanswered,
      so that nobody takes an empty list for what is there. C(error) says why.
  returned: always
  type: dict
volumes:
  description:
    - Names of the Docker volumes on the disk, without those that nobody named; also of an engine
      that is silent. Null if this user may not look.
  returned: always
  type: list
  elements: str
unmounted:
  description: Mount points of C(/etc/fstab) around the engine's data at which nothing is mounted.
  returned: always
  type: list
  elements: str
ssh:
  description:
    - C(ports) by which SSH comes in, those that sshd listens on and the one of this connection.
    - C(connection) has this connection's C(client), C(address) and C(port), or is null.
  returned: always
  type: dict
firewall:
  description: Whether the collection's rules are C(loaded), and C(enabled) to be loaded at boot.
  returned: always
  type: dict
python_libraries:
  description: Which of C(docker), C(yaml) and C(jsondiff) this Python can import.
  returned: always
  type: dict
stacks:
  description:
    - Services by stack with image, mode, replicas, ports, reservations, full names of secrets, the
      C(volumes) on a node's disk that they write to, whether their last update is still
      C(under_way) or stopped half-way, and C(spec_sha256), which changes with anything in the
      service's Spec.
    - Empty unless O(services=true) on a manager.
  returned: always
  type: dict
reserved:
  description:
    - CPU cores and bytes reserved by running tasks, by node ID and stack.
    - Empty unless O(services=true) on a manager.
  returned: always
  type: dict
bound_labels:
  description:
    - Labels that services with data on a node's disk are bound to (C(node.labels.NAME == true)),
      each with its C(services), their C(volumes), and the IDs of the C(nodes) that their tasks were
      given to, the last one first, as far back as Swarm keeps tasks.
    - Empty unless O(services=true) on a manager.
  returned: always
  type: dict
secrets:
  description: Names of the secrets in Swarm. Empty unless O(services=true) on a manager.
  returned: always
  type: list
  elements: str
locks:
  description: Names of the locks that deployers have. Empty unless O(services=true) on a manager.
  returned: always
  type: list
  elements: str
commands:
  description: Whether the host has C(nft).
  returned: always
  type: dict
files:
  description:
    - SHA-256 of each file that the roles write, by path.
    - A role whose file is as it should be needs no task to find that out.
  returned: always
  type: dict
exposed:
  description:
    - Those of RV(files) that others than their owner can read and that nobody else needs, the
      compose files of stacks. Earlier versions wrote them so.
  returned: always
  type: list
  elements: str
hosts:
  description: Names of C(/etc/hosts) with the address that comes first for each.
  returned: always
  type: dict
hosts_templates:
  description:
    - The same for the template from which cloud-init writes C(/etc/hosts) at each boot, by path.
      Empty where there is none.
  returned: always
  type: dict
time_epoch:
  description: The host's clock, in seconds since 1970.
  returned: always
  type: float
controller_before:
  description: The controller's clock before the call. With RV(controller_after) it bounds the skew.
  returned: always
  type: float
controller_after:
  description: The controller's clock after the call.
  returned: always
  type: float
"""

import glob
import hashlib
import importlib.util
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import commands, host, lock
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.firewall import TABLE

DAEMON_JSON = Path("/etc/docker/daemon.json")
HOSTS_TEMPLATES = ("/etc/cloud/templates/hosts.debian.tmpl",)
FIREWALL_UNIT = Path("/etc/systemd/system/monsterstack-swarm-firewall.service")
PID_FILE = Path("/run/docker.pid")  # written when the engine starts
# Whatever the roles write on a host for good, daemon.json aside.
WRITTEN_BY_ROLES = (
    "/etc/docker/certs.d/*/ca.crt",
    "/etc/monsterstack-swarm-firewall.nft",
    "/etc/monsterstack-swarm-registry",
    "/etc/sysctl.d/90-monsterstack-swarm.conf",
    "/etc/systemd/system/monsterstack-swarm-firewall.service",
    "/var/lib/monsterstack-swarm/stacks/*/compose.yml",
)


# Of these, what can hold values of somebody's environment.
PRIVATE = WRITTEN_BY_ROLES[-1]


def read(path: Path | str) -> str | None:
    """A file's text, or None when it is missing or not ours to read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def file_hashes() -> dict[str, str]:
    """SHA-256 in hex of what the roles wrote, by path; a file that cannot be read is left out."""
    hashes: dict[str, str] = {}
    for pattern in WRITTEN_BY_ROLES:
        for path in glob.glob(pattern):
            try:
                hashes[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            except OSError:
                continue
    return hashes


def exposed(pattern: str = PRIVATE) -> list[str]:
    """The files of a pattern that others than their owner can read."""
    return sorted(
        path
        for path in glob.glob(pattern)
        if os.path.isfile(path) and os.stat(path).st_mode & 0o077
    )


def processes_by_socket() -> dict[str, str]:
    """Which process holds a socket: {inode: name}; only those this user may look into."""
    owners: dict[str, str] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            links = [os.readlink(fd.path) for fd in os.scandir(f"{entry.path}/fd")]
        except OSError:
            continue
        inodes = [link[8:-1] for link in links if link.startswith("socket:[")]
        if inodes:
            name = (read(f"{entry.path}/comm") or "").strip()
            owners.update(dict.fromkeys(inodes, name))
    return owners


def listening(protocol: str, owners: dict[str, str]) -> list[dict[str, Any]]:
    """Listening sockets of tcp or udp, over IPv4 and IPv6, by port."""
    found = [
        {"port": port, "address": address, "process": owners.get(inode)}
        for suffix in ("", "6")
        for port, address, inode in host.parse_sockets(
            read(f"/proc/net/{protocol}{suffix}") or "", protocol
        )
    ]
    return sorted(found, key=lambda item: (item["port"], str(item["address"])))


def ssh_connection() -> dict[str, Any] | None:
    """The SSH connection that this process runs in: sudo takes it out of the environment, so the
    nearest parent that still has it tells."""
    pid = os.getpid()
    while pid > 1:
        if found := host.parse_ssh_connection(read(f"/proc/{pid}/environ") or ""):
            return found
        # proc_pid_stat(5): pid, (comm), state, ppid; the name may have blanks and brackets.
        fields = (read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return None


def look_at_firewall(module: AnsibleModule) -> dict[str, bool]:
    """Whether our table is in force, and at the next boot; asked only where its unit is."""
    nft = module.get_bin_path("nft", opt_dirs=["/usr/sbin"])
    if not FIREWALL_UNIT.exists() or not nft:
        return {"loaded": False, "enabled": False}
    loaded = commands.run([nft, "list", "table", *TABLE.split()])[0] == 0
    wants = Path("/etc/systemd/system/multi-user.target.wants", FIREWALL_UNIT.name)
    return {"loaded": loaded, "enabled": wants.exists()}


def newer(path: Path, than: Path) -> bool:
    """Whether both files are there and the first was changed after the second."""
    try:
        return path.stat().st_mtime > than.stat().st_mtime
    except OSError:
        return False


def free_bytes(path: str) -> int:
    """Free space at a path, or at its nearest parent that exists."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def unit_of_engine(module: AnsibleModule) -> dict[str, str]:
    """What systemd says of docker.service; empty where there is no systemd."""
    systemctl = module.get_bin_path("systemctl")
    if not systemctl:
        return {}
    wanted = "ActiveState,SubState,Result,UnitFileState,FragmentPath,DropInPaths"
    command = [systemctl, "show", "docker.service", f"--property={wanted}"]
    return host.parse_unit(commands.run(command)[1])


def journal_of_engine(module: AnsibleModule) -> list[str]:
    """What dockerd itself said last; systemd's own lines about it are left out."""
    journalctl = module.get_bin_path("journalctl")
    if not journalctl:
        return []
    command = [journalctl, "_SYSTEMD_UNIT=docker.service", "--boot", "--no-pager", "--output=cat"]
    return host.journal_lines(commands.run([*command, "--lines=12"])[1])


def volumes_of_engine(data_root: str) -> list[str] | None:
    """Names of the volumes on the disk, also while no engine answers; None if nobody may look."""
    try:
        return host.named_volumes(os.listdir(f"{data_root}/volumes"))
    except FileNotFoundError:
        return []
    except OSError:
        return None


def look_at_services(client: Engine) -> dict[str, Any]:
    """The keys stacks, reserved, bound_labels, secrets and locks, of a manager. Raises EngineError.

    All tasks at once: asked for by a service that has just gone, the engine gives none at all.
    """
    services, tasks = client.get("/services"), client.get("/tasks")
    return {
        "stacks": host.summarise_services(services),
        "reserved": host.summarise_reserved(tasks, services),
        "bound_labels": host.bound_labels(services, tasks),
        "locks": [one.name for one in lock.find_all(client)],
        "secrets": sorted(secret["Spec"]["Name"] for secret in client.get("/secrets")),
    }


def look_at_engine(module: AnsibleModule) -> dict[str, Any]:
    """The keys engine, volumes, unmounted, swarm, stacks, reserved, secrets and locks."""
    written = read(DAEMON_JSON)
    installed = module.get_bin_path("dockerd", opt_dirs=["/usr/sbin"]) is not None
    result: dict[str, Any] = {"stacks": {}, "reserved": {}, "secrets": [], "bound_labels": {}}
    result["locks"] = []
    # A manager whose leader has just gone answers /info when its own questions to that leader have
    # run out: seen after more than 20 s. One that hangs is found out by its first request.
    client = Engine(module.params["docker_host"], timeout=45)
    info: dict[str, Any] | None = None
    problem: str | None = None
    unit: dict[str, str] = {}
    journal: list[str] = []
    roots = host.data_roots(written, [])
    try:
        info = client.get("/info")
    except EngineError as error:
        problem = str(error)
        unit = unit_of_engine(module) if installed else {}
        places = [unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split()]
        roots = host.data_roots(written, [read(place) or "" for place in places if place])
        # What a stopped engine said last is how it stopped.
        if host.engine_state(installed, False, unit) in ("failed", "starting"):
            journal = journal_of_engine(module)
    known = [root for root in roots if os.path.exists(f"{root}/swarm/certificates/swarm-node.crt")]
    engine = host.summarise_engine(
        info,
        installed=installed,
        unit=unit,
        journal=journal,
        daemon_json=written,
        data_root=[*known, *roots][0],
        error=problem,
        api_version=client.api_version,
        min_api_version=client.min_api_version or None,
        containerd=read("/etc/containerd/config.toml"),
        settings_unread=newer(DAEMON_JSON, PID_FILE),
    )
    result["engine"] = engine
    root = engine["data_root"]
    result["volumes"] = volumes_of_engine(root)
    result["unmounted"] = host.missing_mounts(
        read("/etc/fstab") or "", read("/proc/self/mounts") or "", root
    )
    certificate = host.parse_certificate(read(f"{root}/swarm/certificates/swarm-node.crt") or "")
    key = read(f"{root}/swarm/certificates/swarm-node.key") or ""
    swarm = host.summarise_swarm(info, certificate, key)
    result["swarm"] = swarm
    if not swarm["control_available"]:
        return result
    try:
        nodes = [host.summarise_node(node) for node in client.get("/nodes")]
        if module.params["services"]:
            result.update(look_at_services(client))
        # Last: a manager that answers only a part of this does not pass for one that was asked.
        swarm["nodes"] = nodes
    except EngineError as error:
        # A manager without quorum says so here: that is a finding, not a failure of this module.
        swarm["error"] = str(error)  # newer than what /info has said of the same
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={"services": {"type": "bool", "default": False}, **ENGINE_OPTIONS},
        supports_check_mode=True,
    )
    owners = processes_by_socket()
    ip = module.get_bin_path("ip", opt_dirs=["/usr/sbin", "/sbin"])
    rc, addresses, _err = commands.run([ip, "-j", "addr"]) if ip else (1, "", "")
    routes_rc, routes, _err = commands.run([ip, "-j", "route"]) if ip else (1, "", "")
    os_facts = host.parse_os_release(read("/etc/os-release") or "")
    engine = look_at_engine(module)
    listening_tcp, connection = listening("tcp", owners), ssh_connection()
    module.exit_json(
        changed=False,
        os={**os_facts, "arch": platform.machine()},
        kernel=platform.release(),
        python=platform.python_version(),
        hostname=platform.node(),
        memory_bytes=host.parse_memory(read("/proc/meminfo") or ""),
        cpus=os.cpu_count() or 1,
        disk_free_bytes=free_bytes(engine["engine"]["data_root"]),
        containerd_free_bytes=free_bytes(engine["engine"]["containerd_root"]),
        routes=host.parse_routes(routes if routes_rc == 0 else ""),
        addresses=host.parse_addresses(addresses if rc == 0 else ""),
        listening_tcp=listening_tcp,
        listening_udp=listening("udp", owners),
        ssh={"ports": host.ssh_ports(listening_tcp, connection), "connection": connection},
        firewall=look_at_firewall(module),
        python_libraries={
            name: importlib.util.find_spec(name) is not None
            for name in ("docker", "yaml", "jsondiff")
        },
        commands={"nft": module.get_bin_path("nft", opt_dirs=["/usr/sbin"]) is not None},
        files=file_hashes(),
        exposed=exposed(),
        hosts=host.parse_hosts(read("/etc/hosts") or ""),
        hosts_templates={
            path: host.parse_hosts(text) for path in HOSTS_TEMPLATES if (text := read(path))
        },
        time_epoch=time.time(),
        **engine,
    )


if __name__ == "__main__":
    main()
