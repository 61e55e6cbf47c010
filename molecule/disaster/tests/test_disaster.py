"""What is left when much is gone. The tests build on each other, in this order.

Seconds are from the first command that a person types to the moment when the thing is good again.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Run, cluster, differences, note, until
from tests.life import redis
from tests.tiny import Tiny, program

pytestmark = pytest.mark.machines

SCENARIO = "disaster"
VISITOR = "Disaster Test"


def timed(*words: str) -> tuple[Run, float]:
    """A playbook's run and how many seconds it took."""
    run = cluster().playbook(*words, timeout=1500)
    return run, run.seconds


def visits(node: str) -> int:
    """Counts one more visit and returns how many there were; the counter is in Redis.

    While the nodes find a new manager the page may not reach Redis for a moment: it is asked again.
    """
    seen: list[int] = []

    def ask() -> bool:
        status, _headers, body = cluster().node(node).get("/?name=" + VISITOR.replace(" ", "+"))
        found = re.search(rb'id="visits">(\d+)<', body)
        seen.extend([int(found[1])] if found else [])
        return status == 200 and found is not None

    until(ask, 60, "the page does not know its visits")
    return seen[-1]


def nodes(through: str) -> dict[str, dict[str, Any]]:
    """The swarm's nodes by id, as a manager lists them."""
    listed = cluster().node(through).docker("node inspect $(docker node ls -q)")
    return {one["ID"]: one for one in listed}


def labels(through: str) -> dict[str, dict[str, str]]:
    """Labels by host name; a name that is listed twice fails the test."""
    found = [(n["Description"]["Hostname"], n["Spec"]["Labels"]) for n in nodes(through).values()]
    assert len(dict(found)) == len(found), found
    return dict(found)


def leads(through: str) -> bool:
    """Whether this manager has a leader to answer for the cluster."""
    asked = "docker node ls >/dev/null 2>&1 && echo yes || echo no"
    return cluster().node(through).run(asked).strip() == "yes"


def secret_names(through: str) -> set[str]:
    return set(cluster().node(through).run("docker secret ls --format '{{.Name}}'").split())


def all_well(through: str) -> bool:
    """Every node ready, three managers, every task of every service running."""
    listed = nodes(through).values()
    ready = [n["Status"]["State"] for n in listed] == ["ready"] * 5
    managers = [n for n in listed if n.get("ManagerStatus", {}).get("Reachability") == "reachable"]
    services = cluster().node(through).run("docker service ls --format '{{.Replicas}}'").split()
    whole = all(one.split("/")[0] == one.split("/")[1] for one in services)
    return ready and len(managers) == 3 and len(services) >= 4 and whole


