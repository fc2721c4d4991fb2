"""What the tests of the service share: a clock that is set by hand, and processes that are not this one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from studies.ownership import Owner

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ELSEWHERE = Owner(host="elsewhere", pid=1, started=1.0)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)
