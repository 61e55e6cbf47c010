"""The running lab: network, machines, mirror, and taking all of it away again.

What runs is read from the system itself (processes, network namespace), never from a file of
process ids: so it is true after any crash, and no number of a dead process is ever used.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import build, host, plan
from lab.plan import Boot, Lab, LabError, Node

# A machine that reboots executes its own argv[0] again, with its files still open: the network
# card would be busy and the old memory never freed. So argv[0] is this, which closes them.
BOOT_SCRIPT = """\
#!/bin/bash
for fd in /proc/$$/fd/*; do
  fd=${fd##*/}
  ((fd < 3 || fd == 255)) || eval "exec $fd>&-"
done
exec -a "$0" "$LAB_KERNEL" "$@"
"""
READY_LINE = b"lab: machine is ready"
# A program that is being loaded has no command line for a moment, and that lasts as long as the
# disk is busy: so only a machine that was not seen so many times in a row is a dead one.
DEAD_LOOKS = 10
BOOT_SECONDS = {"fast": 240, "ready": 600}


def node_dir(lab: Lab, node: Node) -> Path:
    return lab.run_dir / "nodes" / node.name


def console(lab: Lab, node: Node) -> Path:
    """What the machine printed since it was switched on."""
    return node_dir(lab, node) / "console.log"


def disk_dir(lab: Lab) -> Path:
    return host.cache("disk", lab.name)


# Processes


def _arguments(pid: int) -> list[str]:
    """The command line of a process; empty for a dead one."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _namespace(path: Path) -> int:
    """The inode number that names a network namespace; 0 if there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def processes(lab: Lab) -> dict[int, list[str]]:
    """All processes of the lab with their command lines: those in its network namespace,
    machines that name its folder (should the namespace have lost its name), and logins with its
    key (a killed `up` leaves them waiting for a machine that is no more)."""
    ours = _namespace(Path("/run/netns", lab.netns))
    marks = {f"uml_dir={lab.run_dir}/uml/", str(_key(lab))}
    found: dict[int, list[str]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        arguments = _arguments(int(entry))
        inside = ours and _namespace(Path("/proc", entry, "ns/net")) == ours
        if inside or marks.intersection(arguments):
            found[int(entry)] = arguments
    return found


def running(lab: Lab) -> dict[str, int]:
    """The machines that run, by name, with the id of their first process."""
    found: dict[str, int] = {}
    names = {f"umid={lab.umid(node)}": node.name for node in lab.nodes}
    for pid, arguments in sorted(processes(lab).items()):
        for argument in names.keys() & set(arguments):
            found.setdefault(names[argument], pid)
    return found


def _kill(lab: Lab, which: Iterable[str] | None = None) -> None:
    """End the processes of some machines, or of the whole lab, at once and for certain."""
    marks = None if which is None else {f"umid={lab.umid(lab.node(name))}" for name in which}
    deadline = time.monotonic() + 20
    while True:
        victims = [
            pid
            for pid, arguments in processes(lab).items()
            if marks is None or marks.intersection(arguments)
        ]
        if not victims:
            return
        if time.monotonic() > deadline:
            raise LabError(f"The processes {victims} do not end: look at them with 'ps'.")
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _spawn(
    lab: Lab,
    command: Sequence[str],
    log: Path,
    fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a program in the lab's network namespace that outlives this one.

    A machine's console has to be something that can be waited for (epoll), which a file cannot:
    its first program would hang at the shutdown. So a second process carries it to the file.
    """
    if log.exists():
        log.replace(log.with_suffix(".old"))

    def start(words: Sequence[str], stdin: int, stdout: int) -> None:
        subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{lab.netns}", "--", *words],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=fds,
            cwd=lab.run_dir,
            env={**os.environ, "TMPDIR": "/dev/shm", **(environment or {})},
        )

    reader, writer = os.pipe()
    try:
        with log.open("wb") as output:
            start(["cat"], reader, output.fileno())
        start(command, subprocess.DEVNULL, writer)
    finally:
        os.close(reader)
        os.close(writer)


# Network


def _ip(*words: str, netns: str = "") -> str:
    return host.run(["ip", *(["-netns", netns] if netns else []), *words])


