"""What a lab consists of, computed from the inventory. Pure: nothing here touches the system."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_ROOT = Path("/run/monsterstack-lab")
IMAGES = ("engine", "bare")
# An interface name has at most 15 characters (IFNAMSIZ): "lab-" and these.
_LAB_NAME = re.compile(r"[a-z][a-z0-9-]{0,10}")
_NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_DISK = re.compile(r"([1-9][0-9]*)G")


class LabError(Exception):
    """One or more sentences for the user: what is wrong, where, what to do."""


@dataclass(frozen=True)
class Node:
    """One machine. memory is in MB, disk in GB."""

    name: str
    address: ipaddress.IPv4Address
    memory: int = 1000
    disk: int = 8
    image: str = "engine"
    private: ipaddress.IPv4Address | None = None

    @property
    def tap(self) -> str:
        """The machine's network cable, inside the lab's network namespace."""
        return f"tap{int(self.address) & 0xFFFF}"

    @property
    def private_tap(self) -> str:
        """The cable of its second card, on the private network."""
        return f"{self.tap}p"

    @property
    def cables(self) -> tuple[str, ...]:
        """All of them: what passes between machines passes through these."""
        return (self.tap, self.private_tap) if self.private else (self.tap,)

    @property
    def mac(self) -> str:
        """Locally administered (02), then the address: unique where the address is."""
        return "02:4c:" + ":".join(f"{byte:02x}" for byte in self.address.packed)

    @property
    def private_mac(self) -> str:
        return self.mac.replace("02:4c:", "02:4d:")


@dataclass(frozen=True)
class Lab:
    """All machines of an inventory and the network between them."""

    name: str
    subnet: ipaddress.IPv4Network
    mirror_port: int
    nodes: tuple[Node, ...]
    private: ipaddress.IPv4Network | None = None

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """The first address: the lab's own end of the network, with the image mirror."""
        return self.subnet[1]

    @property
    def host_address(self) -> ipaddress.IPv4Address:
        """The last address: this computer, the machines' way to the outside."""
        return self.subnet[-2]

    @property
    def netns(self) -> str:
        return f"lab-{self.name}"

    @property
    def link(self) -> str:
        """The interface on the host that leads into the lab."""
        return f"lab-{self.name}"

    @property
    def table(self) -> str:
        """The host's nftables table of this lab; it holds all rules the lab adds."""
        return "lab_" + self.name.replace("-", "_")

    @property
    def run_dir(self) -> Path:
        return RUN_ROOT / self.name

    def node(self, name: str) -> Node:
        """Raises LabError for a name that is not in the inventory."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes)
        raise LabError(f"There is no machine '{name}' in this inventory: it has {names}.")

    def umid(self, node: Node) -> str:
        """The name of the machine's process, unique on this computer."""
        return f"{self.name}.{node.name}"


def read_inventory(inventory: Mapping[str, Any], source: str) -> Lab:
    """Make a lab of the JSON that `ansible-inventory --list` prints.

    Lab variables must be literal, because ansible-inventory does not render templates.
    Raises LabError with all faults at once; `source` is named in them.
    """
    hostvars: Mapping[str, Mapping[str, Any]] = inventory.get("_meta", {}).get("hostvars", {})
    hosts = _hosts(inventory, "all")
    if not hosts:
        raise LabError(f"{source} has no hosts: name at least one under 'managers'.")
    shared = hostvars.get(hosts[0], {})
    faults: list[str] = []

    name = str(shared.get("lab_name", ""))
    if not _LAB_NAME.fullmatch(name):
        faults.append(
            f"{source}: lab_name is '{name}', it must be 1 to 11 of a-z, 0-9 and '-', "
            "a letter first."
        )
    subnet = _subnet(str(shared.get("lab_subnet", "")), source, faults)
    mirror_port = _mirror_port(str(shared.get("lab_mirror", "")), subnet, source, faults)
    private = _private_subnet(shared.get("lab_private_subnet"), subnet, source, faults)

    nodes: list[Node] = []
    for host in hosts:
        node = _node(host, hostvars.get(host, {}), subnet, private, source, faults)
        if node is None:
            continue
        for other in nodes:
            for twin in {node.address, node.private} & {other.address, other.private} - {None}:
                faults.append(f"{source}: {other.name} and {host} both have the address {twin}.")
        nodes.append(node)
    if faults or subnet is None:
        raise LabError("\n".join(faults))
    return Lab(name, subnet, mirror_port, tuple(nodes), private)


