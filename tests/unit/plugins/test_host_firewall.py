"""New rules of a firewall are taken back by the host itself unless a new login confirms them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import commands
from ansible_collections.monsterstack.swarm.plugins.module_utils.firewall import REMOVAL
from ansible_collections.monsterstack.swarm.plugins.modules import host_firewall

pytestmark = pytest.mark.fault("A5")


class Host:
    """A module on a host: notes the programs that it starts, and moves files."""

    last: ClassVar[Host]

    def __init__(self, loaded: bool) -> None:
        self.params, self.loaded = {"revert_after": 45}, loaded
        self.said: list[list[str]] = []
        Host.last = self

    def get_bin_path(self, name: str, _required: bool = False) -> str:
        return name

    def run(self, words: list[str]) -> tuple[int, str, str]:
        self.said.append(words)
        return (0 if words[:2] != ["nft", "list"] or self.loaded else 1), "", ""

    def atomic_move(self, source: str, target: str, **_options: Any) -> None:
        Path(source).rename(target)

    def order(self) -> list[str]:
        """What was done to the rules, without questions."""
        done = {
            ("systemd-run",): "timer",
            ("nft", "--file"): "load",
            ("systemctl", "stop"): "no timer",
        }
        return [
            name
            for words in self.said
            for start, name in done.items()
            if tuple(words[: len(start)]) == start
        ]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file for the next boot; what is between two states lies beside it."""
    monkeypatch.setattr(host_firewall, "RUN", tmp_path / "run")

    def run(words: list[str]) -> tuple[int, str, str]:
        return Host.last.run(words)

    monkeypatch.setattr(commands, "run", run)
    for name in ("NEXT", "PREVIOUS", "REVERTED"):
        monkeypatch.setattr(host_firewall, name, tmp_path / "run" / f"{name.lower()}.nft")
    return tmp_path / "kept.nft"


def armed(kept: Path, loaded: bool = True) -> Host:
    host = Host(loaded)
    host_firewall.arm(host, "new rules\n", kept)
    return host


@pytest.mark.parametrize(
    ("before", "loaded", "back"),
    [
        ("old rules\n", True, "old rules\n"),
        ("old rules\n", False, REMOVAL),
        (None, False, REMOVAL),
    ],
    ids=["other rules", "rules that were not in force", "no firewall"],
)
def test_the_timer_is_set_before_the_rules_are_loaded(
    before: str | None, loaded: bool, back: str, kept: Path
) -> None:
    if before:
        kept.write_text(before)
    host = armed(kept, loaded)
    assert host.order() == ["no timer", "timer", "load"]
    (timer,) = (words for words in host.said if words[0] == "systemd-run")
    assert "--on-active=45s" in timer
    # What it does: the state before is loaded again.
    assert f"nft --file {host_firewall.PREVIOUS}" in timer[-1]
    assert host_firewall.PREVIOUS.read_text() == back
    assert (kept.read_text() if before else None) == before, "nothing is kept before a new login"


def test_a_new_login_keeps_the_rules(kept: Path) -> None:
    host = armed(kept)
    assert host_firewall.confirm(host, "new rules\n", kept) is False
    assert host.order()[-1] == "no timer"
    assert kept.read_text() == "new rules\n"


def test_a_login_after_the_host_went_back_keeps_nothing(kept: Path) -> None:
    kept.write_text("old rules\n")
    host = armed(kept)
    host_firewall.NEXT.rename(host_firewall.REVERTED)  # what the timer does first
    assert host_firewall.confirm(host, "new rules\n", kept) is True
    assert kept.read_text() == "old rules\n"


def test_an_interrupted_run_goes_back_to_what_was_before_it(kept: Path) -> None:
    kept.write_text("old rules\n")
    armed(kept)
    kept.unlink()
    armed(kept)
    assert host_firewall.PREVIOUS.read_text() == "old rules\n"
