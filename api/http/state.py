"""State: what the routes of one server process share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from starlette.concurrency import run_in_threadpool

from api.http.cache import MOST_BYTES, MOST_CANDIDATES, Cache, Records
from api.http.feed import Feed
from api.http.settings import Settings

if TYPE_CHECKING:
    from studies.sql.service import SqlService

LOOKED_EVERY_S = 1.0


@dataclass
class State:
    """One server process: its settings, its database, its cache of answers."""

    settings: Settings
    service: SqlService
    feed: Feed
    registry: CollectorRegistry
    answers: Cache[bytes] = field(default_factory=lambda: Cache(MOST_BYTES))
    _has_keys: bool = False
    _looked_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.records = Records(self.service.reader(most=MOST_CANDIDATES).candidates)

    async def has_keys(self) -> bool:
        """Whether a key was ever made. While there is none, the database is asked once a second at most."""
        now = time.monotonic()
        if not self._has_keys and now - self._looked_at >= LOOKED_EVERY_S:
            self._has_keys, self._looked_at = await run_in_threadpool(self.service.keys.any), now
        return self._has_keys


async def state_of(request: Request) -> State:
    """Return the state of the server that got this request."""
    return cast("State", request.app.state.shared)


Shared = Annotated[State, Depends(state_of)]
