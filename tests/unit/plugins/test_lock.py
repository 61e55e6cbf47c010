"""Locks of stacks and of the cluster: who has them, when they end, that only one of two works."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible import context

from ansible_collections.monsterstack.swarm.plugins.action.stack_lock import ActionModule
from ansible_collections.monsterstack.swarm.plugins.module_utils import lock
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import EngineError
from ansible_collections.monsterstack.swarm.plugins.modules import stack_lock
from ansible_collections.monsterstack.swarm.plugins.plugin_utils.run_locks import RunLocks

ANN = lock.Owner("ann", "desk", 100, "boot1 pid:[1]", "555", 1000.0, "machine1")
BOB = dataclasses.replace(ANN, user="bob", pid=200)
NOW = 1_800_000_000.0


# Whether an owner can still be there


@pytest.mark.fault("A4")
@pytest.mark.parametrize(
    ("holder", "here", "runs", "gone"),
    [
        (ANN, ANN, True, False),
        (ANN, ANN, False, True),
        (ANN, dataclasses.replace(ANN, place="boot2 pid:[1]"), False, False),
        (ANN, dataclasses.replace(ANN, place="boot2 pid:[1]", machine="machine2"), False, False),
        (ANN, dataclasses.replace(ANN, machine="machine2"), False, False),
        (ANN, dataclasses.replace(ANN, place="boot1 pid:[2]"), False, False),
        (ANN, dataclasses.replace(ANN, host="renamed"), False, True),
        (dataclasses.replace(ANN, machine=""), ANN, False, True),
        (dataclasses.replace(ANN, place=""), dataclasses.replace(ANN, place=""), False, False),
    ],
    ids=[
        "it still runs, however long",
        "it has ended",
        "another boot of a host of this name: perhaps another host",
        "another controller with this host name",
        "another installation that shares this kernel",
        "another container of this host: cannot be seen",
        "a host that was renamed meanwhile",
        "a lock of an older version, on this very system",
        "nothing can be known",
    ],
)
def test_gone(holder: lock.Owner, here: lock.Owner, runs: bool, gone: bool) -> None:
    assert (lock.gone(holder, here, runs) is not None) == gone


@pytest.mark.fault("A4")
def test_a_process_that_proc_hides_is_no_dead_one(tmp_path: Path) -> None:
    """With hidepid, /proc has no folder for another user's process; kill() knows better."""
    me, gone = os.getpid(), subprocess.Popen(["true"])
    gone.wait()
    assert lock.begun(me, tmp_path) == ""
    assert lock.runs(me, lock.begun(me), tmp_path)
    assert not lock.runs(gone.pid, "123", tmp_path)


def test_a_number_that_was_given_again() -> None:
    me = os.getpid()
    assert lock.runs(me, lock.begun(me))
    assert not lock.runs(me, lock.begun(me) + "0")