def _make_network(lab: Lab) -> None:
    """Namespace, bridge, cables and address translation; each only if it is not there."""
    ns = lab.netns
    if not Path("/run/netns", ns).exists():
        _ip("netns", "add", ns)
    inside = _links(ns)
    if "br0" not in inside:
        _ip("link", "add", "br0", "type", "bridge", netns=ns)
    prefix = lab.subnet.prefixlen
    _ip("address", "replace", f"{lab.gateway}/{prefix}", "dev", "br0", netns=ns)
    for interface in ("lo", "br0"):
        _ip("link", "set", interface, "up", netns=ns)
    if lab.link not in _links():
        _ip("link", "add", lab.link, "type", "veth", "peer", "name", "host", "netns", ns)
    _ip("link", "set", "host", "master", "br0", "up", netns=ns)
    _ip("address", "replace", f"{lab.host_address}/{prefix}", "dev", lab.link)
    _ip("link", "set", lab.link, "up")
    _ip("route", "replace", "default", "via", str(lab.host_address), netns=ns)
    if lab.private and "br1" not in inside:
        # No cable to this computer: what is asked from here comes in by the first network.
        _ip("link", "add", "br1", "type", "bridge", netns=ns)
    if lab.private:
        _ip("link", "set", "br1", "up", netns=ns)
    for node in lab.nodes:
        for cable, bridge in zip(node.cables, ("br0", "br1"), strict=False):
            if cable not in inside:
                _ip("tuntap", "add", "dev", cable, "mode", "tap", netns=ns)
            _ip("link", "set", cable, "master", bridge, "up", netns=ns)
    _forwarding(lab)
    host.run(["nft", "-f", "-"], text=_no_table(lab) + plan.host_rules(lab))


def _no_table(lab: Lab) -> str:
    """Removes the lab's table; the first line makes it, so that there is one to remove."""
    return f"table ip {lab.table}\ndelete table ip {lab.table}\n"


def _links(netns: str = "") -> set[str]:
    links = json.loads(_ip("-json", "link", "show", netns=netns) or "[]")
    return {link["ifname"] for link in links}


def _forwarding(lab: Lab) -> None:
    """Let this computer pass packets on, between the lab and its own way out only; what was
    switched on for that is remembered for the last `down`."""
    _switch(lab.link).write_text("1")
    for route in json.loads(_ip("-json", "-4", "route", "show", "default")):
        switch = _switch(route["dev"])
        if switch.read_text().strip() == "0":
            (plan.RUN_ROOT / f"forwarding.{route['dev']}").touch()
            switch.write_text("1")


def _switch(interface: str) -> Path:
    return Path("/proc/sys/net/ipv4/conf", interface, "forwarding")


def _remove_network(lab: Lab) -> None:
    if Path("/run/netns", lab.netns).exists():
        _ip("netns", "delete", lab.netns)
    if lab.link in _links():
        # The pair goes with the namespace, but the kernel may take a moment for that.
        host.run(["ip", "link", "delete", lab.link], check=False)
        if lab.link in _links():
            raise LabError(f"The interface {lab.link} cannot be removed: look at 'ip link'.")
    host.run(["nft", "-f", "-"], text=_no_table(lab))
    if not any(path.is_dir() for path in plan.RUN_ROOT.iterdir() if path != lab.run_dir):
        for mark in plan.RUN_ROOT.glob("forwarding.*"):
            switch = _switch(mark.name.removeprefix("forwarding."))
            if switch.exists():
                switch.write_text("0")
            mark.unlink()


# Keys and what makes a machine itself


def _make_keys(lab: Lab) -> None:
    """The lab's own SSH key, one host key per machine, and the known_hosts of them all."""
    folder = _key(lab).parent
    folder.mkdir(mode=0o700, exist_ok=True)
    _make_key(_key(lab), lab.name)
    known = ""
    for node in lab.nodes:
        node_dir(lab, node).mkdir(parents=True, exist_ok=True)
        key = node_dir(lab, node) / "ssh_host_ed25519_key"
        _make_key(key, node.name)
        kind, public, *_ = key.with_suffix(".pub").read_text().split()
        known += f"{node.address} {kind} {public}\n"
    (folder / "known_hosts").write_text(known)


