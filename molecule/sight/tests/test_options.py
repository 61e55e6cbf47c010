"""Every playbook says the same with any number of forks, and a dry run of each changes nothing.

What plays judge is compared, and what they print: order and figures aside.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster import PROJECT, Run, cluster, note

pytestmark = [pytest.mark.machines, pytest.mark.fault("B8")]

# Playbook: its words, and what a dry run of it ends with on this cluster of one manager.
DRY: dict[str, tuple[list[str], int]] = {
    "backup": (["-e", "backup_dir={tmp}/backups"], 0),
    "maintenance": (["-e", "do=nothing", "-e", "node=w1,w2"], 0),
    "node_remove": (["-e", "node=w2"], 0),
    "node_replace": (["-e", "node=w2"], 2),  # w2 is no other machine than before
    "rebalance": ([], 0),
    "recover_quorum": (["-e", "survivor=m1"], 2),  # nothing was lost
    "restore": (["-e", "archive={tmp}/nothing.cluster"], 2),
    "rollback": ([], 2),  # one release only
    "rolling_update": (["-e", "tag=2.0", "-e", "probe_dir={tmp}/probe"], 0),
    "rotate_ca": ([], 0),
    "rotate_secrets": (["-e", "probe_dir={tmp}/probe"], 0),
    "scale": (["-e", "frontend=4", "-e", "probe_dir={tmp}/probe"], 0),
    "site": ([], 0),
    "teardown": (["-e", "confirm=monsterstack"], 0),
}
LOOKING: dict[str, list[str]] = {
    "audit": ["-e", "table={tmp}/audit.md"],
    "doctor": ["-e", "report={tmp}/doctor.json"],
    "lint": [],
    "locks": [],
    "probe": ["-e", "duration=2", "-e", "probe_dir={tmp}/probe"],
    "releases": [],
    "status": ["-e", "page={tmp}/status.html"],
}


def playbook(name: str, tmp: Path, words: list[str], *options: str) -> Run:
    given = [word.format(tmp=tmp) for word in words]
    return cluster().playbook(f"playbooks/{name}.yml", *given, *options)


def judged(run: Run) -> tuple[int, dict[str, tuple[int, int, int]], set[str]]:
    """The return code, (changed, failed, unreachable) by host, and what was printed for people."""
    hosts = {
        host: (row["changed"], row["failed"], row["unreachable"]) for host, row in run.recap.items()
    }
    # Lines of `say` and of refusals; Ansible's own begin with a known word.
    own = (
        r"(PLAY|TASK|ok|changed|skipping|included|fatal|failed|rescued|ASYNC|RUNNING|\[WARNING"
        r"|FAILED -|\S+ +: ok=)"
    )
    lines = {
        re.sub(r"[\d.,]+", "N", line.strip())
        for line in run.output.splitlines()
        if line.strip() and not re.match(own, line)
    }
    return run.code, hosts, lines


@pytest.mark.parametrize("name", sorted(LOOKING))
def test_looking_says_the_same_with_any_number_of_forks(name: str, tmp_path: Path) -> None:
    runs = {
        forks: playbook(name, tmp_path, LOOKING[name], "--forks", str(forks))
        for forks in (50, 5, 1)
    }
    note("forks", name, **{f"forks {forks}": run.seconds for forks, run in runs.items()})
    # The table that audit.yml is told to write is new to this computer; the hosts stay as they are.
    changed = {host: row["changed"] for host, row in runs[50].recap.items() if host != "localhost"}
    assert not any(changed.values()), changed
    # The page with live figures of tasks and loads is no judgement.
    parts = slice(0, 2) if name in ("status", "probe") else slice(0, 3)
    assert judged(runs[50])[parts] == judged(runs[5])[parts] == judged(runs[1])[parts]


@pytest.mark.parametrize("name", sorted(DRY))
def test_a_dry_run_changes_nothing_and_says_the_same_with_one_fork(
    name: str, tmp_path: Path
) -> None:
    words, code = DRY[name]
    before = cluster().managers[0].run("docker config ls -q; docker secret ls -q; docker ps -q")
    files = sorted(path.name for path in cluster().credentials.iterdir())
    many = playbook(name, tmp_path, words, "--check", "--diff", "--forks", "50")
    one = playbook(name, tmp_path, words, "--check", "--diff", "--forks", "1")
    assert many.code == code, many.output
    assert judged(many)[:2] == judged(one)[:2]
    after = cluster().managers[0].run("docker config ls -q; docker secret ls -q; docker ps -q")
    assert after == before
    assert sorted(path.name for path in cluster().credentials.iterdir()) == files
    # Neither archive nor samples: what a dry run writes would be taken for the real thing.
    assert not list(tmp_path.iterdir()), list(tmp_path.iterdir())


def test_every_playbook_is_tried() -> None:
    parts = {"command_line", "in_turn", "release", "survey"}
    there = {path.stem for path in (PROJECT / "playbooks").glob("*.yml")}
    assert {*DRY, *LOOKING} == there - parts


JUDGED = [
    ["--limit", "w1"],
    ["--limit", "managers"],
    ["--start-at-task", "Findings"],
    ["--skip-tags", "always"],
    ["--skip-tags", "images"],
    ["--tags", "nothing_of_ours"],
]


@pytest.mark.parametrize(
    ("name", "options"),
    # doctor.yml has no images to skip.
    [
        (name, one)
        for name in ("site", "doctor")
        for one in JUDGED
        if (name, one[1]) != ("doctor", "images")
    ],
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)
def test_what_cannot_be_judged_is_refused(name: str, options: list[str]) -> None:
    run = cluster().playbook(f"playbooks/{name}.yml", *options)
    assert run.code != 0, run.output
    assert options[0].lstrip("-") in run.text or options[1] in run.text
    assert all(row["changed"] == 0 for row in run.recap.values())
