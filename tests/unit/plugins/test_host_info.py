"""What host_info reads of the files that the roles wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.monsterstack.swarm.plugins.modules.host_info import PRIVATE, exposed

MODES = {"of earlier versions": (0o644, True), "a group's": (0o640, True), "ours": (0o600, False)}


@pytest.mark.fault("C13")
@pytest.mark.parametrize(("mode", "named"), MODES.values(), ids=MODES)
def test_exposed(tmp_path: Path, mode: int, named: bool) -> None:
    file = tmp_path / "shop" / "compose.yml"
    file.parent.mkdir()
    file.write_text("services: {}\n")
    file.chmod(mode)
    assert exposed(f"{tmp_path}/*/compose.yml") == ([str(file)] if named else [])


def test_it_looks_at_compose_files() -> None:
    assert PRIVATE.endswith("/stacks/*/compose.yml")
