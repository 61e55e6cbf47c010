# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs on a host, without losing what they print: for modules."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

NOT_STARTED = 127  # as a shell says it


def run(command: Sequence[str], text: str | None = None) -> tuple[int, str, str]:
    """(return code, stdout, stderr) of a program that gets `text` on its stdin.

    A program that cannot be started has the code 127 and the reason as its stderr.

    Ansible's own `run_command` looks for output, then whether the process has ended, and does not
    look for output again (ansible-core 2.21, module_utils/basic.py). What a program that takes more
    than a second prints in between is lost, with the code 0: seen twice on busy machines.
    """
    try:
        # The one place that may: run_command is what loses it.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command,
            input=text or "",
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return NOT_STARTED, "", str(error)
    return done.returncode, done.stdout, done.stderr
