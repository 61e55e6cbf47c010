"""Two deployers on one cluster: pairs that run beside each other, pairs that do not, and what
becomes of the lock of a deployer that is gone.

A controller here is a name, a machine-id, a boot and processes of its own, as a container has them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.cluster import PROJECT, Run, cluster, environment, note, until
from tests.life import leader

pytestmark = [pytest.mark.machines, pytest.mark.fault("A4")]

SCENARIO = "locks"
HERE = Path(__file__).resolve().parent.parent
HOLD = str(HERE / "hold.yml")
CLUSTER = "monsterstack.swarm.lock"
# The lease, the watch, and what an hour of other work on two cores may add.
LEASE, WATCH, SLOW = 120, 45, 90


class Controller:
    """A computer that runs ansible-playbook: `name` is its host name, `machine` its machine-id."""

    def __init__(self, folder: Path, name: str, machine: str, netns: str = "") -> None:
        self.folder, self.name, self.netns = folder, name, netns
        folder.mkdir()
        (folder / "machine-id").write_text(f"{machine:0<32}\n")
        (folder / "boot_id").write_text(f"{machine:0>8}-0000-4000-8000-000000000000\n")
        self.go_on = folder / "go-on"

    def start(self, *words: str) -> Process:
        """ansible-playbook there, with the words after it."""
        command = [
            *(["ip", "netns", "exec", self.netns] if self.netns else []),
            *["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
            "sh",
            "-ec",
            'hostname "$0"; mount --bind "$1/machine-id" /etc/machine-id; '
            'mount --bind "$1/boot_id" /proc/sys/kernel/random/boot_id; shift; '
            # Not the first process of its container, so that what it started may end its work.
            '"$@" && code=0 || code=$?; sleep 5; exit $code',
            self.name,
            str(self.folder),
            "ansible-playbook",
            *([] if "-i" in words else ["-i", str(cluster().inventory)]),
            *words,
        ]
        return Process(command, self.folder)

    def run(self, *words: str) -> Run:
        """The same, to its end."""
        return self.start(*words).finish()

    def hold(self, stack: str, *words: str) -> Process:
        """A deployer that has a lock from here on until `go_on` is there."""
        self.go_on.unlink(missing_ok=True)
        given = ["-e", f"held={stack}", "-e", f"go_on={self.go_on}", *words]
        process = self.start(HOLD, *given)
        process.wait_for("TASK [Work until the test says so]")
        return process


class Process:
    """A playbook that runs while the test does something else."""

    started: ClassVar[list[Process]] = []

    def __init__(self, command: list[str], folder: Path) -> None:
        self.log = folder / f"log{len(Process.started)}"
        Process.started.append(self)
        private = {
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        }
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**environment(), **private},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, text: str, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.printed:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.2)

    def finish(self, seconds: float = 900) -> Run:
        self.process.wait(timeout=seconds)
        return Run(self.process.returncode, self.printed)

    def kill(self) -> None:
        """The whole controller, as a power cut: `--kill-child` ends all that ran in there."""
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        """Ctrl-C: the signal reaches every process of the terminal but those that left it."""
        os.killpg(self.process.pid, signal.SIGINT)


def locks() -> dict[str, str]:
    """Owner by name of each lock, as a manager has them; through one that answers."""
    shown = cluster().playbook("playbooks/locks.yml")
    assert shown.code == 0, shown.output
    return dict(re.findall(r"'?(\S+_lock|monsterstack\.swarm\.lock) \([^)]*\): (\S+)", shown.text))


def names() -> set[str]:
    """Names of the locks, straight from a manager."""
    listed = (
        cluster()
        .managers[0]
        .run("docker config ls --filter label=monsterstack.swarm.lock --format '{{.Name}}'")
    )
    return set(listed.split())


@pytest.fixture
def ann(tmp_path: Path) -> Controller:
    return Controller(tmp_path / "ann", "debian", "a1")


@pytest.fixture
def bob(tmp_path: Path) -> Controller:
    """Another controller, called like the first."""
    return Controller(tmp_path / "bob", "debian", "b2")


@pytest.fixture(autouse=True)
def nothing_locked() -> Iterator[None]:
    assert names() == set()
    yield
    # Of a test that failed: the next one begins without its locks.
    left = [process for process in Process.started if process.process.poll() is None]
    for process in left:
        process.kill()
    for name in names() if left else ():
        words = ["-e", f"release_lock={name}", "-e", "force=true"]
        freed = cluster().playbook("playbooks/locks.yml", *words)
        assert freed.code == 0, freed.output
    until(lambda: names() == set(), LEASE + WATCH, "a lock was left over")


def test_a_quiet_run_takes_no_cluster_lock() -> None:
    before = cluster().managers[0].run("date +%s").strip()
    run = cluster().playbook("site.yml")
    assert (run.code, run.changed) == (0, 0), run.output
    events = (
        cluster()
        .managers[0]
        .run(
            f"docker events --since {before} --until $(date +%s) --filter type=config --format "
            "'{{.Action}} {{index .Actor.Attributes \"name\"}}'"
        )
    )
    assert "create monsterstack_lock" in events
    assert CLUSTER not in events


@pytest.mark.fault("A4")
def test_the_registry_is_changed_with_the_clusters_lock(ann: Controller) -> None:
    """Refused beside a release, before anything is touched; the services pull through it."""
    spec = cluster().service("registry")
    held = ann.hold("monsterstack")
    words = ["site.yml", "-e", "registry_limit_memory=300M"]
    refused = cluster().playbook(*words)
    assert refused.code != 0, refused.output
    assert "the stack monsterstack is locked by" in refused.text
    assert refused.changed == 0
    assert cluster().service("registry") == spec
    ann.go_on.touch()
    assert held.finish().code == 0, held.printed
    run = cluster().playbook(*words)
    assert run.code == 0, run.output
    assert cluster().service("registry") != spec
    back = cluster().playbook("site.yml")
    assert back.code == 0, back.output
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output


def second_stack(folder: Path) -> list[str]:
    """Words for a second, tiny stack, and an inventory that knows nothing of the first one."""
    inventory = folder / "inventory"
    ignore = shutil.ignore_patterns("pace.yml")
    shutil.copytree(cluster().inventory, inventory, ignore=ignore)
    settings = inventory / "group_vars/all/swarm.yml"
    kept = re.sub(r"(?ms)^monsterstack_(images|build_args):\n(  .*\n)+", "", settings.read_text())
    mirror = re.search(r"lab_mirror: (\S+)", (inventory / "group_vars/all/lab.yml").read_text())
    assert mirror
    settings.write_text(kept + f"credentials_dir: {cluster().credentials}\n")
    stack = folder / "stacks/shop"
    stack.mkdir(parents=True)
    (stack / "stack.yml").write_text(
        "stack_definition:\n"
        "  tag: '1.0'\n"
        "  settings: {port: 5055}\n"
        f"  images: {{till: '{mirror[1]}/debian-redis:8.0'}}\n"
    )
    (stack / "compose.yml.j2").write_text(
        "services:\n  till:\n    image: {{ image.till }}\n"
        "    environment: {RELEASE: '{{ release.tag }}'}\n"
        "    deploy:\n      replicas: 1\n      restart_policy: {condition: any}\n"
        "      resources: {limits: {memory: 32M}, reservations: {memory: 16M}}\n"
        "      update_config: {order: start-first, failure_action: rollback, monitor: 5s}\n"
    )
    return ["-i", str(inventory), "-e", f"stacks_dir={folder / 'stacks'}", "-e", "stack=shop"]


def test_two_stacks_are_released_side_by_side(
    tmp_path: Path, ann: Controller, bob: Controller
) -> None:
    words = second_stack(tmp_path)
    held = ann.hold("monsterstack")
    # Its first release, while somebody else has the other stack's lock.
    run = bob.run("site.yml", *words)
    assert run.code == 0, run.output
    assert "monsterstack_lock" in names()
    ann.go_on.touch()
    assert held.finish().code == 0, held.printed
    # Both at once, for real.
    canary = ["-e", "canary=true", "-e", "canary_seconds=20"]
    probe = ["-e", f"probe_dir={tmp_path / 'probe'}"]
    first = ann.start("rolling_update.yml", "-e", "tag=2.0", *canary, *probe)
    first.wait_for("TASK [Begin to ask for the page", 400)
    second = bob.start("rolling_update.yml", "-e", "tag=2.0", *words)
    seen: set[str] = set()

    def both() -> bool:
        seen.update({",".join(sorted(names()))})
        return "monsterstack_lock,shop_lock" in seen

    until(both, 240, "both locks at once")
    assert second.finish().code == 0, second.printed
    assert first.finish().code == 0, first.printed
    gone = bob.run("playbooks/teardown.yml", *words, "-e", "confirm=shop")
    assert gone.code == 0, gone.output


def test_nobody_works_beside_a_maintenance(tmp_path: Path, ann: Controller) -> None:
    here = cluster()
    victim = next(node.name for node in here.managers if node != leader())
    work = f"{HERE / 'tasks/turn.yml'}"
    words = ["-e", f"do={work}", "-e", f"node={victim}", "-e", f"go_on={ann.go_on}"]
    probe = ["-e", f"probe_dir={tmp_path / 'probe'}", "-e", "rebalance=false"]
    maintenance = ann.start("playbooks/maintenance.yml", *words, *probe)
    maintenance.wait_for("TASK [Work until the test says so]", 400)
    assert locks() == {CLUSTER: "root@debian"}
    before = here.managers[0].docker("node ls --format json")
    began = time.monotonic()
    for playbook, more in (
        ("rolling_update.yml", ["-e", "tag=3.0", "-e", "build=true"]),
        ("playbooks/backup.yml", ["-e", f"backup_dir={tmp_path / 'backups'}"]),
        ("site.yml", []),
        ("playbooks/rotate_ca.yml", []),
        ("playbooks/maintenance.yml", ["-e", "do=nothing"]),
        ("playbooks/rebalance.yml", []),
    ):
        run = here.playbook(playbook, *more)
        assert run.code != 0, run.output
        assert "the cluster is locked by root@debian" in run.text
        assert "maintenance.yml" in run.text
        assert "machine a1000000" in run.text
        assert "process" in run.text
        assert "lock_wait=300" in run.text
        assert run.changed == 0, run.output
    note(SCENARIO, "six refused beside a maintenance", seconds=round(time.monotonic() - began))
    assert here.managers[0].docker("node ls --format json") == before
    ann.go_on.touch()
    done = maintenance.finish()
    assert done.code == 0, done.output
    assert "0 of" in done.text
    assert "requests failed" in done.text


def test_no_maintenance_beside_a_release(ann: Controller) -> None:
    held = ann.hold("monsterstack")
    for playbook, more in (
        ("playbooks/maintenance.yml", ["-e", "do=nothing"]),
        ("playbooks/backup.yml", []),
        ("rolling_update.yml", ["-e", "tag=2.0"]),
    ):
        run = cluster().playbook(playbook, *more)
        assert run.code != 0, run.output
        assert "the stack monsterstack is locked by root@debian" in run.text
        assert run.changed == 0, run.output
    assert names() == {"monsterstack_lock"}
    # Whoever has time waits.
    started = time.monotonic()
    background = Controller(ann.folder.parent / "carl", "carl", "c3")
    patient = background.start("playbooks/rotate_ca.yml", "-e", "lock_wait=300")
    patient.wait_for("waiting up to 300 s: the stack monsterstack is locked by root@debian", 240)
    ann.go_on.touch()
    assert held.finish().code == 0, held.printed
    done = patient.finish()
    assert done.code == 0, done.output
    note(SCENARIO, "waited for a release", seconds=round(time.monotonic() - started))


def test_two_controllers_with_one_name(ann: Controller, bob: Controller) -> None:
    """Nothing but the name is the same: no boot that "was started anew", no process that ended."""
    held = ann.hold("monsterstack")
    refused = bob.run(HOLD, "-e", "held=monsterstack", "-e", f"go_on={bob.go_on}")
    assert refused.code != 0
    assert "the stack monsterstack is locked by root@debian" in refused.text
    assert "recovered the lock" not in refused.text
    ann.go_on.touch()
    assert held.finish().code == 0, held.printed


def test_ctrl_c_gives_back(ann: Controller) -> None:
    words = ["-e", "held=blog", "-e", f"go_on={ann.go_on}"]
    # Not in a container: that would end together with the run, and with it whoever gives back.
    held = Process(["ansible-playbook", "-i", str(cluster().inventory), HOLD, *words], ann.folder)
    held.wait_for("TASK [Work until the test says so]")
    assert names() == {"blog_lock"}
    held.interrupt()
    held.process.wait(timeout=60)
    took = until(lambda: names() == set(), LEASE, "the lock of an interrupted run")
    note(SCENARIO, "given back after Ctrl-C", seconds=took)


def test_killed_and_typed_again(ann: Controller) -> None:
    """On the same controller, where everybody can see that the process has ended."""
    held = subprocess.Popen(
        [
            *["ansible-playbook", "-i", str(cluster().inventory), HOLD],
            *["-e", "held=blog", "-e", f"go_on={ann.go_on}"],
        ],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    until(lambda: names() == {"blog_lock"}, 120, "the first run's lock")
    held.kill()
    held.wait()
    ann.go_on.touch()
    again = cluster().playbook(HOLD, "-e", "held=blog", "-e", f"go_on={ann.go_on}")
    assert again.code == 0, again.output
    assert "recovered the lock of the stack blog" in again.text
    assert "that process has ended" in again.text


@pytest.fixture
def away() -> Iterator[str]:
    """A network namespace on the lab's bridge; its cable can be pulled."""
    text = (cluster().inventory / "group_vars/all/lab.yml").read_text()
    lab = re.search(r"lab_name: (\S+)", text)
    subnet = re.search(r"lab_subnet: (\S+)\.0/24", text)
    assert lab
    assert subnet
    netns, there = "locks-away", f"lab-{lab[1]}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    subprocess.run(["ip", "netns", "delete", netns], check=False, capture_output=True)
    ip("netns", "add", netns)
    ip("link", "add", "cable", "netns", netns, "type", "veth", "peer", "away", "netns", there)
    ip("-netns", there, "link", "set", "away", "master", "br0", "up")
    ip("-netns", netns, "address", "add", f"{subnet[1]}.253/24", "dev", "cable")
    ip("-netns", netns, "link", "set", "cable", "up")
    ip("-netns", netns, "link", "set", "lo", "up")
    yield netns
    ip("netns", "delete", netns)


