"""Which process runs a study: so that a killed run can be resumed at once and a live one is left alone.

On one host the process can be checked: it lives if its pid exists and was started when the owner was (a pid is used
again after a while). A process of another host cannot be checked; it counts as alive while it keeps writing.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import psutil

QUIET = timedelta(minutes=10)  # a process of another host that wrote nothing for so long is taken for dead
# Linux derives start times from the wall clock at boot, which the kernel itself rounds and the clock's keeper moves.
_START_TOLERANCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process: its host's name, its pid there, and when it was started (seconds since 1970)."""

    host: str
    pid: int
    started: float

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the current process."""
        pid = os.getpid()
        return cls(host=socket.gethostname(), pid=pid, started=psutil.Process(pid).create_time())

    def is_process(self, other: Owner) -> bool:
        """Whether both are the same process."""
        same_number = (self.host, self.pid) == (other.host, other.pid)
        return same_number and abs(self.started - other.started) <= _START_TOLERANCE_S

    def is_running(self) -> bool:
        """Whether this process, of this host, still runs. A zombie does not."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) <= _START_TOLERANCE_S
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # it exists, that much is known
            return True


def what_keeps(owner: Owner, *, from_: Owner, quiet_for: timedelta) -> str | None:
    """Return why the process `from_` may not take over what `owner` holds; None if it may.

    `quiet_for` is the time since the owner last wrote.
    """
    if owner.is_process(from_):
        return None
    if owner.host == from_.host:
        return _why_alive(owner) if owner.is_running() else None
    return _why_recent(owner, quiet_for) if quiet_for < QUIET else None


def _why_alive(owner: Owner) -> str:
    return f"process {owner.pid} on this machine is running it; wait for it, or stop it first"


def _why_recent(owner: Owner, quiet_for: timedelta) -> str:
    return (
        f"process {owner.pid} on {owner.host!r} wrote to it {quiet_for.total_seconds():.0f} s ago; stop it there, "
        f"or wait until it has been quiet for {QUIET.total_seconds() / 60:.0f} minutes"
    )
