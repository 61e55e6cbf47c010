"""What the tests on machines share: the inventory's nodes, a shell on each, the page, Ansible.

Everything goes the way a user's would: SSH, HTTP and `ansible-playbook`.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
ARTIFACTS = Path(os.environ.get("ARTIFACTS", PROJECT / "artifacts"))
PAGE_PORT = 5000
SECRETS = ("redis_password", "id_salt", "registry_password", "secret_key")


@dataclass(frozen=True)
class Node:
    """A machine of the inventory."""

    name: str
    address: str
    zone: str
    inventory: Path

    def run(self, command: str) -> str:
        """What a command prints, run as root by the machine's shell; fails the test if it fails."""
        lab = [str(PROJECT / "bin/lab"), "-i", str(self.inventory), "ssh", self.name, "--"]
        done = subprocess.run(
            [*lab, f"sudo sh -c {_quoted(command)}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def docker(self, command: str) -> Any:
        """The JSON that a docker command prints: one document, or one document a line."""
        text = self.run(f"docker {command}")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines()]

    def get(self, path: str, port: int = PAGE_PORT) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of a GET from the controller."""
        connection = http.client.HTTPConnection(self.address, port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, body
        finally:
            connection.close()


@dataclass(frozen=True)
class Cluster:
    """The nodes of one inventory and what runs on them."""

    inventory: Path
    managers: tuple[Node, ...]
    workers: tuple[Node, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.managers + self.workers

    @property
    def credentials(self) -> Path:
        return self.inventory.parent / "credentials" / self.inventory.name

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def service(self, name: str) -> dict[str, Any]:
        """A service's specification, as Swarm has it."""
        found: list[dict[str, Any]] = self.managers[0].docker(f"service inspect {name}")
        return found[0]["Spec"]  # type: ignore[no-any-return]

    def tasks(self, service: str) -> list[dict[str, str]]:
        """The tasks of a service that are to run: {Name, Node, CurrentState, …}."""
        command = f"service ps {service} --filter desired-state=running --format json"
        found = self.managers[0].docker(command)
        return found if isinstance(found, list) else [found]

    def containers(self, service: str) -> list[tuple[Node, str]]:
        """(node, container id) of each running task of a service."""
        found = []
        for node in self.nodes:
            query = f"docker ps -q --filter label=com.docker.swarm.service.name={service}"
            found += [(node, container) for container in node.run(query).split()]
        return found

    def lab(self, *words: str) -> None:
        """Runs bin/lab for these machines; fails the test if it fails."""
        lab = [str(PROJECT / "bin/lab"), "-i", str(self.inventory), *words]
        done = subprocess.run(lab, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"

    def specs(self) -> Specs:
        """The Specs of swarm, nodes and services from the first manager that can tell; else {}."""
        for node in self.managers:
            try:
                return read_specs(node.run(SPECS))
            except (AssertionError, subprocess.TimeoutExpired):
                continue  # off, locked, without a quorum, or in no swarm
        return {}

    def playbook(self, *words: str, timeout: int = 900, meant: Sequence[str] = ()) -> Run:
        """Runs ansible-playbook in the checkout, as a user does.

        Fails the test when a Spec is another one afterwards that this playbook does not mean to
        change (MEANT); `meant` are patterns of what it may change beside that, this time.
        """
        before, began = self.specs(), time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory), *words],
            cwd=PROJECT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        run = Run(done.returncode, done.stdout, round(time.monotonic() - began, 1))
        assert_as_meant(words, run, before, self.specs(), meant)
        return run


# Swarm, nodes and services in one call; fails where no manager answers for a cluster. A node has 20
# seconds to say so: without a quorum Docker's own questions to a leader take as long.
SPECS = """timeout 20 sh -ec '
docker info --format "{{json .Swarm.Cluster.Spec}}"
docker node inspect $(docker node ls -q)
services=$(docker service ls -q)
[ -z "$services" ] || docker service inspect $services'"""

