"""A part of what the scenario `rollout` goes through: the lint, a good release, a broken one that
goes back. After test_site.py, which looks at the first release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster import cluster
from tests.rollouts import Sources, images, roll, versions

pytestmark = pytest.mark.machines

# A faster pace than the stack's own; the monitor is still longer than interval x retries + timeout
# + the grace period for stopping.
PACE = json.dumps(
    {
        "monsterstack_settings": {
            "rollout": {"delay": "2s", "monitor": "28s"},
            "health": {"interval": "4s", "timeout": "5s", "retries": 3},
        }
    }
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    made = Sources(tmp_path_factory.mktemp("sources"))
    made.restore()
    return made


def test_lint_finds_nothing() -> None:
    run = cluster().playbook("playbooks/lint.yml")
    assert run.code == 0, run.output
    assert "no errors, 0 warnings" in run.text


def test_a_good_release(tmp_path: Path, sources: Sources) -> None:
    rollout = roll(tmp_path, sources, "rolling_update.yml", "tag=2.0", PACE)
    assert rollout.run.code == 0, rollout.run.output
    assert rollout.failed == 0, rollout.report["failures"]
    assert versions() == {"2.0"}


def test_a_broken_release(tmp_path: Path, sources: Sources) -> None:
    before = images()
    sources.at_start("raise SystemExit('the table is missing')")
    rollout = roll(tmp_path, sources, "rolling_update.yml", "tag=3.0", "services=frontend", PACE)
    assert rollout.run.code != 0, rollout.run.output
    assert "frontend: rolled_back" in rollout.run.text
    assert "the table is missing" in rollout.run.text
    assert rollout.failed == 0, rollout.report["failures"]
    assert images() == before
    assert versions() == {"2.0"}