def _hosts(inventory: Mapping[str, Any], group: str) -> list[str]:
    """The hosts of a group and its children, each once, in the inventory's order."""
    entry = inventory.get(group, {})
    found = list(entry.get("hosts", []))
    for child in entry.get("children", []):
        found += _hosts(inventory, child)
    return list(dict.fromkeys(found))


def _subnet(text: str, source: str, faults: list[str]) -> ipaddress.IPv4Network | None:
    try:
        subnet = ipaddress.IPv4Network(text)
    except ValueError:
        faults.append(f"{source}: lab_subnet is '{text}', it must be a network like 198.18.0.0/24.")
        return None
    if not 16 <= subnet.prefixlen <= 28:
        faults.append(f"{source}: lab_subnet {text} must be between a /16 and a /28.")
        return None
    return subnet


def _private_subnet(
    text: Any, subnet: ipaddress.IPv4Network | None, source: str, faults: list[str]
) -> ipaddress.IPv4Network | None:
    if text is None:
        return None
    try:
        private = ipaddress.IPv4Network(str(text))
    except ValueError:
        faults.append(
            f"{source}: lab_private_subnet is '{text}', it must be a network like 10.66.0.0/24."
        )
        return None
    if subnet and private.overlaps(subnet):
        faults.append(f"{source}: lab_private_subnet {private} overlaps lab_subnet {subnet}.")
    return private


def _private(
    host: str,
    text: Any,
    network: ipaddress.IPv4Network | None,
    source: str,
    faults: list[str],
) -> ipaddress.IPv4Address | None:
    """The address of a machine's second card, where it has one."""
    if text is None:
        return None
    try:
        address = ipaddress.IPv4Address(str(text))
    except ValueError:
        faults.append(f"{source}: lab_private of {host} is '{text}', it must be an IPv4 address.")
        return None
    if network is None:
        faults.append(
            f"{source}: {host} has a lab_private, and no lab_private_subnet says of which network."
        )
    elif address not in network or address in (network[0], network[-1]):
        faults.append(
            f"{source}: {host}'s lab_private {address} is no address of a machine in "
            f"lab_private_subnet {network}."
        )
    return address


def _mirror_port(
    text: str, subnet: ipaddress.IPv4Network | None, source: str, faults: list[str]
) -> int:
    address, _, port = text.partition(":")
    if subnet and address == str(subnet[1]) and port.isdecimal() and 1 <= int(port) <= 65535:
        return int(port)
    if subnet:
        faults.append(
            f"{source}: lab_mirror is '{text}', it must be the first address of lab_subnet "
            f"and a port: {subnet[1]}:5000."
        )
    return 0


def _node(
    host: str,
    variables: Mapping[str, Any],
    subnet: ipaddress.IPv4Network | None,
    private_subnet: ipaddress.IPv4Network | None,
    source: str,
    faults: list[str],
) -> Node | None:
    before = len(faults)
    if not _NODE_NAME.fullmatch(host):
        faults.append(f"{source}: the host name '{host}' must be 1 to 32 of a-z, 0-9 and '-'.")
    text = str(variables.get("ansible_host", ""))
    address = None
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        faults.append(f"{source}: ansible_host of {host} is '{text}', it must be an IPv4 address.")
    if address and subnet:
        if address not in subnet:
            faults.append(f"{source}: {host}'s address {address} is not in lab_subnet {subnet}.")
        elif address in (subnet[0], subnet[1], subnet[-2], subnet[-1]):
            faults.append(
                f"{source}: {host}'s address {address} is one of the first two or last two "
                f"of {subnet}, which the lab needs itself."
            )
    memory = variables.get("lab_memory", 1000)
    if not isinstance(memory, int) or isinstance(memory, bool) or not 256 <= memory <= 65536:
        faults.append(f"{source}: lab_memory of {host} is '{memory}', it must be 256 to 65536 MB.")
    disk = _DISK.fullmatch(str(variables.get("lab_disk", "8G")))
    if not disk or not 3 <= int(disk[1]) <= 1000:
        faults.append(
            f"{source}: lab_disk of {host} is '{variables.get('lab_disk')}', "
            "it must be 3G to 1000G, in whole G."
        )
    image = str(variables.get("lab_image", "engine"))
    if image not in IMAGES:
        faults.append(f"{source}: lab_image of {host} is '{image}', there are engine and bare.")
    private = _private(host, variables.get("lab_private"), private_subnet, source, faults)
    if len(faults) > before or address is None or disk is None:
        return None
    return Node(host, address, memory, int(disk[1]), image, private)