STACK_SERVICES = r"service (?!registry/)[^/]+/.*"  # releases of a stack
ROLLED = r"service [^/]+/TaskTemplate/ForceUpdate"  # tasks moved in good order
NODES = r"node [^/]+/(Role|Availability|Labels/(zone|monsterstack[.].*))"
COME_AND_GO = r"node [^/]+"
APPLIED = (STACK_SERVICES, r"service registry/.*", ROLLED, NODES, COME_AND_GO,
           "swarm/EncryptionConfig/AutoLockManagers")  # fmt: skip
# What of the Specs a playbook means to change, as patterns; whatever is not here changes nothing. A
# playbook that reports no change, or a dry run, must change nothing either.
MEANT: dict[str, tuple[str, ...]] = {
    "site.yml": APPLIED,
    "rolling_update.yml": (STACK_SERVICES,),
    "rollback.yml": (STACK_SERVICES,),
    "scale.yml": (STACK_SERVICES,),
    "rotate_secrets.yml": (STACK_SERVICES,),
    "maintenance.yml": (ROLLED,),
    "rebalance.yml": (ROLLED,),
    "node_remove.yml": (ROLLED, NODES, COME_AND_GO),
    "node_replace.yml": APPLIED,
    "recover_quorum.yml": (NODES, COME_AND_GO),
    "restore.yml": APPLIED,
    "rotate_ca.yml": ("swarm/CAConfig/ForceRotate",),
    "teardown.yml": (STACK_SERVICES, r"service registry/.*"),
}
# A failed maintenance may leave its node without work, with a note of what it was.
LEFT_BY_FAILURE = r"node [^/]+/(Availability|Labels/monsterstack[.]swarm[.]maintenance)"

Specs = dict[str, Any]


def read_specs(text: str) -> Specs:
    """Every key of what SPECS printed: {"swarm/Raft/ElectionTick": 10, "node m1/Role": …}.

    Of two nodes with one name the one that is not ready has its id behind the name.
    """
    documents: list[Any] = []
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:]
    swarm, nodes, *services = documents
    found = dict(_keys("swarm", swarm))
    for node in sorted(nodes, key=lambda one: one["Status"]["State"] != "ready"):
        name = f"node {node['Description']['Hostname']}"
        taken = any(key.startswith(f"{name}/") for key in found)
        found |= _keys(f"{name} {node['ID']}" if taken else name, node["Spec"])
    for service in services[0] if services else []:
        found |= _keys(f"service {service['Spec']['Name']}", service["Spec"])
    return found