def cluster_id(through: str) -> str:
    return cluster().node(through).run("docker info -f '{{.Swarm.Cluster.ID}}'").strip()


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A second stack: one service that keeps a volume on w2."""
    stack = Tiny(tmp_path_factory.mktemp("notes"), "notes")
    keeper = program(
        "import time; time.sleep(1e9)",
        volumes=["data:/data"],
        deploy={
            "placement": {"constraints": ["node.labels.notes.data == true"]},
            "update_config": {"order": "stop-first", "monitor": "8s"},
        },
    )
    stack.write(
        {"keeper": keeper},
        volumes=["data"],
        settings={},
        pins={"notes.data": ["w2"]},
        backup=[{"name": "notes_data", "service": "notes_keeper"}],
    )
    return stack


def keeps(command: str) -> str:
    """What a command prints in the container of the second stack."""
    until(lambda: len(cluster().containers("notes_keeper")) == 1, 60, "notes_keeper does not run")
    node, container = cluster().containers("notes_keeper")[0]
    assert node.name == "w2"
    return node.run(f"docker exec {container} sh -c '{command}'").strip()


# The quorum


def test_recovery_is_refused_while_there_is_a_quorum() -> None:
    run = cluster().playbook("playbooks/recover_quorum.yml", "-e", "survivor=m2")
    assert run.code != 0, run.output
    assert "has a quorum" in run.output
    nobody = cluster().playbook("playbooks/recover_quorum.yml")
    assert nobody.code != 0, nobody.output
    assert "say which manager survived" in nobody.output


def test_a_manager_in_the_minority_does_not_recover_beside_the_others() -> None:
    cluster().lab("cut", "m1", "m3")
    until(lambda: not leads("m2"), 90, "m2 still has a leader")
    run = cluster().playbook("playbooks/recover_quorum.yml", "-e", "survivor=m2")
    cluster().lab("join", "m1", "m3")
    assert run.code != 0, run.output
    assert "It is m2 that is cut off" in run.output
    until(lambda: all_well("m1"), 120, "m2 did not come back to the others")


def test_two_of_three_managers_are_lost() -> None:
    count, names, pins, swarm = visits("w1"), secret_names("m1"), labels("m1"), cluster_id("m1")
    specs = cluster().specs()
    before = set(nodes("m1"))
    cluster().lab("off", "m1", "m3")
    # Services go on without a quorum.
    assert visits("w1") > count
    until(lambda: not leads("m2"), 90, "m2 still has a leader")
    site = cluster().playbook("site.yml")
    assert site.code != 0, site.output
    assert "recover_quorum.yml -e survivor=" in site.output

    dry = cluster().playbook("playbooks/recover_quorum.yml", "-e", "survivor=m2", "--check")
    assert dry.code == 0, dry.output
    run, seconds = timed("playbooks/recover_quorum.yml", "-e", "survivor=m2")
    assert run.code == 0, run.output
    assert "SWMTKN-" not in run.output
    assert cluster_id("m2") == swarm
    assert secret_names("m2") == names
    assert visits("w1") > count + 1
    note(SCENARIO, "two of three managers lost, recovered", seconds=seconds, visits_lost=0)

    # They come back together and elect a leader beside m2 before they hear of it.
    cluster().lab("cut", "m1", "m3")
    cluster().lab("on", "m1", "m3")
    until(lambda: len(nodes("m1")) == 5, 90, "m1 and m3 have not formed the old quorum")
    assert cluster_id("m1") == swarm
    cluster().lab("join", "m1", "m3")
    run, seconds = timed("playbooks/recover_quorum.yml", "-e", "survivor=m2")
    assert run.code == 0, run.output
    settled = until(lambda: all_well("m2"), 180, "not all well after the recovery")
    note(
        SCENARIO,
        "the two lost managers came back and joined",
        seconds=seconds,
        all_well_after=settled,
    )
    assert labels("m2") == pins
    assert not differences(specs, cluster().specs())
    assert len(set(nodes("m2")) - before) == 2  # m1 and m3 under new ids, and nobody twice
    assert visits("w2") > count + 2

    again = cluster().playbook("playbooks/recover_quorum.yml", "-e", "survivor=m2")
    assert again.code != 0, again.output
    assert "has a quorum" in again.output
    site = cluster().playbook("site.yml")
    assert site.code == 0, site.output


# The CA


def test_a_new_ca() -> None:
    root = "docker swarm ca"
    before = cluster().node("m1").run(root)
    cluster().lab("off", "w2")
    until(lambda: "down" in [n["Status"]["State"] for n in nodes("m1").values()], 60, "w2 not down")
    refused = cluster().playbook("playbooks/rotate_ca.yml")
    assert refused.code != 0
    assert "w2 (down)" in refused.output
    cluster().lab("on", "w2")
    until(lambda: all_well("m1"), 180, "w2 is not back")
    dry = cluster().playbook("playbooks/rotate_ca.yml", "--check")
    assert dry.code == 0, dry.output
    assert cluster().node("m1").run(root) == before
    run, seconds = timed("playbooks/rotate_ca.yml")
    assert run.code == 0, run.output
    assert cluster().node("m1").run(root) != before
    roots = {n["Description"]["TLSInfo"]["TrustRoot"] for n in nodes("m1").values()}
    assert len(roots) == 1
    note(SCENARIO, "a new CA on all five nodes", seconds=seconds)


# The lock


def test_managers_are_locked_and_unlocked() -> None:
    on, seconds = timed("site.yml", "-e", '{"swarm_autolock": true}')
    assert on.code == 0, on.output
    key = (cluster().credentials / "swarm_unlock_key").read_text().strip()
    assert key.startswith("SWMKEY-")
    assert key not in on.output
    note(SCENARIO, "autolock on", seconds=seconds)
    again = cluster().playbook("site.yml", "-e", '{"swarm_autolock": true}')
    assert (again.code, again.changed) == (0, 0), again.output

    cluster().lab("off", "m3")
    cluster().lab("on", "m3")
    state = "docker info -f '{{.Swarm.LocalNodeState}}'"
    assert cluster().node("m3").run(state).strip() == "locked"
    dry = cluster().playbook("site.yml", "-e", '{"swarm_autolock": true}', "--check")
    assert "m3 is locked and would be unlocked" in dry.output or dry.changed > 0, dry.output
    assert cluster().node("m3").run(state).strip() == "locked"
    other = cluster().playbook("playbooks/lint.yml")
    assert other.code != 0
    assert "m3 is a locked manager" in other.output
    hidden = cluster().credentials / "swarm_unlock_key"
    hidden.rename(hidden.with_suffix(".away"))
    without = cluster().playbook("site.yml", "-e", '{"swarm_autolock": true}')
    hidden.with_suffix(".away").rename(hidden)
    assert without.code != 0
    assert "its key is not in" in without.output
    run, seconds = timed("site.yml", "-vv", "-e", '{"swarm_autolock": true}')
    assert run.code == 0, run.output
    assert key not in run.output
    assert cluster().node("m3").run(state).strip() == "active"
    note(SCENARIO, "rebooted locked manager unlocked by site.yml", seconds=seconds)
    logged = cluster().node("m3").run("journalctl --no-pager -q; cat /proc/[0-9]*/cmdline")
    assert key not in logged

    # Docker would lose the survivor's state here, so it is not tried.
    cluster().lab("off", "m1", "m3")
    until(lambda: not leads("m2"), 90, "m2 still has a leader")
    lost = cluster().playbook("playbooks/recover_quorum.yml", "-e", "survivor=m2")
    cluster().lab("on", "m1", "m3")
    assert lost.code != 0
    assert "moby/moby#36852" in lost.text
    run, seconds = timed("site.yml", "-e", '{"swarm_autolock": true}')
    assert run.code == 0, run.output
    note(SCENARIO, "two rebooted locked managers unlocked by site.yml", seconds=seconds)

    off, seconds = timed("site.yml")
    assert off.code == 0, off.output
    note(SCENARIO, "autolock off", seconds=seconds)
    cluster().lab("off", "m3")
    cluster().lab("on", "m3")
    until(lambda: cluster().node("m3").run(state).strip() == "active", 60, "m3 is not back")
    until(lambda: all_well("m1"), 180, "not all well")


@pytest.mark.fault("A2")
def test_settings_that_an_earlier_version_left_at_0_are_put_back() -> None:
    """Posted as community.docker.docker_swarm does it: one setting, so the rest is 0."""
    before = cluster().specs()
    post = (
        "version=$(docker info -f '{{.Swarm.Cluster.Version.Index}}');"
        " curl -sf --unix-socket /var/run/docker.sock -H 'Content-Type: application/json'"
        ' -d \'{"Name": "default", "EncryptionConfig": {"AutoLockManagers": false}}\''
        ' "http://docker/v1.41/swarm/update?version=$version"'
    )
    cluster().node("m1").run(post)
    emptied = cluster().specs()
    assert emptied["swarm/Orchestration/TaskHistoryRetentionLimit"] == 0
    assert "swarm/Raft/SnapshotInterval" not in emptied
    doctor = cluster().playbook("playbooks/doctor.yml")
    assert "settings of the swarm are 0" in doctor.text
    dry = cluster().playbook("site.yml", "--check")
    assert (dry.code, dry.changed) == (0, 1), dry.output
    run = cluster().playbook("site.yml", meant=["swarm/.*"])
    assert (run.code, run.changed) == (0, 1), run.output
    assert "Raft.SnapshotInterval: 0 -> 10000" in run.text
    assert cluster().specs() == before
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output
    assert "settings of the swarm are 0" not in cluster().playbook("playbooks/doctor.yml").text


# Backup and restore


def archives(backups: Path) -> list[Path]:
    return sorted(backups.glob("*.cluster"))


def test_backup(backups: Path) -> None:
    count = visits("w1")
    run, seconds = timed(
        "playbooks/backup.yml", "-e", f"backup_dir={backups}", "-e", "backup_keep=1"
    )
    assert run.code == 0, run.output
    assert visits("w1") > count
    stood = re.search(r"stood still for ([0-9.]+) s", run.output)
    assert stood, run.output
    (archive,) = archives(backups)
    note(
        SCENARIO,
        "backup",
        seconds=seconds,
        engine_stood_still=float(stood[1]),
        mebibytes=round(archive.stat().st_size / 2**20, 1),
    )
    assert archive.stat().st_mode & 0o777 == 0o600
    key = (cluster().credentials / "backup_key").read_text().strip()
    assert key not in run.output
    for secret in ("redis_password", "registry_password", "id_salt"):
        assert (cluster().credentials / secret).read_text().strip() not in run.output
    assert sorted(path.name for path in backups.iterdir()) == [
        archive.name,
        archive.with_suffix(".credentials").name,
    ]
    for node in cluster().nodes:
        assert node.run("ls /var/lib/monsterstack-swarm-archive 2>/dev/null || :").split() == []
    until(lambda: all_well("m1"), 120, "not all well after the backup")


def test_a_second_stack(notes: Tiny) -> None:
    run = notes.run("site.yml")
    assert run.code == 0, run.output
    keeps("echo first >/data/note")


def test_an_older_archive_goes_when_a_newer_one_is_whole(backups: Path) -> None:
    # The newer one is made of locked managers, and is the one that is restored below.
    (first,) = archives(backups)
    site = cluster().playbook("site.yml", "-e", '{"swarm_autolock": true}')
    assert site.code == 0, site.output
    key = cluster().credentials / "swarm_unlock_key"
    before = key.read_text()
    redis(f"SET disaster:visits {visits('w1')}")
    run = cluster().playbook(
        "playbooks/backup.yml", "-e", f"backup_dir={backups}", "-e", "backup_keep=1"
    )
    assert run.code == 0, run.output
    assert key.read_text() != before
    assert cluster().node("m1").run("docker swarm unlock-key -q").strip() == key.read_text().strip()
    (second,) = archives(backups)
    assert second.name > first.name
    assert f"removed the older {first.name}" in run.output


def archive_of(backups: Path) -> Path:
    """The second stack's archive."""
    (archive,) = archives(backups / "notes")
    return archive


