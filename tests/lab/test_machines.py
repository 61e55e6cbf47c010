"""The lab itself, on real machines: every verb, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import build, host, machines, plan

pytestmark = pytest.mark.machines

PROJECT = Path(__file__).resolve().parents[2]


class Bench:
    """bin/lab with an inventory of its own, whose hosts get .11, .12, … of the subnet."""

    def __init__(self, folder: Path, name: str, subnet: str, **hosts: dict[str, Any]) -> None:
        variables = {
            "lab_name": name,
            "lab_subnet": f"{subnet}.0/24",
            "lab_mirror": f"{subnet}.1:5000",
            "lab_memory": 600,
        }
        entries = {
            host: {"ansible_host": f"{subnet}.{11 + number}", **settings}
            for number, (host, settings) in enumerate(hosts.items())
        }
        # JSON is YAML, too.
        folder.mkdir()
        content = {"managers": {"hosts": entries}, "all": {"vars": variables}}
        (folder / "hosts.yml").write_text(json.dumps(content))
        self.folder = folder
        hostvars = {host: variables | own for host, own in entries.items()}
        listed = {"_meta": {"hostvars": hostvars}, "all": {"hosts": list(entries)}}
        self.lab = plan.read_inventory(listed, str(folder))

    def command(self, *words: str) -> list[str]:
        return [str(PROJECT / "bin/lab"), "-i", str(self.folder), *words]

    def __call__(self, *words: str, rc: int = 0) -> str:
        """Run a verb and return its output with what it said; `rc` is the expected exit code."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == rc, (words, done.stdout, done.stderr)
        return done.stdout + (done.stderr if rc else "")

    def status(self) -> dict[str, dict[str, Any]]:
        entries = json.loads(self("status", "--json"))["nodes"]
        return {entry["name"]: entry for entry in entries}

    def reaches(self, source: str, target: str) -> bool:
        """Whether one machine gets an answer of another's SSH server."""
        address = self.lab.node(target).address
        probe = f"timeout 3 bash -c '</dev/tcp/{address}/22' 2>/dev/null && echo yes || echo no"
        return self("ssh", source, probe).strip() == "yes"


