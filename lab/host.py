"""This computer: what it can do for a lab, where it gets Debian packages from, running programs."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.plan import Lab, LabError, Node
from lab.recipes import SUITE, host_packages

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_START = time.monotonic()


def say(text: str) -> None:
    """One line of progress with the seconds since the command began."""
    print(f"[{time.monotonic() - _START:4.0f}s] {text}", file=sys.stderr, flush=True)


def cache(*parts: str) -> Path:
    """A path under the cache folder of this project."""
    root = os.environ.get("MONSTERSTACK_CACHE")
    if not root:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        root = f"{home}/monsterstack"
    return Path(root, *parts)


def run(command: Sequence[str], *, text: str | None = None, check: bool = True) -> str:
    """Run a program and return what it printed. Raises LabError with its last words if it fails.

    It never gets this process's standard input: ssh makes that non-blocking and, when killed,
    leaves it so, which Ansible then refuses.
    """
    done = subprocess.run(command, input=text or "", capture_output=True, text=True, check=False)
    if check and done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise LabError(f"'{' '.join(command)}' failed ({done.returncode}): {' / '.join(words)}")
    return done.stdout


def build(command: Sequence[str], log: Path, *, cwd: Path | None = None) -> None:
    """Run a long builder that must not outlive this process, with its output in a file.

    It gets namespaces of its own for processes and mounts, so nothing of it stays behind however
    this process ends. Raises LabError with the end of the log.
    """
    jail = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    jail += ["--kill-child", "--mount-proc"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        done = subprocess.run(
            [*jail, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            check=False,
        )
    if done.returncode:
        words = log.read_text(errors="replace").strip().splitlines()[-5:]
        raise LabError(f"{command[0]} failed ({done.returncode}), see {log}:\n" + "\n".join(words))


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; a second one waits and says for whom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            say(f"waiting for process {lock.read().strip() or '?'}, which works on {what}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def mirrors() -> dict[str, str]:
    """The Debian mirrors of this computer's apt: 'main' and, if it has one, 'security'.

    Raises LabError if apt knows none.
    """
    found: dict[str, str] = {}
    if shutil.which("apt-get"):
        targets = run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"]
        )
        found = pick_mirrors(targets, _os_release().get("VERSION_CODENAME", ""))
    if "main" not in found:
        raise LabError(
            "apt of this computer has no Debian archive: run 'apt-get update', or name one in "
            "/etc/apt/sources.list.d; the machines' packages are fetched from there."
        )
    return found


def pick_mirrors(targets: str, codename: str) -> dict[str, str]:
    """Pure part of `mirrors`: lines of URI, suite, component and origin, of which Debian's."""
    suites = {codename, "stable", "testing", "unstable", "sid", SUITE}
    found: dict[str, str] = {}
    for line in targets.splitlines():
        uri, release, component, *origin = line.split()
        if component != "main" or (origin and origin != ["Debian"]):
            continue
        if not uri.startswith(("http:", "https:")):
            continue
        if release in suites:
            found.setdefault("main", uri.rstrip("/"))
        elif release.removesuffix("-security") in suites:
            found.setdefault("security", uri.rstrip("/"))
    return found


def apt_sources() -> str:
    """The lines of a sources.list for the machines and images."""
    found = mirrors()
    lines = [f"deb {found['main']} {SUITE} main", f"deb {found['main']} {SUITE}-updates main"]
    if "security" in found:
        lines.append(f"deb {found['security']} {SUITE}-security main")
    return "".join(line + "\n" for line in lines)


def apt_proxies() -> list[str]:
    """This computer's apt settings for proxies, as lines of an apt.conf."""
    dump = run(["apt-config", "dump"])
    return [
        line
        for line in dump.splitlines()
        if re.match(r"Acquire::https?::(Proxy|[A-Za-z0-9.-]+::Proxy)", line, re.IGNORECASE)
        and not line.rstrip().endswith(' "";')
    ]


def proxy_environment() -> dict[str, str]:
    """The proxy variables of this process."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    return {key: value for key, value in os.environ.items() if key.lower() in names and value}


def resolv_conf() -> str:
    """Name servers that machines behind this computer can ask. Raises LabError if there is none."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if not path.is_file():
            continue
        text = path.read_text()
        servers = re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)
        if servers and not any(server.startswith(("127.", "::1")) for server in servers):
            return text
    raise LabError(
        "/etc/resolv.conf names only a server on this computer itself (127.…), which the machines "
        "cannot ask: name your network's server there."
    )


def _os_release() -> dict[str, str]:
    pairs = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines())
    return {key: value.strip('"') for key, _, value in pairs}