@pytest.mark.fault("A12")
def test_the_second_stack_has_an_archive_of_its_own(backups: Path, notes: Tiny) -> None:
    run = notes.run("playbooks/backup.yml", f"backup_dir={backups / 'notes'}")
    assert run.code == 0, run.output
    assert archive_of(backups).name.startswith("notes-")
    keeps("echo lost >/data/later")


def test_restore_is_refused_where_it_would_destroy(backups: Path) -> None:
    (archive,) = archives(backups)
    nothing = cluster().playbook("playbooks/restore.yml", "-e", f"backup_dir={backups}")
    assert nothing.code != 0
    assert archive.name in nothing.output
    spoilt = backups / "spoilt.cluster"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    spoilt.write_bytes(data)
    run = cluster().playbook(
        "playbooks/restore.yml", "-e", f"backup_dir={backups}", "-e", f"archive={spoilt}"
    )
    spoilt.unlink()
    assert run.code != 0
    assert "changed or cut off" in run.output


def test_restore_onto_empty_machines(backups: Path) -> None:
    (archive,) = archives(backups)
    second = archive_of(backups)
    names, pins, swarm = secret_names("m1"), labels("m1"), cluster_id("m1")
    specs = cluster().specs()
    picture = cluster().node("w1").get("/monster/restored?size=64")[2]
    redis("SET disaster:later lost")  # as is whatever is written after a backup
    kept = {p.name: p.read_bytes() for p in cluster().credentials.iterdir() if p.is_file()}
    (backups / "backup_key").write_bytes(kept["backup_key"])
    shutil.rmtree(cluster().credentials)
    machines = [node.name for node in cluster().nodes]
    cluster().lab("wipe", *machines)
    cluster().lab("on", *machines)
    words = ["-e", f"backup_dir={backups}", "-e", f"backup_key_file={backups / 'backup_key'}"]
    # The second stack's services would begin with an empty volume.
    alone = cluster().playbook("playbooks/restore.yml", *words, "-e", f"archive={archive}")
    assert alone.code != 0, alone.output
    assert "the state has the stack notes too" in alone.text
    assert "notes_data" in alone.text
    assert not cluster().specs()
    # The newest credentials, whichever archive was opened first.
    shutil.rmtree(cluster().credentials)
    words += ["-e", f"archive={archive},{second}"]
    run, seconds = timed("playbooks/restore.yml", *words)
    assert run.code == 0, run.output
    settled = until(lambda: all_well("m1"), 180, "not all well after the restore")
    assert cluster_id("m1") == swarm
    assert secret_names("m1") == names
    assert labels("m1") == pins
    # The lock is the one that the inventory asks for, which the archive's machines did not have.
    # Services are what site.yml makes of them at the end.
    others = ["swarm/EncryptionConfig/AutoLockManagers", "service .*"]
    assert not differences(specs, cluster().specs(), others)
    restored = {p.name: p.read_bytes() for p in cluster().credentials.iterdir() if p.is_file()}
    del kept["backup_key"]
    assert restored == kept
    found = visits("w1")
    assert found > int(redis("GET disaster:visits"))
    assert redis("GET disaster:later") == ""
    assert keeps("cat /data/*") == "first"
    assert cluster().node("w2").get("/monster/restored?size=64")[2] == picture
    note(
        SCENARIO,
        "restored onto empty machines",
        seconds=seconds,
        all_well_after=settled,
    )

    again, seconds = timed("playbooks/restore.yml", *words)
    assert again.code == 0, again.output
    assert "no data are overwritten" in again.text
    assert visits("w1") > found