def leftovers(lab: plan.Lab) -> list[str]:
    """Everything of a lab that can be found on this computer."""
    found = [f"process {pid} {words}" for pid, words in machines.processes(lab).items()]
    for entry in Path("/proc").iterdir():
        words = (entry / "cmdline").read_bytes() if (entry / "cmdline").is_file() else b""
        if str(lab.run_dir).encode() + b"/" in words:
            found.append(f"process {entry.name} {words!r}")
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines()
              if str(lab.run_dir) in line or str(machines.disk_dir(lab)) in line]  # fmt: skip
    for command, name in (
        (["ip", "netns", "list"], lab.netns),
        (["ip", "-brief", "link"], lab.link),
        (["ip", "route"], str(lab.subnet)),
        (["nft", "list", "tables"], lab.table),
    ):
        found += [line for line in host.run(command).splitlines() if name in line]
    paths = (lab.run_dir, machines.disk_dir(lab))
    return found + [str(path) for path in paths if path.exists()]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two machines with an engine and a bare one, running."""
    folder = tmp_path_factory.mktemp("lab") / "inventory"
    bench = Bench(folder, "test", "198.18.99", m1={}, w1={}, w2={"lab_image": "bare"})
    bench("down")
    try:
        bench("up")
        yield bench
    finally:
        bench("down")


def test_all_machines_answer_and_differ(bench: Bench) -> None:
    names = list(bench.status())
    assert names == ["m1", "w1", "w2"]
    assert all(entry["ssh"] and entry["state"] == "on" for entry in bench.status().values())
    assert [bench("ssh", name, "hostname").strip() for name in names] == names
    assert len({bench("ssh", name, "cat /etc/machine-id") for name in names}) == 3
    assert bench("ssh", "m1", "systemctl --failed --quiet --no-legend") == ""


def test_up_again_starts_nothing(bench: Bench) -> None:
    before = machines.running(bench.lab)
    begin = time.monotonic()
    bench("up")
    assert machines.running(bench.lab) == before
    # On a busy computer; alone it takes about two seconds.
    assert time.monotonic() - begin < 15


def test_engine_where_there_is_one(bench: Bench) -> None:
    assert bench("ssh", "m1", "sudo docker info -f '{{.Driver}}'").strip() == "overlay2"
    assert bench("ssh", "w2", "command -v docker || echo none").strip() == "none"


def test_clock_is_right(bench: Bench) -> None:
    before = time.time()
    inside = float(bench("ssh", "m1", "date +%s.%N"))
    assert before - 1 <= inside <= time.time() + 1


def test_root_and_passwords_stay_out(bench: Bench) -> None:
    settings = bench("ssh", "m1", "sudo sshd -T")
    assert "permitrootlogin no" in settings
    assert "passwordauthentication no" in settings


def test_package_archive_is_reached_through_this_computer(bench: Bench) -> None:
    assert "Reading package lists" in bench("ssh", "m1", "sudo apt-get update && echo done")


def test_large_frames_pass_between_machines_and_from_the_mirror(bench: Bench) -> None:
    mirror = f"http://{bench.lab.gateway}:{bench.lab.mirror_port}/v2"
    accept = "Accept: application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.loads(
        bench("ssh", "m1", f"curl -sf -H '{accept}' {mirror}/debian-python/manifests/3.13")
    )
    layer = manifest["layers"][0]
    fetch = f"curl -sf -m 30 {mirror}/debian-python/blobs/{layer['digest']}"
    assert bench("ssh", "m1", f"{fetch} | sha256sum").split()[0] == layer["digest"][7:]


def test_mirror_holds_the_images_and_takes_none(bench: Bench) -> None:
    mirror = f"http://{bench.lab.gateway}:{bench.lab.mirror_port}/v2"
    catalog = json.loads(bench("ssh", "m1", f"curl -sf {mirror}/_catalog"))
    assert catalog["repositories"] == ["debian-python", "debian-redis", "debian-registry"]
    push = f"curl -s -o /dev/null -w '%{{http_code}}' -X POST {mirror}/mine/blobs/uploads/"
    assert bench("ssh", "m1", push) == "405"


def test_plug_pulled_keeps_the_disk_and_the_host_key(bench: Bench) -> None:
    bench("ssh", "w1", "echo kept >keep; sync")
    bench("off", "w1")
    entry = bench.status()["w1"]
    assert (entry["state"], entry["ssh"]) == ("off", False)
    assert Path(entry["console"]).read_bytes()
    bench("on", "w1")
    assert bench("ssh", "w1", "cat keep").strip() == "kept"


def test_wiped_machine_is_new(bench: Bench) -> None:
    bench("ssh", "w2", "echo gone >keep; sync")
    bench("wipe", "w2")
    assert bench.status()["w2"]["state"] == "off"
    bench("on", "w2")
    assert bench("ssh", "w2", "ls").strip() == ""


def test_reboot_from_inside(bench: Bench) -> None:
    ask = ("ssh", "w2", "cat /proc/sys/kernel/random/boot_id")
    first = bench(*ask)
    memory = shutil.disk_usage("/dev/shm").used
    subprocess.run(bench.command("ssh", "w2", "sudo systemctl reboot"), check=False, timeout=60)
    deadline = time.monotonic() + 180
    path = machines.console(bench.lab, bench.lab.node("w2"))
    while path.read_bytes().count(machines.READY_LINE) < 2:
        assert time.monotonic() < deadline, path.read_text(errors="replace")[-2000:]
        time.sleep(0.5)
    assert bench(*ask) != first
    # The memory of before is freed: the machine's 600 MB are not there twice.
    assert shutil.disk_usage("/dev/shm").used - memory < 300 * 2**20


def test_machine_that_dies_shows_as_off(bench: Bench) -> None:
    os.kill(machines.running(bench.lab)["w2"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while bench.status()["w2"]["state"] == "on":
        assert time.monotonic() < deadline
    bench("up")
    assert bench.status()["w2"]["ssh"]


def test_cut_separates_machines_but_not_this_computer(bench: Bench) -> None:
    bench("cut", "w1")
    assert [bench.reaches("m1", "w1"), bench.reaches("w1", "m1")] == [False, False]
    assert bench.reaches("m1", "w2")
    assert bench.status()["w1"]["cut"]
    bench("cut", "w1", "w2")
    assert bench.reaches("w1", "w2")
    assert not bench.reaches("m1", "w2")
    bench("join", "w1", "w2")
    assert [bench.reaches("m1", "w1"), bench.reaches("w2", "m1")] == [True, True]


def test_forward(bench: Bench) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert "choose another port" in bench("forward", str(port), "m1", "22", rc=1)
    bench("forward", str(port), "m1", "22")
    before = machines.processes(bench.lab)
    bench("forward", str(port), "m1", "22")
    assert machines.processes(bench.lab).keys() == before.keys()
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            assert link.recv(4) == b"SSH-"


# Tries what lab/whole_sets.c is for on any processor: a child's registers are read whole, and
# their first half, which Linux refuses by itself, is written back with one register changed.
SHORT_SET = r"""
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char before[1 << 16], after[1 << 16];