@pytest.mark.parametrize(
    ("error", "there"),
    [(None, True), (PermissionError(), True), (ProcessLookupError(), False)],
    ids=["ours", "another user's", "none"],
)
def test_exists(error: OSError | None, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        assert (pid, number) == (7, 0)
        if error:
            raise error

    monkeypatch.setattr(os, "kill", kill)
    assert lock.exists(7) == there


def test_begun_survives_odd_names(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(str(n) for n in range(3, 53))
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) {fields}\n")
    assert lock.begun(7, tmp_path) == "22"
    assert lock.begun(8, tmp_path) == ""


def test_a_real_process() -> None:
    me = lock.this_owner(os.getpid())
    assert lock.begun(os.getpid()) == me.begun != ""
    assert lock.owner_from(dataclasses.asdict(me)) == me


@pytest.mark.fault("A4")
def test_the_machine_is_part_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_text("0123456789abcdef\n")
    one = lock.this_owner(os.getpid(), etc=tmp_path)
    other = lock.this_owner(os.getpid(), etc=tmp_path / "nowhere")
    assert (one.machine, other.machine) == ("0123456789abcdef", "")
    assert "machine 01234567" in str(one)
    assert not lock.same(dataclasses.asdict(one), dataclasses.asdict(other))


@pytest.mark.parametrize(
    "data",
    [{}, {"pid": "x"}, {"user": 1}]
    + [{**dataclasses.asdict(ANN), "pid": pid} for pid in (0, -1, 2**40, "1e9")],
    ids=str,
)
def test_no_lock_of_ours(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        lock.owner_from(data)


# A swarm that keeps configs


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


class Swarm:
    """Configs as the managers keep them: a name is given once, only labels change."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.now = NOW
        self.before_create: Any = None

    def get(self, path: str, **query: Any) -> Any:
        if path.startswith("/configs/"):
            try:
                return json.loads(json.dumps(self.configs[path.removeprefix("/configs/")]))
            except KeyError:
                raise EngineError(404, "not found") from None
        assert path in ("/configs", "/services", "/secrets"), path
        if path == "/secrets":
            return [{"Spec": {"Name": "shop_pin"}}]
        if path == "/services":
            return []
        wanted = query["filters"]["label"][0]
        key, _equals, value = wanted.partition("=")
        return [
            json.loads(json.dumps(config))
            for config in self.configs.values()
            if key in config["Spec"]["Labels"]
            and (not value or config["Spec"]["Labels"][key] == value)
        ]

    def post(self, path: str, body: Any, **query: Any) -> Any:
        if path.endswith("/update"):
            config = self.configs[path.split("/")[2]]
            if query["version"] != str(config["Version"]["Index"]):
                raise EngineError(500, "update out of sequence")
            spec = config["Spec"]
            if (body["Name"], body["Data"]) != (spec["Name"], spec["Data"]):
                raise EngineError(400, "only updates to Labels are allowed")
            config["Spec"] = body
            config["Version"]["Index"] += 1
            config["UpdatedAt"] = stamp(self.now)
            return None
        assert path == "/configs/create"
        if self.before_create:
            action, self.before_create = self.before_create, None
            action()
        if any(c["Spec"]["Name"] == body["Name"] for c in self.configs.values()):
            raise EngineError(409, "name conflicts")
        self.made += 1
        self.configs[f"id{self.made}"] = {
            "ID": f"id{self.made}",
            "Version": {"Index": 10 * self.made},
            "CreatedAt": stamp(self.now),
            "UpdatedAt": stamp(self.now),
            "Spec": body,
        }
        return None

    def delete(self, path: str) -> None:
        if self.configs.pop(path.removeprefix("/configs/"), None) is None:
            raise EngineError(404, "not found")

    def names(self) -> list[str]:
        return sorted(config["Spec"]["Name"] for config in self.configs.values())


@pytest.fixture
def swarm(monkeypatch: pytest.MonkeyPatch) -> Swarm:
    """A swarm whose clock only moves when somebody waits."""
    it = Swarm()
    began = it.now
    monkeypatch.setattr(time, "time", lambda: it.now)
    monkeypatch.setattr(time, "monotonic", lambda: it.now - began)

    def sleep(seconds: float) -> None:
        it.now += seconds
        if renewing := getattr(it, "while_waiting", None):
            renewing()

    monkeypatch.setattr(time, "sleep", sleep)
    return it


def call(
    swarm: Any, work: Any, who: lock.Owner, stack: str | None = "shop", **more: Any
) -> dict[str, Any]:
    params = {
        "scope": "stack" if stack else "cluster",
        "stack": stack,
        "owner": dataclasses.asdict(who),
        "replace": [],
        "name": None,
        "force": False,
        **more,
    }
    module = SimpleNamespace(params=params, check_mode=params.pop("check", False))
    result: dict[str, Any] = work(module, swarm)
    return result


def take(swarm: Swarm, who: lock.Owner, stack: str | None = "shop", **more: Any) -> dict[str, Any]:
    return call(swarm, stack_lock.take_lock, who, stack, **more)


def old_lock(swarm: Swarm, who: lock.Owner, age: float = 0.0) -> None:
    """As versions without leases made it: see RECORDED."""
    content = {k: v for k, v in dataclasses.asdict(who).items() if k != "machine"}
    data = base64.b64encode(json.dumps(content).encode()).decode()
    labels = {"com.docker.stack.namespace": "shop", "monsterstack.swarm.lock": "1"}
    now, swarm.now = swarm.now, swarm.now - age
    swarm.post("/configs/create", {"Name": "shop_lock", "Labels": labels, "Data": data})
    swarm.now = now


# Who gets it


def test_one_of_two_gets_it(swarm: Swarm) -> None:
    assert take(swarm, ANN)["held"]
    assert take(swarm, ANN)["held"], "taking twice is no obstacle"
    refused = take(swarm, BOB)
    assert (refused["held"], refused["others"][0]["holder"]["user"]) == (False, "ann")
    call(swarm, stack_lock.unlock, BOB)
    assert swarm.names() == ["shop_lock"], "somebody else's is not given back"
    call(swarm, stack_lock.unlock, ANN)
    assert not swarm.configs
    assert take(swarm, BOB)["held"]


def test_who_is_quicker_between_question_and_creation_has_it(swarm: Swarm) -> None:
    swarm.before_create = lambda: take(swarm, ANN)
    assert take(swarm, BOB)["others"][0]["holder"]["user"] == "ann"


def test_only_the_lock_that_was_judged_is_replaced(swarm: Swarm) -> None:
    take(swarm, ANN)
    assert take(swarm, BOB, replace=["id1"])["held"]
    carl = dataclasses.replace(ANN, user="carl", pid=300)
    assert take(swarm, carl, replace=["id1"])["others"][0]["holder"]["user"] == "bob"


def test_two_stacks_are_no_obstacle(swarm: Swarm) -> None:
    assert take(swarm, ANN, "shop")["held"]
    assert take(swarm, BOB, "blog")["held"]
    assert swarm.names() == ["blog_lock", "shop_lock"]


@pytest.mark.fault("A4")
@pytest.mark.parametrize(
    ("first", "second"),
    [("shop", None), (None, "shop"), (None, None)],
    ids=["a release, then the cluster", "the cluster, then a release", "the cluster twice"],
)
def test_the_cluster_excludes_the_stacks(
    swarm: Swarm, first: str | None, second: str | None
) -> None:
    assert take(swarm, ANN, first)["held"]
    refused = take(swarm, BOB, second)
    assert not refused["held"]
    assert refused["others"][0]["holder"]["user"] == "ann"
    assert swarm.names() == [lock.config_name(first)], "whoever is refused leaves nothing"


@pytest.mark.fault("A4")
def test_one_run_may_have_both(swarm: Swarm) -> None:
    assert take(swarm, ANN, None)["held"]
    assert take(swarm, ANN, "shop")["held"]
    assert take(swarm, ANN, None)["held"]


@pytest.mark.fault("A4")
def test_both_at_the_same_moment_never_both_work(swarm: Swarm) -> None:
    swarm.before_create = lambda: take(swarm, ANN, None)
    assert not take(swarm, BOB, "shop")["held"]
    assert swarm.names() == [lock.CLUSTER]


@pytest.mark.parametrize("name", ["cluster", "monsterstack.swarm.", "monsterstack.swarm"])
def test_no_stack_is_called_like_the_cluster(name: str) -> None:
    assert lock.config_name(name) != lock.config_name(None)


def test_a_longer_name_is_another_stack(swarm: Swarm) -> None:
    labels = {lock.LABEL: "1"}
    swarm.post("/configs/create", {"Name": "shop_locksmith", "Labels": labels, "Data": ""})
    assert take(swarm, ANN)["held"]


def test_a_config_that_is_no_lock(swarm: Swarm) -> None:
    swarm.post("/configs/create", {"Name": "shop_lock", "Labels": {}, "Data": ""})
    with pytest.raises(stack_lock.LockError, match="shop_lock is no lock"):
        take(swarm, ANN)


def test_check_mode_takes_nothing(swarm: Swarm) -> None:
    assert not take(swarm, ANN, check=True)["held"]
    assert not swarm.configs
    take(swarm, ANN)
    assert take(swarm, BOB, check=True)["others"]
    call(swarm, stack_lock.unlock, ANN, check=True)
    assert swarm.configs


def test_whoever_has_it_sees_what_runs(swarm: Swarm) -> None:
    seen = call(swarm, stack_lock.take, ANN)
    assert (seen["secrets"], seen["running"], seen["current"]) == (["shop_pin"], {}, None)
    assert "running" not in call(swarm, stack_lock.take, BOB)
    assert "running" not in call(swarm, stack_lock.take, ANN, None)


# How long it holds


@pytest.mark.fault("A4")
def test_a_lease_ends_by_itself(swarm: Swarm) -> None:
    take(swarm, ANN)
    swarm.now += lock.LEASE_SECONDS - 1
    before = swarm.now
    assert not take(swarm, BOB)["held"]
    assert swarm.now == before, "who holds still is refused at once"
    swarm.now += 2
    taken = take(swarm, BOB)
    assert taken["held"]
    assert swarm.now - before >= lock.WATCH_SECONDS
    assert [one["holder"]["user"] for one in taken["recovered"]] == ["ann"]


@pytest.mark.fault("A4")
def test_a_renewed_lease_holds(swarm: Swarm) -> None:
    take(swarm, ANN)
    for _round in range(400):  # more than the two hours that were too short for a canary
        swarm.now += lock.RENEW_SECONDS
        assert lock.renew(swarm, dataclasses.asdict(ANN)) == ["shop_lock"]
    assert not take(swarm, BOB)["held"]
    assert lock.renew(swarm, dataclasses.asdict(BOB)) == []


@pytest.mark.fault("A4")
def test_a_wrong_clock_steals_nothing(swarm: Swarm) -> None:
    """The clock of this manager is an hour ahead, and the owner is alive."""
    swarm.now -= 3600
    take(swarm, ANN)
    swarm.now += 3600
    swarm.while_waiting = lambda: lock.renew(swarm, dataclasses.asdict(ANN))  # type: ignore[attr-defined]
    assert not take(swarm, BOB)["held"]
    swarm.while_waiting = lambda: None  # type: ignore[attr-defined]
    assert "id1" in swarm.configs


@pytest.mark.fault("A4")
def test_controllers_clocks_are_not_compared(swarm: Swarm) -> None:
    """Ann's clock was years behind when she took the lock: `at` says so, and nobody cares."""
    take(swarm, dataclasses.replace(ANN, at=0.0))
    assert not take(swarm, BOB)["held"]


@pytest.mark.fault("A4")
def test_locks_of_older_versions(swarm: Swarm) -> None:
    old_lock(swarm, ANN, age=lock.OLD_SECONDS - 10)
    assert not take(swarm, BOB)["held"]
    assert not take(swarm, BOB, None)["held"]
    swarm.now += 20
    assert take(swarm, BOB)["held"]
    assert swarm.names() == ["shop_lock"]


@pytest.mark.fault("A4")
def test_a_lock_of_an_older_version_is_replaced_when_its_owner_is_gone(swarm: Swarm) -> None:
    old_lock(swarm, ANN)
    assert take(swarm, BOB, replace=["id1"])["held"]


# What the managers of a real swarm said of a lock made by the version before leases (ID, name and
# owner as they were).
RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "recorded" / "lock_without_lease.json").read_text()
)


