"""The role `stack`: in which order a release is handed over, judged, written down and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.stand_ins import Answers, Played, Stage, role

PLAN = {
    "deploy_needed": True,
    "compose": {"services": {"web": {"image": "web:2"}}},
    "compose_sha256": "x",
    "plan": {"web": {"action": "changed"}, "old": {"action": "removed"}},
    "plan_lines": ["web: another image"],
    "pace": None,
    "paced": None,
    "services": ["web"],
    "ill": {"sick": "sick: pending, 0/1"},
    "seconds_needed": 1396,
    "first_seconds": 130,
    "settled": None,
}
LAST = {
    "redeployable_text": '{"services": {"web": {"image": "web:1"}}}\n',
    "seconds_needed": 400,
    "services": ["web"],
    "versions": {"web": 8},
}
GOOD = {"verdict": "converged", "report": [], "summary": [], "timeline": [], "ill_before": []}
SMOKE = {"addresses": ["192.0.2.1"], "port": 80, "checks": [{"path": "/"}]}
WORK = ("docker_stack", "stack_verdict", "http_smoke", "stack_release")
# Where the first good release is put back: it is read, handed over and judged.
PUT_BACK = ["stack_release", "docker_stack", "stack_verdict"]


def released(tmp_path: Path, answers: Answers | None = None, **given: Any) -> Played:
    """A run of the role; the plan is the first question of stack_release."""
    (tmp_path / "compose.yml.j2").write_text("services: {web: {image: 'web:2'}}\n")
    plan = {**PLAN, **given.pop("plan", {})}
    usual: Answers = {
        "monsterstack.swarm.stack_release": [
            ({"state": "recorded"}, {"number": 2}),
            ({"release": 1}, LAST),
            ({}, plan),
        ],
        "monsterstack.swarm.stack_lint": [({}, {"errors": [], "findings": [], "room": []})],
        "monsterstack.swarm.stack_verdict": [({}, GOOD)],
        "monsterstack.swarm.stack_secrets": [({}, {})],
        "monsterstack.swarm.http_smoke": [({}, {"results": []})],
        "monsterstack.swarm.availability_probe": [({}, {"verdict": "good", "why": "seen"})],
        "community.docker.docker_stack": [({}, {})],
    }
    stage = Stage(tmp_path / "stage", {**usual, **(answers or {})})
    variables = {
        "stack_name": "shop",
        "stack_template": str(tmp_path / "compose.yml.j2"),
        "stack_release_tag": "2",
        "stack_secret_key": "k",
        "stack_who": "ann",
        "stack_dir": str(tmp_path / "stacks"),
        "stack_host_info": {"files": {}},
        "stack_running": {
            "current": {"number": 1, "tag": "1"},
            "secrets": [],
            "versions": {"web": 7, "old": 3},
        },
        "stack_smoke": SMOKE,
        **given,
    }
    return stage.play(role("stack", **variables))


def recorded(done: Played) -> list[str]:
    """The verdicts that were written down."""
    return [c["args"]["verdict"] for c in done.of("stack_release") if "verdict" in c["args"]]


@pytest.mark.fault("B1", "B5", "B6", "C13")
def test_a_good_release(tmp_path: Path) -> None:
    done = released(tmp_path)
    assert done.code == 0, done.output
    # A visitor's answer comes before the record; what the release takes out goes at the end.
    expected = ["stack_release", "docker_stack", "stack_verdict", "http_smoke", "stack_release"]
    assert done.order(*WORK) == [*expected, "docker_stack"]
    assert recorded(done) == ["converged"]
    judged = done.of("stack_verdict")[0]["args"]
    assert judged.get("services") == ["web"], "what is taken out is not judged"
    assert judged.get("ill_before") == ["sick"]
    assert int(judged["timeout"]) == 1396, "as long as its plan needs"
    assert int(judged.get("patience", 0)) == 90
    # An environment may hold what is not for every user of the manager.
    assert [call["seen"]["compose"][0] for call in done.of("docker_stack")] == ["0o600"] * 2


REFUSED = "rpc error: code = InvalidArgument desc = invalid memory value 2097152"


@pytest.mark.fault("A9")
def test_what_swarm_refuses_half_way_is_judged_recorded_and_put_back(tmp_path: Path) -> None:
    refusal = {"failed": True, "rc": 1, "msg": "docker stack deploy failed", "stderr": REFUSED}
    done = released(tmp_path, {"community.docker.docker_stack": [({}, refusal), ({}, {})]})
    assert done.code == 2, done.output
    expected = ["stack_release", "docker_stack", "stack_verdict", "stack_release", *PUT_BACK]
    assert done.order(*WORK) == expected
    assert recorded(done) == ["failed"]
    assert int(done.of("stack_verdict")[0]["args"]["timeout"]) == 0
    assert "web:1" in done.of("docker_stack")[1]["seen"]["compose"][1]
    for words in ("refused by Swarm", REFUSED, "Release 1 (1) was put back: converged"):
        assert words in done.output


@pytest.mark.fault("A9")
def test_a_leader_that_changes_is_waited_for(tmp_path: Path) -> None:
    gone = {"failed": True, "rc": 1, "msg": "failed", "stderr": "The swarm does not have a leader."}
    done = released(tmp_path, {"community.docker.docker_stack": [({}, gone), ({}, {})]})
    assert done.code == 0, done.output
    assert done.order("docker_stack", "stack_verdict")[:3] == [
        "docker_stack",
        "docker_stack",
        "stack_verdict",
    ]
    assert recorded(done) == ["converged"]


LOST = "Expecting value: line 1 column 1 (char 0)"


@pytest.mark.fault("A9")
@pytest.mark.parametrize("times", [1, 7])
@pytest.mark.parametrize(
    "answer",
    [
        {"msg": f"Module failed: {LOST}"},
        {"msg": f"Error while parsing JSON output: {LOST}", "rc": 0, "stdout": "", "stderr": ""},
        {"msg": "docker stack deploy failed", "rc": 1, "stdout": "", "stderr": ""},
    ],
    ids=["after all was taken", "before anything was sent", "of a failure"],
)
def test_a_module_that_failed_is_no_word_of_swarm(
    tmp_path: Path, answer: dict[str, Any], times: int
) -> None:
    """Seen on machines, the first two: what the client printed was lost."""
    lost = {"failed": True, **answer}
    answers: list[Any] = [({}, lost)] * times + [({}, {})]
    done = released(tmp_path, {"community.docker.docker_stack": answers})
    assert (done.code == 0) == (times == 1), done.output
    assert "refused by Swarm" not in done.output
    assert ("not handed to Swarm whole" in done.output) == (times == 7)
    assert recorded(done) == ["converged" if times == 1 else "failed"]


@pytest.mark.fault("B6")
def test_what_answers_wrongly_is_no_good_release(tmp_path: Path) -> None:
    wrong = {"failed": True, "wrong": True, "msg": "n1: status 500", "findings": ["n1: status 500"]}
    done = released(tmp_path, {"monsterstack.swarm.http_smoke": [({}, wrong)]})
    assert done.code == 2, done.output
    expected = ["stack_release", "docker_stack", "stack_verdict", "http_smoke", "stack_release"]
    assert done.order(*WORK) == [*expected, *PUT_BACK]
    assert recorded(done) == ["failed"]
    assert "was put back" in done.output


@pytest.mark.fault("C1")
def test_each_service_has_a_line_of_its_own(tmp_path: Path) -> None:
    report = ["web: pending, 0/1", "db: converged, 1/1"]
    bad = {**GOOD, "verdict": "pending", "report": report}
    quiet = {"deploy_needed": False, "plan": {"web": {"action": "unchanged"}}}
    done = released(tmp_path, {"monsterstack.swarm.stack_verdict": [({}, bad)]}, plan=quiet)
    assert done.code == 2, done.output
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines.count(report[0]) == lines.count(report[1]) == 1, done.output
    assert "\\n" not in done.output


PACED = '{"services": {"web": {"deploy": {"update_config": {"delay": "45s"}}}}}\n'
CANARY = {"seconds": 45, "probe": {"folder": "/nowhere"}}


@pytest.mark.fault("B4", "B11")
@pytest.mark.parametrize("seen", ["good", "waiting"])
def test_a_canary_of_which_nothing_was_seen_is_not_good(tmp_path: Path, seen: str) -> None:
    probe = {"verdict": seen, "why": "so it was"}
    done = released(
        tmp_path,
        {"monsterstack.swarm.availability_probe": [({}, probe)]},
        stack_canary=CANARY,
        plan={"pace": {"services": {"web": {}}}, "paced": PACED},
    )
    assert done.code == (0 if seen == "good" else 2), done.output
    assert recorded(done) == ["converged" if seen == "good" else "rolled_back"]
    # One file: the Docker client refuses two of different versions.
    assert len(done.of("docker_stack")[0]["args"]["compose"]) == 1
    assert done.of("docker_stack")[0]["seen"]["compose"][1] == PACED