@pytest.mark.fault("A12")
def test_a_second_archive_goes_into_the_restored_cluster(backups: Path, notes: Tiny) -> None:
    """What is there is never overwritten; what the refusal advises keeps both."""
    key = f"backup_key_file={backups / 'backup_key'}"
    first = archive_of(backups)
    keeps("echo since >/data/since")
    again = notes.run("playbooks/restore.yml", key, f"archive={first}")
    assert again.code == 0, again.output
    assert keeps("cat /data/since") == "since"

    kept = notes.run("playbooks/backup.yml", key, f"backup_dir={backups / 'since'}")
    assert kept.code == 0, kept.output
    (since,) = archives(backups / "since")
    refused = notes.run("playbooks/restore.yml", key, f"archive={since}")
    assert refused.code != 0, refused.output
    assert f"notes_data on w2 holds data that are not from {since.name}" in refused.text
    assert "docker service scale notes_keeper=0" in refused.text
    assert "-e aside=true" in refused.text
    assert keeps("cat /data/since") == "since"

    cluster().node("m1").run("docker service scale notes_keeper=0")
    until(lambda: not cluster().containers("notes_keeper"), 60, "notes_keeper still runs")
    words = (key, f"archive={since}", "aside=true")
    run = notes.run("playbooks/restore.yml", *words)
    assert run.code == 0, run.output
    assert f"w2 gets the volume notes_data from {since.name}" in run.text
    assert keeps("cat /data/note /data/since").split() == ["first", "since"]
    # Nothing is lost: what was there is beside it, also when the same is typed again.
    place = f"/var/lib/docker/volumes/notes_data.before.{since.stem}/_data"
    keeps("echo newer >/data/since")
    twice = notes.run("playbooks/restore.yml", *words)
    assert twice.code == 0, twice.output
    assert cluster().node("w2").run(f"cat {place}/since").strip() == "since"
    assert keeps("cat /data/since") == "newer"
    note(SCENARIO, "a second stack's archive into the restored cluster", seconds=run.seconds)


# A full disk


def test_a_worker_has_a_full_disk() -> None:
    node = cluster().node("w2")
    failed = 0
    try:
        node.run("dd if=/dev/zero of=/full bs=1M 2>/dev/null || :")
        assert node.run("df --output=avail / | tail -1").strip() == "0"
        for _ in range(20):
            for one in cluster().nodes:
                try:
                    failed += one.get("/")[0] != 200
                except OSError:
                    failed += 1
        run, seconds = timed("site.yml")
        doctor = cluster().playbook("playbooks/doctor.yml")
    finally:
        node.run("rm /full")
    note(
        SCENARIO, "disk full on a worker", requests=100, failed=failed, rc=run.code, seconds=seconds
    )
    assert failed == 0
    # Nothing has to be pulled: a warning. The doctor calls it wrong.
    assert run.code == 0, run.output
    assert "w2: has 0 MiB left where Docker keeps its data" in run.text
    assert doctor.code != 0, doctor.output
    assert "w2: /var/lib/docker has 0 MiB left" in doctor.text
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    until(lambda: all_well("m1"), 180, "not all well after the disk was full")