@pytest.mark.fault("A4")
def test_a_recorded_lock_is_understood() -> None:
    made = lock.from_config(RECORDED)
    assert (made.name, made.stack, made.lease) == ("monsterstack_lock", "monsterstack", None)
    assert made.end == pytest.approx(made.created + lock.OLD_SECONDS)
    owner = lock.owner_from(made.content)
    assert (owner.machine, owner.pid > 1) == ("", True)
    assert "an older version" in lock.line(made.describe(made.created + 60))


ODD_LEASES = ["nan", "inf", "-inf", "-5", "0", "", "soon", "1e300", "9" * 400, "1e999"]


@pytest.mark.fault("A4")
@pytest.mark.parametrize("lease", ODD_LEASES, ids=lambda text: text[:9])
def test_a_lease_that_is_no_length_of_time_is_none(swarm: Swarm, lease: str) -> None:
    """The lock holds neither for ever nor for no time, and is shown like any other."""
    take(swarm, ANN)
    swarm.configs["id1"]["Spec"]["Labels"][lock.LEASE] = lease
    swarm.now += 60
    (told,) = take(swarm, BOB)["others"]
    assert told["ends"] == pytest.approx(lock.OLD_SECONDS, abs=120)
    assert "ends in" in lock.line(told)
    assert call(swarm, stack_lock.read, BOB)["lines"]
    swarm.now += lock.OLD_SECONDS
    assert take(swarm, BOB)["held"]


