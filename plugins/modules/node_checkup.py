#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: node_checkup
short_description: What a node of a Swarm can reach, by real packets, and how it is
version_added: 0.1.0
description:
  - Runs on all nodes at the same time. Each sends to all others and listens to all others for a few
    seconds. It uses TCP connections to 2377 and 7946, a VXLAN packet that nobody takes, an ESP
    packet that nobody takes, long packets that must not be fragmented, and the engines' own gossip
    on 7946/udp.
  - What arrives is counted behind the host's firewall, in a raw socket.
  - From inside the network namespace of a task it resolves each service of the same networks and
    asks the service's address and each of its tasks.
  - Reads certificates, disks and memory. Changes nothing and installs nothing.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  address:
    description: The IPv4 address that this node has in the Swarm.
    type: str
    required: true
  peers:
    description: Addresses of the other nodes, by name.
    type: dict
    default: {}
  managers:
    description: Names of those nodes that are managers.
    type: list
    elements: str
    default: []
  data_port:
    description: UDP port of the overlay networks.
    type: int
    required: true
  seconds:
    description: After how long the check ends when not everything was heard.
    type: int
    default: 12
  data_root:
    description: Where the engine keeps its data.
    type: str
    default: /var/lib/docker
  containerd_root:
    description: Where containerd keeps its data, images included with newer engines.
    type: str
    default: /var/lib/containerd
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
notes:
  - Needs root, for raw sockets and network namespaces. Nodes with IPv6 addresses are not probed.
"""

EXAMPLES = r"""
- name: Check up on every node
  monsterstack.swarm.node_checkup:
    address: "{{ ansible_host }}"
    data_port: "{{ swarm_data_path_port }}"
    peers: {m1: 192.0.2.11, w1: 192.0.2.21}
    managers: [m1]
  become: true
"""

RETURN = r"""
seconds:
  description: How long the exchange of packets took.
  returned: always
  type: float
interface_mtu:
  description: MTU of the interface with O(address), or null.
  returned: always
  type: int
peers:
  description:
    - By name of the peer, how many packets came from it (C(vxlan), C(esp), C(gossip)), the longest
      one (C(largest)), the address they bore (C(source)), and why the own host did not send
      (C(refused)).
    - C(tcp) has open, closed, silent or an error for each port.
  returned: always
  type: dict
networks:
  description:
    - Overlay networks of the tasks on this node with C(services) as the node knows them.
    - C(names) has what each name resolved to, C(reached) what each address answered.
    - C(task) is the one that it was seen from.
  returned: always
  type: dict
error:
  description: Why the engine could not be asked for its networks, or null.
  returned: always
  type: str
published:
  description: What each published TCP port, as this node knows it, answers on the node itself.
  returned: always
  type: dict
root_certificate_not_after:
  description: When the Swarm's own CA ends, or null.
  returned: always
  type: str
registries:
  description: Registries that the engine trusts by a CA of its own, with C(not_after) or C(error).
  returned: always
  type: dict
disks:
  description: Path, size, free bytes and inodes of the file systems that the engine needs.
  returned: always
  type: list
  elements: dict
memory:
  description: Bytes in C(total) and C(available).
  returned: always
  type: dict
"""

import dataclasses
import fcntl
import glob
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import host, inside, wire
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)

SERVICE_LABEL = "com.docker.swarm.service.name"


class Background(threading.Thread):
    """Work beside the exchange of packets; `result()` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work, self._value = work, None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._value = self._work()
        except Exception as error:
            self._error = error

    def result(self) -> Any:
        self.join()
        if self._error:
            raise self._error
        return self._value


def interface_mtu(address: str) -> int | None:
    """The MTU of the interface that has an address (SIOCGIFADDR, SIOCGIFMTU; netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _index, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                found = socket.inet_ntoa(fcntl.ioctl(sock, 0x8915, request)[20:24])
            except OSError:
                continue  # an interface without an IPv4 address
            if found == address:
                return int(struct.unpack_from("i", fcntl.ioctl(sock, 0x8921, request), 16)[0])
    return None


def ports_of(peers: dict[str, str], managers: list[str]) -> dict[str, dict[str, str]]:
    """Which of Swarm's TCP ports each peer has open for this node."""
    wanted = [f"{name} {wire.GOSSIP_PORT}" for name in peers]
    wanted += [f"{name} {wire.CLUSTER_PORT}" for name in managers if name in peers]

    def look(item: str) -> str:
        name, port = item.split()
        return inside.knock(peers[name], int(port), timeout=3)

    found: dict[str, dict[str, str]] = {name: {} for name in peers}
    for item, answer in inside.each_inside(None, look, wanted).items():
        name, port = item.split()
        found[name][port] = answer
    return found


def look_inside(engine: Engine) -> dict[str, Any]:
    """The networks of this node's tasks, seen from inside one task each."""
    networks: dict[str, Any] = {}
    listed = engine.get("/networks", filters={"driver": ["overlay"]})
    overlays = {network["Id"]: network["Name"] for network in listed}
    for container in engine.get("/containers/json", filters={"label": [SERVICE_LABEL]}):
        joined = (container.get("NetworkSettings") or {}).get("Networks") or {}
        for attached in joined.values():
            name = overlays.get(attached.get("NetworkID", ""), "ingress")
            if name == "ingress" or name in networks:
                continue
            found = engine.get(f"/networks/{attached['NetworkID']}", verbose="true")
            services = inside.parse_services(found)
            pid = engine.get(f"/containers/{container['Id']}/json")["State"]["Pid"]
            addresses = [one["vip"] for one in services.values() if one["vip"]]
            addresses += [t["address"] for one in services.values() for t in one["tasks"].values()]
            networks[name] = {
                "task": container["Names"][0].lstrip("/"),
                "services": services,
                "names": inside.each_inside(pid, inside.resolve, list(services)),
                "reached": inside.each_inside(pid, inside.knock, sorted(set(addresses))),
            }
    return networks


