#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: node_archive
short_description: Copy a node's volumes and its part of the swarm to the controller, or back
version_added: 0.1.0
description:
  - A volume is copied where a running task of its service uses it, while that goes on running. A
    command before and one after can make the service write everything down, or hold still.
  - The swarm's state (the Raft log with services, secrets and networks) can only be copied while
    the engine stands still. It is started again whatever happens, and left alone otherwise.
  - The copies are tar files, made in a folder that only root and the user who logged in can
    read, fetched by an action plugin of the same name, and removed.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  state:
    description:
      - V(looked) says what is there and how large it is.
      - V(found) says of each volume that exists what an unpacked one would meet.
      - V(packed) copies it into O(local_dir) on the controller.
      - V(unpacked) puts it back from O(local_dir). What holds other data already, or is in use, is
        refused; where O(volumes[].aside) is given what a volume holds is moved.
    type: str
    choices: [looked, found, packed, unpacked]
    required: true
  volumes:
    description: The volumes. Those that this node does not have are passed over.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Full name of the volume.
        type: str
        required: true
      service:
        description: Full name of the service that uses it. Needed to look and to pack.
        type: str
      before:
        description: Command that is run in the service's container before the copy.
        type: list
        elements: str
        default: []
      after:
        description: Command that is run there after the copy, also after a failed one.
        type: list
        elements: str
        default: []
      labels:
        description: Labels of the volume. Needed to unpack.
        type: dict
        default: {}
      file:
        description: Name of the tar file. Needed to unpack.
        type: str
      aside:
        description:
          - Volume of the same node to which other data are moved before this one is unpacked.
        type: str
  swarm:
    description: Whether the swarm's state is meant too. Only for managers.
    type: bool
    default: false
  without_quorum:
    description:
      - Stop the engine for the copy also where the other managers are too few for a quorum, as
        RV(monsterstack.swarm.backup_plan#module:without_quorum) says.
    type: bool
    default: false
  swarm_file:
    description: Name of the tar file with the swarm's state, to unpack.
    type: str
    default: swarm.tar
  local_dir:
    description: Folder on the controller.
    type: path
  folder:
    description: Folder on the node for files that are on their way.
    type: path
    default: /var/lib/monsterstack-swarm-archive
  files:
    description: Set by the action plugin.
    type: dict
    default: {}
  done:
    description: Set by the action plugin.
    type: list
    elements: path
    default: []
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Says what would be copied.
    support: full
"""

EXAMPLES = r"""
- name: Copy the volume of the database, wherever it is
  monsterstack.swarm.node_archive:
    state: packed
    volumes:
      - name: shop_data
        service: shop_db
        before: [sh, -c, "checkpoint"]
    local_dir: /root/backup
"""

RETURN = r"""
volumes:
  description:
    - Per volume C(name), C(labels), C(bytes), and once packed C(hostname), C(file) below
      O(local_dir) and C(sha256).
    - With V(found) C(name), whether it holds C(data) as a whole, the C(archive) that it is from,
      who uses it at this moment (C(users), services), and the C(containers) of no service
      that belong to it, running or not.
  returned: success
  type: list
  elements: dict
swarm:
  description: The same of the swarm's state, with C(stopped_seconds); null when it was not meant.
  returned: success
  type: dict
tasks:
  description: How many containers of services run on this node.
  returned: when O(state=looked)
  type: int
free_bytes:
  description: Free bytes where O(folder) is.
  returned: when O(state=looked)
  type: int
"""

import contextlib
import hashlib
import os
import platform
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import commands, quorum
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.host import summarise_node

UNITS = ["docker.socket", "docker.service"]
SERVICE_LABEL = "com.docker.swarm.service.name"
# A folder inside the volume: what it holds is not whole yet.
UNFINISHED = ".monsterstack-swarm-unpacking"
SWARM_FILE = "swarm.tar"
# Label of a restored volume: which archive it is from.
RESTORED = "monsterstack.swarm.restored"


class ArchiveError(Exception):
    """Something that the user has to know, in his words."""


def private(name: str, flags: int) -> int:
    """An opener of files that only their owner reads."""
    return os.open(name, flags, 0o600)


class Hashing:
    """A file to write to that knows the SHA-256 of what was written."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = open(path, "wb", opener=private)  # noqa: SIM115 - close() is ours
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def close(self) -> str:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()


def pack(source: Path, target: Path) -> dict[str, Any]:
    """A tar file of everything below a folder, owned by the user who logged in.

    A file that grows meanwhile is copied as long as it was; one that vanishes is left out.
    """
    output = Hashing(target)
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for path in [source, *sorted(source.rglob("*"))]:
            with contextlib.suppress(FileNotFoundError):
                tar.add(path, arcname=str(path.relative_to(source)), recursive=False)
    digest = output.close()
    # sudo names who logged in: that user fetches the file, and nobody else may read it.
    os.chown(target, int(os.environ.get("SUDO_UID", os.getuid())), -1)
    return {"file": target.name, "sha256": digest, "bytes": output.size}


def unpack(source: Path, target: Path) -> None:
    """The opposite, with owners and modes as they were."""
    with tarfile.open(source) as tar:
        # The archive's seal proved that it is our own.
        safe = {"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(target, numeric_owner=True, **safe)  # type: ignore[arg-type]


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
    return total


def free_bytes(path: Path) -> int:
    """Free bytes at a path or its nearest parent that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def systemctl(*words: str) -> None:
    """Start or stop the engine."""
    code, _out, problem = commands.run(["systemctl", *words])
    if code:
        raise ArchiveError(f"systemctl {' '.join(words)} failed: {problem.strip()}")


def wait_for_engine(engine: Engine, seconds: float = 120) -> None:
    """Until the engine answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            engine.get("/info")
            return
        except EngineError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.5)


def end_tidily(number: int, _frame: Any) -> NoReturn:
    """A signal becomes an exception, so that the engine is started again."""
    raise ArchiveError(f"it was ended by signal {number}")


@contextlib.contextmanager
def engine_stopped(engine: Engine) -> Iterator[dict[str, float]]:
    """The engine stands still inside, and runs afterwards whatever happened there."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end_tidily)
    took: dict[str, float] = {}
    began = time.monotonic()
    try:
        systemctl("stop", *UNITS)
        yield took
    finally:
        systemctl("start", *UNITS)
        wait_for_engine(engine)
        took["stopped_seconds"] = round(time.monotonic() - began, 1)


def users_of(engine: Engine, volume: dict[str, Any]) -> list[str]:
    """Ids of the running containers of the volume's service that use it here."""
    label = f"{SERVICE_LABEL}={volume['service']}"
    found = engine.get("/containers/json", filters={"label": [label], "status": ["running"]})
    return [
        container["Id"]
        for container in found
        if volume["name"] in [mount.get("Name") for mount in container.get("Mounts") or []]
    ]


def users_now(engine: Engine, name: str) -> tuple[list[str], list[str]]:
    """The services that use a volume here at this moment, and the containers of none that belong
    to it: those hold it also when they do not run."""
    found = engine.get("/containers/json", all="true", filters={"volume": [name]})
    services, containers = set(), set()
    for one in found:
        service = (one.get("Labels") or {}).get(SERVICE_LABEL)
        if not service:
            containers.add(one["Names"][0].lstrip("/"))
        elif one["State"] == "running":
            services.add(service)
    return sorted(services), sorted(containers)


def execute(engine: Engine, container: str, command: list[str], why: str) -> None:
    """Run a command in a container; it must end with 0."""
    body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
    made = engine.post(f"/containers/{container}/exec", body)
    said = engine.raw("POST", f"/exec/{made['Id']}/start", body={"Detach": False}, timeout=600)
    code = engine.get(f"/exec/{made['Id']}/json")["ExitCode"]
    if code:
        # Frames of the engine's stream: eight bytes before each piece of text.
        text = "".join(c if c.isprintable() else " " for c in said.decode("utf-8", "replace"))
        raise ArchiveError(f"{why} ended with {code}: {' '.join(text.split())[-300:]}")


class Node:
    """What this module does on one host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.engine = Engine(module.params["docker_host"])
        self.folder = Path(module.params["folder"])
        self.volumes: list[dict[str, Any]] = module.params["volumes"]

    def root(self) -> Path:
        """Where the engine keeps everything."""
        return Path(self.engine.get("/info")["DockerRootDir"])

    def looked(self) -> dict[str, Any]:
        """What is here to be copied."""
        found = []
        for volume in self.volumes:
            if users_of(self.engine, volume):
                there = self.engine.get(f"/volumes/{volume['name']}")
                size = size_of(Path(there["Mountpoint"]))
                labels = there.get("Labels") or {}
                found.append({"name": volume["name"], "labels": labels, "bytes": size})
        running = {"label": [SERVICE_LABEL], "status": ["running"]}
        swarm = self.root() / "swarm"
        return {
            "volumes": found,
            "swarm": {"bytes": size_of(swarm)} if (swarm / "raft").exists() else None,
            "tasks": len(self.engine.get("/containers/json", filters=running)),
            "free_bytes": free_bytes(self.folder),
        }

    def found(self) -> dict[str, Any]:
        """What a restore would meet here."""
        found = []
        for volume in self.volumes:
            try:
                there = self.engine.get(f"/volumes/{volume['name']}")
            except EngineError as error:
                if error.status == 404:
                    continue
                raise
            target = Path(there["Mountpoint"])
            services, containers = users_now(self.engine, volume["name"])
            found.append(
                {
                    "name": volume["name"],
                    "data": any(target.iterdir()) and not (target / UNFINISHED).exists(),
                    "archive": (there.get("Labels") or {}).get(RESTORED, ""),
                    "users": services,
                    "containers": containers,
                }
            )
        return {"volumes": found, "swarm": None}

    def packed(self) -> dict[str, Any]:
        """Copies in `folder`; the action plugin fetches and then removes them."""
        result: dict[str, Any] = {"volumes": [], "swarm": None}
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob("*.tar"):  # of a run that was interrupted
            left.unlink()
        # Others may pass through, and read nothing: the files are the user's who logged in.
        self.folder.chmod(0o711)
        for volume in self.volumes:
            users = users_of(self.engine, volume)
            if users:
                result["volumes"].append(self.pack_volume(volume, users[0]))
        if self.module.params["swarm"]:
            source = self.root() / "swarm"
            if not self.module.params["without_quorum"]:
                self.refuse_away()
            with engine_stopped(self.engine) as took:
                packed = pack(source, self.folder / SWARM_FILE)
            result["swarm"] = {**packed, **took}
        return result

    def refuse_away(self) -> None:
        """Quorum, right before the engine is stopped: since the plan was made the volumes were
        copied, and another manager may have gone."""
        own = (self.engine.get("/info").get("Swarm") or {}).get("NodeID")
        nodes = [summarise_node(node) for node in self.engine.get("/nodes")]
        refusal = quorum.refuse_away(nodes, next(node for node in nodes if node["id"] == own))
        if refusal:
            raise ArchiveError(f"the engine is not stopped for the copy: {refusal}")

    def pack_volume(self, volume: dict[str, Any], container: str) -> dict[str, Any]:
        """One volume, between its two commands."""
        name = volume["name"]
        there = self.engine.get(f"/volumes/{name}")
        try:
            if volume["before"]:
                why = f"the command before the copy of {name}"
                execute(self.engine, container, volume["before"], why)
            packed = pack(Path(there["Mountpoint"]), self.folder / f"{name}.tar")
        finally:
            if volume["after"]:
                why = f"the command after the copy of {name}"
                execute(self.engine, container, volume["after"], why)
        labels = there.get("Labels") or {}
        return {"name": name, "labels": labels, "hostname": platform.node(), **packed}

    def unpacked(self) -> dict[str, Any]:
        """Everything back in its place; what is there as a whole already stays."""
        files: dict[str, str] = self.module.params["files"]
        result: dict[str, Any] = {"volumes": [], "swarm": None}
        for volume in self.volumes:
            if self.unpack_volume(volume, Path(files[volume["file"]])):
                result["volumes"].append({"name": volume["name"]})
        if self.module.params["swarm"]:
            root = self.root()
            target, fresh = root / "swarm", root / "swarm.unpacking"
            # A manager that wakes up locked says no id, and its state may be newer than this one.
            swarm = self.engine.get("/info").get("Swarm") or {}
            state = swarm.get("LocalNodeState") or "inactive"
            if state != "inactive" or swarm.get("NodeID"):
                raise ArchiveError(
                    f"{platform.node()} is in a swarm (its engine says {state}): its state is not "
                    "overwritten. Run this again: now that its engine runs, it is seen before "
                    "anything is decided"
                )
            if fresh.exists():  # an interrupted run left it
                shutil.rmtree(fresh)
            fresh.mkdir(mode=0o700)
            unpack(Path(files[self.module.params["swarm_file"]]), fresh)
            with engine_stopped(self.engine) as took:
                if target.exists():
                    shutil.rmtree(target)
                fresh.rename(target)
            result["swarm"] = took
        return result

    def move_aside(self, volume: dict[str, Any], source: Path) -> None:
        """What a volume holds goes to another one, by renaming; an interrupted run goes on."""
        name, aside = volume["name"], volume["aside"]
        place = Path(self.engine.post("/volumes/create", {"Name": aside})["Mountpoint"])
        for path in source.iterdir():
            if os.path.lexists(place / path.name):
                raise ArchiveError(
                    f"{path.name} of the volume {name} cannot be moved aside: the volume {aside} "
                    "has one too, and nothing is overwritten"
                )
            path.rename(place / path.name)
        kept = source.stat()
        os.chown(place, kept.st_uid, kept.st_gid)
        place.chmod(kept.st_mode & 0o7777)

    def refuse_held(self, name: str, seconds: float = 60) -> None:
        """Before anything is moved: the container of a task that has ended holds its volume too,
        and the engine removes none that is held. It goes by itself."""
        end = time.monotonic() + seconds
        while found := self.engine.get("/containers/json", all="true", filters={"volume": [name]}):
            if time.monotonic() > end:
                names = ", ".join(sorted(one["Names"][0].lstrip("/") for one in found))
                raise ArchiveError(
                    f"the volume {name} belongs to {names} still, and nothing was moved: Swarm "
                    "removes what is left of tasks that have ended. Scale their service to 0 if "
                    "it is not, and run this again"
                )
            time.sleep(1)

    def made_anew(self, body: dict[str, Any], seconds: float = 60) -> None:
        """An empty volume with its labels, which cannot be changed: a later run knows by them what
        was put back. A container of a task may have ended this moment and hold it still."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.engine.delete(f"/volumes/{body['Name']}")
            except EngineError as error:
                if error.status != 409 or time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                self.engine.post("/volumes/create", body)
                return

    def unpack_volume(self, volume: dict[str, Any], source: Path) -> bool:
        """One volume; False when an earlier run did it. What else it holds is moved aside."""
        body = {"Name": volume["name"], "Labels": volume["labels"]}
        there = self.engine.post("/volumes/create", body)
        target = Path(there["Mountpoint"])
        fresh = target / UNFINISHED
        same = (there.get("Labels") or {}).get(RESTORED) == volume["labels"].get(RESTORED, "")
        if any(target.iterdir()) and not fresh.exists():
            if same:
                return False
            if not volume.get("aside"):
                raise ArchiveError(
                    f"the volume {volume['name']} holds data here, which is not overwritten. With "
                    "-e aside=true the data are moved to another volume of this node first"
                )
        # Since somebody looked a task may have come: no file is changed below it.
        services, containers = users_now(self.engine, volume["name"])
        if users := containers + services:
            raise ArchiveError(
                f"the volume {volume['name']} belongs to {', '.join(users)}: run this again, "
                "which says what to do"
            )
        anew = not same and not there.get("Options")
        if anew:
            self.refuse_held(volume["name"])
        if not fresh.exists() and any(target.iterdir()):
            self.move_aside(volume, target)
        # What an interrupted run wrote, of this archive or of another one. The mark goes last: what
        # is left of an interrupted removal is nobody's data either.
        for old in sorted(target.iterdir(), key=lambda path: path == fresh):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        if anew:
            self.made_anew(body)
        fresh.mkdir(mode=0o700)
        unpack(source, fresh)
        kept = fresh.stat()
        for path in fresh.iterdir():
            path.rename(target / path.name)
        os.chown(target, kept.st_uid, kept.st_gid)
        target.chmod(kept.st_mode & 0o7777)
        fresh.rmdir()
        return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["looked", "found", "packed", "unpacked"],
                "required": True,
            },
            "volumes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "service": {"type": "str"},
                    "before": {"type": "list", "elements": "str", "default": []},
                    "after": {"type": "list", "elements": "str", "default": []},
                    "labels": {"type": "dict", "default": {}},
                    "file": {"type": "str"},
                    "aside": {"type": "str"},
                },
            },
            "swarm": {"type": "bool", "default": False},
            "without_quorum": {"type": "bool", "default": False},
            "swarm_file": {"type": "str", "default": SWARM_FILE},
            "local_dir": {"type": "path"},
            "folder": {"type": "path", "default": "/var/lib/monsterstack-swarm-archive"},
            "files": {"type": "dict", "default": {}},
            "done": {"type": "list", "elements": "path", "default": []},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    state = module.params["state"]
    try:
        node = Node(module)
        if module.params["done"]:
            for path in module.params["done"]:
                Path(path).unlink(missing_ok=True)
            module.exit_json(changed=False)
        if state == "found":
            module.exit_json(changed=False, **node.found())
        if state == "looked" or (module.check_mode and state == "packed"):
            module.exit_json(changed=False, **node.looked())
        if module.check_mode:
            module.exit_json(changed=True, volumes=[], swarm=None)
        result = node.packed() if state == "packed" else node.unpacked()
    except (ArchiveError, EngineError, OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"{error}")
    # A copy leaves the node as it was.
    changed = state == "unpacked" and bool(result["volumes"] or result["swarm"])
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()