ODD_CONTENTS = [
    b"",
    b"{",
    b"nan",
    b"[1]",
    b"[" * 100_000,
    b"9" * 5000,
    b'{"pid": Infinity}',
    b"\xff",
]


@pytest.mark.fault("A4")
@pytest.mark.parametrize("content", ODD_CONTENTS, ids=lambda content: str(content[:9]))
def test_a_lock_whose_content_is_no_owner_is_shown_and_holds(swarm: Swarm, content: bytes) -> None:
    take(swarm, ANN)
    swarm.configs["id1"]["Spec"]["Data"] = base64.b64encode(content).decode()
    (told,) = take(swarm, BOB)["others"]
    assert told["owner"].startswith("unknown, its content cannot be read")


# Texts


@pytest.mark.fault("A4")
def test_the_refusal_says_who_and_what_to_do(swarm: Swarm) -> None:
    take(swarm, ANN)
    swarm.now += 30
    text = lock.refusal("cluster", take(swarm, BOB, None)["others"], 0)
    for words in (
        "the stack shop is locked by ann@desk",
        "machine machine1",
        "process 100",
        "for 30 s",
        "renewed 30 s ago",
        "ends in 90 s",
        "lock_wait=300",
        "locks.yml",
    ):
        assert words in text
    # What a message advises is typed at once: none may take a lock away from a living run.
    assert "config rm" not in text
    assert "release_lock" not in text