def test_gone_without_a_word(tmp_path: Path, ann: Controller, bob: Controller, away: str) -> None:
    """One controller is killed as a whole, another loses its network: both locks end by themselves,
    and the one that comes back goes no further."""
    lost = Controller(tmp_path / "lost", "laptop", "d4", away)
    killed, cut = ann.hold("shop"), lost.hold("blog")
    # Longer than a lease: both are renewed.
    time.sleep(LEASE + 10)
    assert names() == {"shop_lock", "blog_lock"}
    assert (killed.process.poll(), cut.process.poll()) == (None, None)
    killed.kill()
    subprocess.run(["ip", "-netns", away, "link", "set", "cable", "down"], check=True)
    began = time.monotonic()
    bob.go_on.touch()
    early = bob.run(HOLD, "-e", "held=shop", "-e", f"go_on={bob.go_on}")
    assert early.code != 0, "a lease that may be alive is nobody else's"
    assert "ends in" in early.text
    other = Controller(tmp_path / "other", "debian", "e5")
    wait = ["-e", "lock_wait=400", "-e", f"go_on={other.go_on}"]
    first, second = (
        other.start(HOLD, "-e", "held=shop", *wait),
        bob.start(HOLD, "-e", "held=blog", *wait),
    )
    first.wait_for("TASK [Work until the test says so]", LEASE + WATCH + SLOW)
    second.wait_for("TASK [Work until the test says so]", LEASE + WATCH + SLOW)
    took = round(time.monotonic() - began)
    note(SCENARIO, "locks of a killed and of a cut off controller taken over", seconds=took)
    assert took > LEASE - 20, "not before the lease was over"
    for process in (first, second):
        assert "it ran out" in " ".join(process.printed.split()), process.printed
    # The cable is plugged in again, and the run would go on.
    subprocess.run(["ip", "-netns", away, "link", "set", "cable", "up"], check=True)
    time.sleep(40)
    lost.go_on.touch()
    back = cut.finish()
    assert back.code != 0, back.output
    assert "this run has no lock any more" in back.text
    assert "blog_lock" in names(), "the other one's lock is not touched"
    other.go_on.touch()
    assert first.finish().code == 0, first.printed
    assert second.finish().code == 0, second.printed


def test_a_lock_is_freed_by_name(ann: Controller) -> None:
    held = ann.hold("blog")
    words = ["playbooks/locks.yml", "-e", "release_lock=blog_lock"]
    refused = cluster().playbook(*words)
    assert refused.code != 0
    assert "blog_lock is in use" in refused.text
    freed = cluster().playbook(*words, "-e", "force=true")
    assert freed.code == 0, freed.output
    assert names() == set()
    time.sleep(40)  # the next renewal notices
    ann.go_on.touch()
    done = held.finish()
    assert done.code != 0
    assert "this run has no lock any more" in done.text
    wrong = cluster().playbook("playbooks/locks.yml", "-e", "release_lock=nobody_lock")
    assert "there is no lock" in wrong.text