def check_platform() -> None:
    """Raises LabError with one sentence for each thing that no package can add."""
    faults: list[str] = []
    if sys.platform != "linux" or platform.machine() != "x86_64":
        faults.append(
            f"The lab's machines need Linux on x86-64; this is {sys.platform} on "
            f"{platform.machine()}: use such a computer, or your own hosts with -i."
        )
    if os.geteuid() != 0:
        faults.append(
            "The lab makes a network namespace, interfaces and nftables rules (CAP_SYS_ADMIN and "
            "CAP_NET_ADMIN): run it as root."
        )
    if faults:
        raise LabError("\n".join(faults))


def has_amx(source: Path | None = None) -> bool:
    """Whether a processor of this computer has AMX, whose registers Debian's ready kernel cannot
    write without help (whole_sets.c).

    source: a file in the form of /proc/cpuinfo (proc_cpuinfo(5)), by default that of the
    environment variable MONSTERSTACK_CPUINFO or /proc/cpuinfo itself. Raises LabError if it cannot
    be read.
    """
    source = source or Path(os.environ.get("MONSTERSTACK_CPUINFO") or "/proc/cpuinfo")
    try:
        text = source.read_text(errors="replace")
    except OSError as error:
        raise LabError(
            f"The processor's features cannot be read from {source} ({error.strerror}): unset "
            "MONSTERSTACK_CPUINFO, or name a file like /proc/cpuinfo in it."
        ) from error
    flags = re.findall(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return any("amx_tile" in line.split() for line in flags)


def check_host(lab: Lab, start: Sequence[Node], to_build: int, kind: str) -> None:
    """Everything that must be there before machines start, all faults in one LabError.

    start: the machines that do not run yet; to_build: GB the cache still has to hold; kind: the
    kernel that they are to start with, fast or ready.
    """
    faults: list[str] = []
    if not Path("/dev/net/tun").exists():
        faults.append(
            "There is no /dev/net/tun, the machines' network cards: run 'modprobe tun' "
            "(in a container: give it the device)."
        )
    try:
        check_packages(host_packages(kind, amx=has_amx()))
    except LabError as error:
        faults.append(str(error))
    memory = sum(node.memory for node in start)
    free = _free_memory()
    if memory > free:
        faults.append(
            f"{len(start)} machines may use {memory} MB of memory and {free} MB are free: "
            "lower lab_memory in the inventory or take machines out."
        )
    shared = _free_disk(Path("/dev/shm")) if Path("/dev/shm").is_dir() else 0
    if memory > shared:
        faults.append(
            f"/dev/shm, which holds the machines' memory, has {shared} MB free of the {memory} MB "
            "needed: run 'mount -o remount,size=90% /dev/shm'."
        )
    cache().mkdir(parents=True, exist_ok=True)
    disk = 1024 * to_build + 1500 * len(start)
    free = _free_disk(cache())
    if disk > free:
        faults.append(
            f"{cache()} has {free} MB free, about {disk} MB are needed: make room, or set "
            "MONSTERSTACK_CACHE to another disk."
        )
    taken = _taken_by(lab) if shutil.which("ip") else ""
    if taken:
        faults.append(
            f"The network {lab.subnet} is already in use on this computer ({taken}): "
            "choose another lab_subnet."
        )
    if faults:
        raise LabError("\n".join(faults))


def check_packages(packages: Sequence[str]) -> None:
    """Raises LabError with the names of those that are not installed or too old."""
    query = ["dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Package}\\n", *packages]
    lines = run(query, check=False).splitlines() if shutil.which("dpkg-query") else []
    there = {line.split()[1] for line in lines if line.startswith(("ii", "hi"))}
    if not list(KEYRING.parent.glob(f"debian-archive-{SUITE}-stable.*")):
        there.discard("debian-archive-keyring")
    missing = [package for package in packages if package not in there]
    if missing:
        names = " ".join(missing)
        raise LabError(
            f"These Debian packages are missing or too old: {names}. "
            f"Run 'apt-get install {names}' ('bin/lab packages --build' lists all)."
        )


def _free_memory() -> int:
    """MB that can be used without swapping (MemAvailable of proc_meminfo(5))."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(match[1]) // 1024 if match else 0


def _free_disk(path: Path) -> int:
    """MB."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize // (1024 * 1024)


def _taken_by(lab: Lab) -> str:
    """A route of this computer into the lab's network that is not the lab's own, or ''."""
    for line in run(["ip", "-4", "route", "show", "root", str(lab.subnet)]).splitlines():
        if f"dev {lab.link} " not in line + " ":
            return line.strip()
    return ""