def look_at_ingress(engine: Engine, address: str) -> dict[str, str]:
    """What the published ports that this node knows of answer through its own part of the mesh."""
    ingress = engine.get("/networks", filters={"name": ["ingress"], "driver": ["overlay"]})
    if not ingress:
        return {}
    services = inside.parse_services(engine.get(f"/networks/{ingress[0]['Id']}", verbose="true"))
    ports = sorted({str(port) for one in services.values() for port in one["published"]})
    # Three tries meet different tasks: one that has just gone does not count.
    return inside.each_inside(None, lambda port: inside.knock(address, int(port), tries=3), ports)


def look_at_engine(docker_host: str, address: str) -> dict[str, Any]:
    """networks and published; empty where the engine is silent, which host_info says."""
    engine = Engine(docker_host, timeout=20)
    try:
        return {
            "networks": look_inside(engine),
            "published": look_at_ingress(engine, address),
            "error": None,
        }
    except (EngineError, OSError) as error:
        return {"networks": {}, "published": {}, "error": str(error)}


def look_at_registries() -> dict[str, dict[str, str | None]]:
    """Each registry of /etc/docker/certs.d with a CA: until when its certificate is good."""
    found: dict[str, dict[str, str | None]] = {}
    for path in glob.glob("/etc/docker/certs.d/*/ca.crt"):
        name = Path(path).parent.name
        registry, _colon, port = name.partition(":")
        try:
            context = ssl.create_default_context(cafile=path)
            with (
                socket.create_connection((registry, int(port or 443)), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname=registry) as secure,
            ):
                der = secure.getpeercert(binary_form=True) or b""
            not_after = host.parse_certificate(ssl.DER_cert_to_PEM_cert(der))["not_after"]
            found[name] = {"not_after": not_after, "error": None}
        except (OSError, ValueError) as error:
            found[name] = {"not_after": None, "error": str(error)}
    return found


def disks(*roots: str) -> list[dict[str, Any]]:
    """The file systems of the engine's data, of / and of the logs, each once."""
    found: dict[int, dict[str, Any]] = {}
    for path in (*roots, "/", "/var/log"):
        try:
            device, usage = os.stat(path).st_dev, os.statvfs(path)
        except OSError:
            continue
        if device not in found:
            found[device] = {
                "path": path,
                "size": usage.f_frsize * usage.f_blocks,
                "free": usage.f_frsize * usage.f_bavail,
                "inodes": usage.f_files,
                "inodes_free": usage.f_favail,
            }
    return list(found.values())


def memory() -> dict[str, int]:
    """Bytes in all and those that programs can still get (proc_meminfo(5))."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {"total": values.get("MemTotal", 0), "available": values.get("MemAvailable", 0)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "peers": {"type": "dict", "default": {}},
            "managers": {"type": "list", "elements": "str", "default": []},
            "data_port": {"type": "int", "required": True},
            "seconds": {"type": "int", "default": 12},
            "data_root": {"type": "str", "default": "/var/lib/docker"},
            "containerd_root": {"type": "str", "default": "/var/lib/containerd"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    params = module.params
    address, peers = params["address"], params["peers"]
    try:
        for one in (address, *peers.values()):
            socket.inet_pton(socket.AF_INET, one)
    except OSError:
        module.fail_json(
            msg=f"{one} is no IPv4 address: the packets of this check need the addresses that the "
            "nodes have in the Swarm, not names."
        )
    mtu = interface_mtu(address)
    tcp = Background(lambda: ports_of(peers, params["managers"]))
    engine = Background(lambda: look_at_engine(params["docker_host"], address))
    registries = Background(look_at_registries)
    exchange = wire.Exchange(address, peers.values(), params["data_port"], mtu or 1500)
    began = time.monotonic()
    try:
        heard = exchange.go(params["seconds"]) if peers else {}
    except PermissionError as error:
        module.fail_json(msg=f"raw sockets need root: add become: true ({error}).")
    seconds = round(time.monotonic() - began, 1)
    looked = engine.result()
    certificate = Path(params["data_root"], "swarm/certificates/swarm-root-ca.crt")
    pem = certificate.read_text(encoding="ascii") if certificate.exists() else ""
    module.exit_json(
        changed=False,
        seconds=seconds,
        interface_mtu=mtu,
        peers={
            name: {
                **{k: v for k, v in dataclasses.asdict(heard[peer]).items() if k[0] != "_"},
                "tcp": tcp.result()[name],
            }
            for name, peer in peers.items()
        },
        **looked,
        root_certificate_not_after=host.parse_certificate(pem)["not_after"],
        registries=registries.result(),
        disks=disks(params["data_root"], params["containerd_root"]),
        memory=memory(),
    )


if __name__ == "__main__":
    main()
