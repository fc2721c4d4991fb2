"""The parent: a worker ends with the server that started it, however and whenever that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from threading import Thread

PARENT_POLL_S = 1.0
_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have this process killed when its parent, of this pid, is gone: an orphan could not be stopped.

    The parent passes its pid, so that a parent that died before this call is noticed at once: an orphan is adopted
    by a process with another pid.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _end_if_orphaned(parent)
    Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while True:
        time.sleep(PARENT_POLL_S)
        _end_if_orphaned(parent)


def _end_if_orphaned(parent: int) -> None:
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