def _make_key(path: Path, comment: str) -> None:
    """The public half is written last, so it tells that both are there."""
    if not path.with_suffix(".pub").exists():
        path.unlink(missing_ok=True)
        host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def _write_seed(lab: Lab, node: Node, path: Path) -> None:
    """The archive a machine unpacks at its first boot: names, keys, network, this computer's way
    to the outside (name servers, proxies, certificates, Debian mirror)."""
    key = node_dir(lab, node) / "ssh_host_ed25519_key"
    public = _key(lab).with_suffix(".pub").read_bytes()
    variables = "".join(f"{name}={value}\n" for name, value in host.proxy_environment().items())
    files: dict[str, tuple[bytes, int]] = {
        "etc/hostname": (f"{node.name}\n".encode(), 0o644),
        "etc/hosts": (f"127.0.0.1 localhost\n{node.address} {node.name}\n".encode(), 0o644),
        "etc/machine-id": (f"{uuid.uuid4().hex}\n".encode(), 0o444),
        "etc/resolv.conf": (host.resolv_conf().encode(), 0o644),
        "etc/environment": (variables.encode(), 0o644),
        "etc/apt/sources.list": (host.apt_sources().encode(), 0o644),
        "etc/apt/apt.conf.d/90proxy": (
            "".join(line + "\n" for line in host.apt_proxies()).encode(),
            0o644,
        ),
        "etc/ssh/ssh_host_ed25519_key": (key.read_bytes(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (key.with_suffix(".pub").read_bytes(), 0o644),
        "etc/ssl/certs/ca-certificates.crt": (host.CA_BUNDLE.read_bytes(), 0o644),
        "home/ops/.ssh/authorized_keys": (public, 0o600),
        "etc/lab/network": (plan.network_batch(lab, node).encode(), 0o644),
    }
    for certificate in Path("/usr/local/share/ca-certificates").rglob("*.crt"):
        files[str(certificate.relative_to("/"))] = (certificate.read_bytes(), 0o644)
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo("home/ops/.ssh")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, 1000, 1000
        archive.addfile(folder)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
            if name.startswith("home/ops/"):
                entry.uid = entry.gid = 1000
            archive.addfile(entry, io.BytesIO(content))


# Verbs


def up(lab: Lab, kind: str) -> None:
    """Start what is missing of the lab and wait until all of it answers. kind: auto|fast|ready."""
    alive = running(lab)
    start = [node for node in lab.nodes if node.name not in alive]
    chosen = lab.run_dir / "kernel"
    if kind == "auto" and alive and chosen.exists():
        kind = chosen.read_text()
    elif kind == "auto":
        kind = "fast" if build.kernel_folder("fast").exists() else "ready"
        if kind == "ready" and start:
            host.say(
                "taking Debian's ready kernel: the 4 times faster one is not in the cache "
                "('bin/lab kernel' builds it in about 10 minutes)"
            )
    images = {(node.image, node.disk) for node in lab.nodes}
    to_build = build.gigabytes_to_build({image for image, _ in images}, kind)
    host.check_host(lab, start, to_build, kind)
    if kind == "ready" and start and host.has_amx():
        host.say("this processor has AMX: Debian's ready kernel gets a library for its registers")
    disks = {key: build.system_image(*key) for key in sorted(images)}
    kernel = build.kernel(kind)
    mirror = build.mirror()

    if not lab.run_dir.exists() and disk_dir(lab).exists():
        # Left over from before a restart of this computer: nothing has the keys to them.
        shutil.rmtree(disk_dir(lab))
    (lab.run_dir / "uml").mkdir(parents=True, exist_ok=True)
    disk_dir(lab).mkdir(parents=True, exist_ok=True)
    chosen.write_text(kind)
    _make_keys(lab)
    _make_network(lab)
    _start_mirror(lab, mirror)
    boot(lab, start, kernel, disks)
    wait(lab, lab.nodes, start, kind)


def _start_mirror(lab: Lab, folder: Path) -> None:
    program = str(folder / "registry")
    if any(program in arguments for arguments in processes(lab).values()):
        return
    config = lab.run_dir / "mirror.yml"
    config.write_text(
        f"""\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/storage}}
  maintenance: {{readonly: {{enabled: true}}}}
http: {{addr: "{lab.gateway}:{lab.mirror_port}"}}
"""
    )
    _spawn(lab, [program, "serve", str(config)], lab.run_dir / "mirror.log")


def boot(
    lab: Lab,
    nodes: Sequence[Node],
    kernel: build.Kernel,
    disks: dict[tuple[str, int], Path],
) -> None:
    """Switch machines on; returns at once."""
    if nodes:
        names = ", ".join(node.name for node in nodes)
        host.say(f"starting {names} (kernel: {kernel.kind})")
    program = lab.run_dir / "boot"
    program.write_text(BOOT_SCRIPT)
    program.chmod(0o755)
    for node in nodes:
        folder = node_dir(lab, node)
        disk = disk_dir(lab) / f"{node.name}.cow"
        seed = folder / "seed.tar"
        # A disk holds only what differs from the image it began with: it is bound to that one.
        begun = folder / "image"
        if not disk.exists():
            _write_seed(lab, node, seed)
            begun.write_text(str(disks[node.image, node.disk]))
        files = Boot(
            program=program,
            seccomp=kernel.kind == "fast",
            image=Path(begun.read_text()),
            modules=kernel.modules,
            seed=seed,
            disk=disk,
            uml_dir=lab.run_dir / "uml",
        )
        command = plan.kernel_command(lab, node, files)
        if kernel.libraries:
            # Debian 13's program on a possibly older system: its C library is laid over the
            # host's, in a mount namespace of its own.
            target = "/usr/lib/x86_64-linux-gnu"
            layers = f"lowerdir={kernel.libraries}:{target}"
            swap = f'mount -t overlay -o "{layers}" overlay {target} && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", swap, "sh", *command]
        environment = {"LAB_KERNEL": str(kernel.program)}
        if kernel.preload:
            environment["LD_PRELOAD"] = str(kernel.preload)
        _spawn(lab, command, console(lab, node), environment=environment)


def wait(lab: Lab, nodes: Sequence[Node], new: Sequence[Node], kind: str) -> None:
    """Until SSH, and the engine where there is one, answer on all of them; `new` ones are tried.

    Raises LabError naming the machines that died or did not answer in time.
    """
    deadline = time.monotonic() + BOOT_SECONDS[kind]
    waiting = {node.name: node for node in nodes}
    missed = dict.fromkeys(waiting, 0)
    while waiting:
        alive = running(lab)
        for name, node in list(waiting.items()):
            missed[name] = 0 if name in alive else missed[name] + 1
            if missed[name] >= DEAD_LOOKS:
                raise LabError(
                    f"{name} stopped while starting. The end of {console(lab, node)}:\n"
                    f"{_last_lines(console(lab, node))}"
                )
            if READY_LINE in console(lab, node).read_bytes() and ssh_answers(node):
                del waiting[name]
        if not waiting:
            break
        if time.monotonic() > deadline:
            raise LabError(
                f"{', '.join(waiting)} did not answer within {BOOT_SECONDS[kind]} s: "
                f"see {', '.join(str(console(lab, node)) for node in waiting.values())}."
            )
        time.sleep(0.3)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda node: _prove(lab, node), new))


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def ssh_answers(node: Node) -> bool:
    """Whether an SSH server greets at the machine's address."""
    try:
        with socket.create_connection((str(node.address), 22), timeout=2) as link:
            return link.recv(4) == b"SSH-"
    except OSError:
        return False