def _keys(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a document; what the engine leaves out and an empty one are the same."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _keys(f"{path}/{key}", inner)
    elif value not in (None, [], ""):
        yield path, value


def differences(
    before: Specs, after: Specs, meant: Sequence[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """What differs and none of the patterns allows, by key; a node that came or went is one key."""
    roots = [{key.partition("/")[0] for key in side} for side in (before, after)]
    moved = {root for root in roots[0] ^ roots[1] if root.startswith("node ")}
    found: dict[str, tuple[Any, Any]] = {
        root: (root in roots[0], root in roots[1]) for root in moved
    }
    for key in {*before, *after}:
        old, new = before.get(key), after.get(key)
        if old != new and key.partition("/")[0] not in moved:
            found[key] = (old, new)
    return {
        key: found[key] for key in sorted(found) if not any(re.fullmatch(one, key) for one in meant)
    }


def assert_as_meant(
    words: Sequence[str], run: Run, before: Specs, after: Specs, meant: Sequence[str] = ()
) -> None:
    """Fails when a playbook changed a Spec that it does not mean to change.

    Nothing can be said where no manager answered before or afterwards.
    """
    name = next((Path(word).name for word in words if word.endswith(".yml")), "")
    allowed: tuple[str, ...] = (*MEANT.get(name, ()), *meant)
    if run.code != 0 and name == "maintenance.yml":
        allowed = (*allowed, LEFT_BY_FAILURE)
    if {"--check", "-C"} & set(words) or (run.code == 0 and run.changed == 0):
        allowed = ()
    if before and after:
        found = differences(before, after, allowed)
        assert not found, f"{' '.join(words)} changed what it does not mean to: {found}"


@dataclass(frozen=True)
class Run:
    """How a playbook ended and everything that it printed."""

    code: int
    output: str
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """What it printed with single blanks between the words: Ansible folds long lines."""
        return " ".join(self.output.split())

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The recap's counters by host: {"m1": {"ok": 12, "changed": 0, …}}."""
        counters = {}
        for host, words in re.findall(r"^(\S+)\s+: (ok=.*)$", self.output, re.MULTILINE):
            pairs = (word.split("=") for word in words.split())
            counters[host] = {key: int(value) for key, value in pairs}
        return counters

    @property
    def changed(self) -> int:
        """How many changes all hosts reported together; a run without a recap fails the test."""
        assert self.recap, self.output
        return sum(counters["changed"] for counters in self.recap.values())


def environment() -> dict[str, str]:
    """For ansible-playbook: the checkout's settings, and text that can be read by a program."""
    plain = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    return {**os.environ, **plain, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}


@functools.cache
def cluster() -> Cluster:
    """The cluster of the inventory that the scenario names in CLUSTER_INVENTORY."""
    inventory = Path(os.environ["CLUSTER_INVENTORY"]).resolve()
    listed = json.loads(
        subprocess.run(
            ["ansible-inventory", "-i", str(inventory), "--list"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )

    def group(name: str) -> tuple[Node, ...]:
        hosts = listed.get(name, {}).get("hosts", [])
        variables = listed["_meta"]["hostvars"]
        return tuple(
            Node(host, variables[host]["ansible_host"], variables[host].get("zone", ""), inventory)
            for host in hosts
        )

    return Cluster(inventory, group("managers"), group("workers"))


async def open_ports(address: str, ports: Iterable[int], seconds: float) -> set[int]:
    """Those TCP ports of an address that take a connection within so many seconds."""
    limit = asyncio.Semaphore(1500)  # a closed port is silent: many wait at once

    async def look(port: int) -> int | None:
        async with limit:
            try:
                _reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(address, port), timeout=seconds
                )
            except (OSError, TimeoutError):
                return None
            writer.close()
            return port

    found = await asyncio.gather(*(look(port) for port in ports))
    return {port for port in found if port}


def until(condition: Callable[[], bool], seconds: float, what: str = "") -> float:
    """Waits for something, for which nodes may not answer meanwhile; returns how long that took."""
    begun = time.monotonic()
    why = ""
    while True:
        try:
            if condition():
                return round(time.monotonic() - begun, 1)
        except (OSError, AssertionError, LookupError, subprocess.TimeoutExpired) as error:
            why = f" ({error!r:.300})"
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}{why}"
        time.sleep(0.5)


def note(scenario: str, row: str, **figures: Any) -> None:
    """A row of a scenario's table; written at once, so that a failed run has its table too."""
    file = ARTIFACTS / f"{scenario}.json"
    rows = json.loads(file.read_text()) if file.exists() else {}
    rows[row] = figures
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def assert_no_secret(text: str, where: str) -> None:
    """Fails, without showing it, when a secret of the credentials folder stands in the text."""
    for name in SECRETS:
        value = (cluster().credentials / name).read_text().strip()
        assert len(value) >= 32
        assert (value in text) is False, f"the value of {name} stands in {where}"


def everything_said_on(node: Node) -> str:
    """What a node tells of its containers and programs: inspect, logs, command lines, journal."""
    return node.run(
        "docker ps -aq | xargs -r docker inspect;"
        " docker ps -aq | xargs -r -n1 docker logs 2>&1;"
        " cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl --no-pager -q;"
        " cat /etc/docker/daemon.json"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