@pytest.mark.fault("C1")
def test_the_refusal_says_once_which_lock_and_what_plays(swarm: Swarm) -> None:
    """Seen: "the stack shop is not locked for this run: the stack shop is locked by ..."."""
    take(swarm, dataclasses.replace(ANN, playbook="maintenance.yml"))
    others = take(swarm, BOB)["others"]
    text = lock.refusal("stack shop", others, 0)
    assert text.startswith("the stack shop is locked by ann@desk (machine machine1), process 100,")
    assert text.count("the stack shop") == 1
    assert "maintenance.yml" in text
    other = lock.refusal("cluster", others, 12)
    assert other.startswith("after 12 s of waiting the stack shop is locked by ann@desk")
    assert "; this run needs the cluster. Nothing was changed." in other


@pytest.mark.fault("C1")
def test_a_run_is_known_by_its_playbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", {"args": ("playbooks/maintenance.yml",)})
    owner = lock.owner_from(RunLocks(os.getpid(), tmp_path).owner())
    assert str(owner).endswith(f"process {os.getpid()}, maintenance.yml")


@pytest.mark.fault("C1")
def test_who_has_no_lock_frees_none(tmp_path: Path) -> None:
    """Seen: after the refusal the task that unlocks was shown as if it had freed a lock."""
    run = cast("ActionModule", SimpleNamespace(_run_locks=RunLocks(os.getpid(), tmp_path)))
    assert ActionModule._release(run, {}, "shop_lock", None).get("skipped") is True


def test_read_lists_all(swarm: Swarm) -> None:
    take(swarm, ANN, "shop")
    take(swarm, BOB, "blog")
    lines = call(swarm, stack_lock.read, ANN)["lines"]
    assert [line.split()[0] for line in lines] == ["blog_lock", "shop_lock"]


@pytest.mark.fault("C2")
def test_the_stacks_name_is_not_the_locks(swarm: Swarm) -> None:
    take(swarm, ANN)
    with pytest.raises(stack_lock.LockError, match="Did you mean shop_lock"):
        call(swarm, stack_lock.free, BOB, name="shop")