int main(void) {
  pid_t child = fork();
  if (!child) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(7);
  }
  int state, register_15 = 160 + 15 * 16; /* xmm15 in the FXSAVE area */
  waitpid(child, &state, 0);
  struct iovec whole = {before, sizeof before};
  if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &whole)) return 2;
  memset(before + register_15, 0x5a, 16);
  before[512] |= 2; /* XSTATE_BV: the SSE registers are in use */
  struct iovec part = {before, 576};
  if (whole.iov_len <= part.iov_len) return 3;
  if (ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &part)) {
    printf("refused %d\n", errno);
  } else {
    whole = (struct iovec){after, sizeof after};
    if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &whole)) return 4;
    printf("%s\n", memcmp(before, after, whole.iov_len) ? "changed" : "written");
  }
  if (ptrace(PTRACE_CONT, child, 0, 0)) return 5;
  waitpid(child, &state, 0);
  return WIFEXITED(state) && WEXITSTATUS(state) == 7 ? 0 : 6;
}
"""


def test_short_register_sets_are_made_whole(tmp_path: Path) -> None:
    """Errno 14 is EFAULT: what the ready kernel panics of on a processor with AMX."""
    source, program = tmp_path / "short_set.c", str(tmp_path / "short_set")
    source.write_text(SHORT_SET)
    host.run(["gcc", "-Wall", "-Werror", "-o", program, str(source)])
    assert host.run([program]) == "refused 14\n"
    assert host.run(["env", f"LD_PRELOAD={build.whole_sets()}", program]) == "written\n"


@pytest.mark.parametrize("processor", ["this", "amx"])
def test_ready_kernel_in_a_lab_beside(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processor: str
) -> None:
    """Debian's kernel, in a second lab at the same time, as on this processor and as with AMX."""
    if processor == "amx":
        monkeypatch.setenv("MONSTERSTACK_CPUINFO", str(tmp_path / "cpuinfo"))
        (tmp_path / "cpuinfo").write_text("flags\t\t: fpu amx_bf16 amx_tile amx_int8\n")
    other = Bench(tmp_path / "other", "test-ready", "198.18.98", m1={})
    other("down")
    try:
        other("up", "--kernel", "ready")
        loaded = Path("/proc", str(machines.running(other.lab)["m1"]), "maps").read_text()
        assert (str(build.whole_sets()) in loaded) == host.has_amx()
        assert other("ssh", "m1", "uname -r") != bench("ssh", "m1", "uname -r")
        assert other("ssh", "m1", "sudo docker info -f '{{.Driver}}'").strip() == "overlay2"
        # Nothing new comes in from another lab.
        probe = f"timeout 3 bash -c '</dev/tcp/{bench.lab.node('m1').address}/22' && echo open"
        assert "open" not in other("ssh", "m1", f"{probe} 2>/dev/null; true")
        clash = Bench(tmp_path / "clash", "test-clash", "198.18.98", m1={})
        assert "choose another lab_subnet" in clash("up", rc=1)
    finally:
        other("down")
    assert leftovers(other.lab) == []


def test_builder_does_not_outlive_a_killed_build(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    command = ["sh", "-c", f"sleep 97; : {mark}"]
    program = f"from lab import host; host.build({command}, host.Path({mark!r}))"

    def found() -> list[str]:
        entries = (entry / "cmdline" for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return [
            str(path) for path in entries if path.exists() and mark.encode() in path.read_bytes()
        ]

    with subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT) as building:
        deadline = time.monotonic() + 20
        while len(found()) < 3:  # this Python, the jail, the builder
            assert time.monotonic() < deadline
            time.sleep(0.1)
        building.kill()
    while found():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# After the labs above, so that the cache is warm and the kill meets the start of machines.
@pytest.mark.parametrize("delay", [0.5, 1.5, 3.0, 6.0, pytest.param(None, id="random")])
def test_down_after_a_killed_up_leaves_nothing(tmp_path: Path, delay: float | None) -> None:
    assert build.kernel_folder("fast").exists()
    crash = Bench(tmp_path / "crash", "test-crash", "198.18.97", m1={}, w1={})
    seconds = random.uniform(0.3, 12) if delay is None else delay
    print(f"killed after {seconds:.2f} s")
    with subprocess.Popen(crash.command("up"), stderr=subprocess.DEVNULL) as starting:
        time.sleep(seconds)
        starting.kill()
    crash("down")
    assert leftovers(crash.lab) == []
    crash("down")


def test_down_leaves_nothing(bench: Bench) -> None:
    assert leftovers(bench.lab)
    key = str(bench.lab.run_dir / "ssh/id_ed25519")
    login = bench.command("ssh", "m1", "sleep", "600")
    with subprocess.Popen(login, stdin=subprocess.DEVNULL) as session:
        deadline = time.monotonic() + 20
        while not any(key in words for words in machines.processes(bench.lab).values()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        bench("down")
        assert session.wait(10) != 0
    assert leftovers(bench.lab) == []
