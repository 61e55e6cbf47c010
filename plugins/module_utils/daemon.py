# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process that outlives the task that starts it, on a host or on the controller."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def detach(work: Callable[[], None], failed: Callable[[str], object] | None = None) -> None:
    """Do the work in a process of its own, in a session of its own; returns at once.

    `failed` gets the traceback of what the work raises; without it nobody hears of that.
    """
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        os.setsid()
        # Its parent has ended: nobody waits for it, and no terminal can become its own.
        if os.fork():
            os._exit(0)
        # Ansible's workers hand signals on to their whole group.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        # Whoever waits for the end of the task's output would wait for this process too.
        os.closerange(3, 4096)
        work()
    except BaseException:
        if failed:
            failed(traceback.format_exc())
    finally:
        os._exit(0)
