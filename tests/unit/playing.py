"""ansible-playbook as a user calls it in the checkout, for tests without machines."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def ansible_playbook(
    *words: str | Path, timeout: float = 60, cwd: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Its end and all that it printed (`stdout`), without colours."""
    return subprocess.run(
        ["ansible-playbook", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