@pytest.mark.fault("A4")
def test_free_only_what_nobody_renews(swarm: Swarm) -> None:
    take(swarm, ANN)
    swarm.while_waiting = lambda: lock.renew(swarm, dataclasses.asdict(ANN))  # type: ignore[attr-defined]
    with pytest.raises(stack_lock.LockError, match="in use"):
        call(swarm, stack_lock.free, BOB, name="shop_lock")
    assert swarm.configs
    assert call(swarm, stack_lock.free, BOB, name="shop_lock", check=True)["changed"]
    assert swarm.configs
    swarm.while_waiting = lambda: None  # type: ignore[attr-defined]
    assert call(swarm, stack_lock.free, BOB, name="shop_lock")["changed"]
    assert not swarm.configs
    with pytest.raises(stack_lock.LockError, match="there is no lock 'shop_lock'"):
        call(swarm, stack_lock.free, BOB, name="shop_lock")


# Renewing


@pytest.mark.fault("A4")
def test_a_module_that_waits_renews_and_notices(swarm: Swarm) -> None:
    take(swarm, ANN)
    renewal = lock.Renewal(swarm, dataclasses.asdict(ANN))
    for _round in range(60):
        swarm.now += 5
        renewal.keep()
    assert lock.find_all(swarm)[0].renewed > NOW + 280
    swarm.configs.clear()
    swarm.now += lock.RENEW_SECONDS
    with pytest.raises(lock.LockLostError, match="goes no further"):
        renewal.keep()
    nobody = lock.Renewal(swarm, None)
    swarm.now += lock.RENEW_SECONDS + 1
    nobody.keep()


@pytest.mark.fault("A4")
def test_the_keeper_lives_as_long_as_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    folder = tmp_path / "run"
    folder.mkdir()
    run = subprocess.Popen(["sleep", "60"])
    locks = RunLocks(run.pid, folder)
    locks.taken("shop_lock")
    rounds: list[str] = []
    back: list[str] = []

    def renew() -> list[str]:
        rounds.append("renewed")
        if len(rounds) == 2:
            raise OSError("no route to host")
        if len(rounds) == 3:
            folder.joinpath("monsterstack-locks.json").unlink()
            folder.joinpath("monsterstack-locks.keeper").unlink()
            folder.rmdir()
            run.kill()
            run.wait()
        return ["shop_lock"]

    locks.keep(renew, back.append)
    assert len(rounds) == 3, "a manager that does not answer is asked again"
    assert back == ["shop_lock"], "a run that ended in an orderly way gives back"
    assert not folder.exists()


@pytest.mark.fault("A4")
def test_the_keeper_is_a_process_of_its_own(tmp_path: Path) -> None:
    """It renews while its starter does other things, in another session, and ends when told."""
    renewed = tmp_path / "renewed"
    run = subprocess.Popen(["sleep", "60"])
    locks = RunLocks(run.pid, tmp_path)
    locks.taken("shop_lock")

    def renew() -> list[str]:
        renewed.write_text(f"{os.getpid()} {os.getsid(0)} {os.fstat(0).st_rdev}")
        return ["shop_lock"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "RENEW_SECONDS", 0.01)
        locks.start_keeper(renew, lambda _name: None)
    for _wait in range(100):
        if renewed.exists() and renewed.read_text().count(" ") == 2:
            break
        time.sleep(0.1)
    pid, session, stdin = map(int, renewed.read_text().split())
    assert pid != os.getpid()
    assert session != os.getsid(0)
    assert stdin == os.stat(os.devnull).st_rdev
    locks.end_keeper()
    for _wait in range(100):
        if not lock.exists(pid):
            break
        time.sleep(0.1)
    assert not lock.exists(pid)
    run.kill()
    run.wait()


@pytest.mark.fault("A4")
def test_a_killed_run_leaves_its_lease(tmp_path: Path) -> None:
    """One of its tasks may be at work still."""
    run = subprocess.Popen(["true"])
    locks = RunLocks(run.pid, tmp_path)
    run.wait()
    locks.taken("shop_lock")
    back: list[str] = []
    locks.keep(lambda: ["shop_lock"], back.append)
    assert back == []


@pytest.mark.fault("A4")
def test_a_lock_that_is_somebody_elses_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    run = subprocess.Popen(["sleep", "60"])
    locks = RunLocks(run.pid, tmp_path)
    locks.taken("shop_lock")

    def renew() -> list[str]:
        run.kill()
        run.wait()
        return []

    locks.keep(renew, lambda _name: None)
    assert locks.lost()
    locks.taken("shop_lock")
    assert not locks.lost()