def _key(lab: Lab) -> Path:
    """The private key with which this computer logs in to the lab's machines."""
    return lab.run_dir / "ssh" / "id_ed25519"


def ssh_command(lab: Lab, node: Node) -> list[str]:
    known = _key(lab).with_name("known_hosts")
    return [
        *("ssh", "-i", str(_key(lab)), "-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
        *("-o", "LogLevel=ERROR", f"ops@{node.address}"),
    ]


def _prove(lab: Lab, node: Node) -> None:
    """Log in once; where there is a Docker Engine it has to answer."""
    probe = "if [ -e /usr/sbin/dockerd ]; then sudo docker version -f {{.Server.Version}}; fi"
    host.run([*ssh_command(lab, node), probe])


def on(lab: Lab, nodes: Sequence[Node]) -> None:
    """Switch machines on that are off and wait until they answer."""
    require_up(lab)
    alive = running(lab)
    kind = (lab.run_dir / "kernel").read_text()
    disks = {(node.image, node.disk): build.system_image(node.image, node.disk) for node in nodes}
    boot(lab, [node for node in nodes if node.name not in alive], build.kernel(kind), disks)
    wait(lab, nodes, nodes, kind)


def off(lab: Lab, nodes: Sequence[Node]) -> None:
    """Pull the plug."""
    _kill(lab, [node.name for node in nodes])


def wipe(lab: Lab, nodes: Sequence[Node]) -> None:
    """Off, and a new empty disk: a reinstalled machine."""
    off(lab, nodes)
    for node in nodes:
        (disk_dir(lab) / f"{node.name}.cow").unlink(missing_ok=True)


def islands(lab: Lab) -> list[list[str]]:
    path = lab.run_dir / "cuts.json"
    if not path.exists():
        return []
    known = {node.name for node in lab.nodes}
    stored: list[list[str]] = json.loads(path.read_text())
    return [[name for name in island if name in known] for island in stored]


def set_islands(lab: Lab, now: Sequence[Sequence[str]]) -> None:
    require_up(lab)
    nft = ["ip", "netns", "exec", lab.netns, "nft", "-f", "-"]
    host.run(nft, text=plan.cut_rules(lab, now))
    (lab.run_dir / "cuts.json").write_text(json.dumps(now))


def require_up(lab: Lab) -> None:
    if not Path("/run/netns", lab.netns).exists() or not lab.run_dir.exists():
        raise LabError(f"The lab '{lab.name}' is not up: run 'bin/lab up' first.")


def forward(lab: Lab, local: int, node: Node, port: int) -> None:
    """127.0.0.1:local on this computer leads to a port of the machine, until `down`."""
    require_up(lab)
    words = ["-m", "lab.forward", f"127.0.0.1:{local}", f"{node.address}:{port}"]
    if any(arguments[1:5] == words for arguments in processes(lab).values()):
        return
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        try:
            listener.bind(("127.0.0.1", local))
        except OSError as error:
            raise LabError(
                f"127.0.0.1:{local} cannot be used ({error.strerror}): choose another port."
            ) from error
        listener.listen(64)
        # The socket belongs to this computer's network, the process that serves it to the lab's:
        # so `down` finds it like all others.
        descriptor = listener.fileno()
        command = [sys.executable, *words, str(descriptor)]
        log = lab.run_dir / f"forward-{local}.log"
        home = str(Path(__file__).resolve().parent.parent)
        _spawn(lab, ["env", f"PYTHONPATH={home}", *command], log, [descriptor])
    for _ in range(100):
        if any(arguments[1:5] == words for arguments in processes(lab).values()):
            return
        time.sleep(0.02)
    raise LabError(f"The forwarding did not start: see {log}.")


def status(lab: Lab) -> list[dict[str, object]]:
    """One entry per machine: name, address, state on|off|missing, ssh, cut, console."""
    alive = running(lab)
    apart = {name for island in islands(lab) for name in island}
    with ThreadPoolExecutor(max_workers=16) as pool:
        answers = pool.map(lambda node: node.name in alive and ssh_answers(node), lab.nodes)
        return [
            {
                "name": node.name,
                "address": str(node.address),
                "state": "on" if node.name in alive else "off",
                "ssh": answer,
                "cut": node.name in apart,
                "memory_mb": node.memory,
                "image": node.image,
                "console": str(console(lab, node)),
            }
            for node, answer in zip(lab.nodes, answers, strict=True)
        ]


def down(lab: Lab) -> None:
    """Take everything of the lab away, whatever state it is in."""
    _kill(lab)
    plan.RUN_ROOT.mkdir(parents=True, exist_ok=True)
    _remove_network(lab)
    for folder in (lab.run_dir, disk_dir(lab)):
        if folder.exists():
            shutil.rmtree(folder)