@dataclass(frozen=True)
class Boot:
    """The files a machine starts from."""

    program: Path
    seccomp: bool
    image: Path
    modules: Path
    seed: Path
    disk: Path
    uml_dir: Path


def kernel_command(lab: Lab, node: Node, boot: Boot) -> list[str]:
    """The command line of a machine's process.

    Raises LabError for a path that the kernel's disk syntax cannot hold.
    """
    for path in (boot.image, boot.modules, boot.seed, boot.disk, boot.uml_dir):
        if re.search(r"[\s,:]", str(path)):
            raise LabError(
                f"The path {path} has a blank, comma or colon, which the machines' kernel cannot "
                "take: set MONSTERSTACK_CACHE to a folder without."
            )
    return [
        str(boot.program),
        f"umid={lab.umid(node)}",
        f"uml_dir={boot.uml_dir}/",
        f"mem={node.memory}M",
        f"ubda={boot.disk},{boot.image}",
        f"ubdbr={boot.modules}",
        f"ubdcr={boot.seed}",
        "root=/dev/ubda",
        "rw",
        # Without barriers nothing waits for this computer's disk. A killed machine still finds
        # what it wrote: it is in this computer's page cache.
        "rootflags=barrier=0",
        "init=/usr/sbin/lab-init",
        f"vec0:transport=tap,ifname={node.tap},depth=64,gro=1,mac={node.mac}",
        *(
            [f"vec1:transport=tap,ifname={node.private_tap},depth=64,gro=1,mac={node.private_mac}"]
            if node.private
            else []
        ),
        "con0=null,fd:1",
        "con=null",
        "ssl=null",
        *(["seccomp=on"] if boot.seccomp else []),
    ]


def network_batch(lab: Lab, node: Node) -> str:
    """What `ip -batch` does at a machine's boot."""
    batch = (
        "link set vec0 name eth0\n"
        f"address add {node.address}/{lab.subnet.prefixlen} dev eth0\n"
        "link set eth0 up\n"
        f"route add default via {lab.host_address}\n"
    )
    if node.private and lab.private:
        batch += (
            "link set vec1 name eth1\n"
            f"address add {node.private}/{lab.private.prefixlen} dev eth1\n"
            "link set eth1 up\n"
        )
    return batch


def host_rules(lab: Lab) -> str:
    """The host's nftables rules: address translation outwards, nothing new inwards."""
    return f"""\
table ip {lab.table} {{
  chain outwards {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {lab.subnet} oifname != "{lab.link}" masquerade
  }}
  chain inwards {{
    type filter hook forward priority filter; policy accept;
    oifname "{lab.link}" ct state new drop
  }}
}}
"""


def cut_rules(lab: Lab, islands: Sequence[Sequence[str]]) -> str:
    """The bridge rules in the lab's namespace: islands reach neither each other nor the rest.

    The cable to this computer is not in any rule, so Ansible still reaches every machine.
    """
    rules = ["table bridge cut", "delete table bridge cut", "table bridge cut {"]
    rules.append("  chain between { type filter hook forward priority 0; policy accept;")
    for island in islands:
        inside = sorted(cable for name in island for cable in lab.node(name).cables)
        outside = sorted(
            cable for node in lab.nodes if node.name not in island for cable in node.cables
        )
        if outside:
            one, other = _set(inside), _set(outside)
            rules.append(f"    iifname {one} oifname {other} drop")
            rules.append(f"    iifname {other} oifname {one} drop")
    return "\n".join([*rules, "  }", "}", ""])


def _set(names: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in names) + " }"


def cut(islands: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    """The islands after the machines `names` became one island of their own."""
    return [*join(islands, names), list(dict.fromkeys(names))]


def join(islands: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    """The islands after the machines `names` went back to the rest."""
    rest = ([name for name in island if name not in names] for island in islands)
    return [island for island in rest if island]
