"""State: what the routes of one server process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from api.http.cache import AnswerCache
from api.http.feed import Feed
from api.http.settings import Settings
from studies.sql.service import SqlService


@dataclass(frozen=True)
class State:
    """One server process: its settings, its database, its cache of answers."""

    settings: Settings
    service: SqlService
    feed: Feed
    answers: AnswerCache = field(default_factory=AnswerCache)


def state_of(request: Request) -> State:
    """Return the state of the server that got this request."""
    return cast("State", request.app.state.shared)


Shared = Annotated[State, Depends(state_of)]
