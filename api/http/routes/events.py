"""Events: what happens to a study, live, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.http.access import NamedStudy
from api.http.problems import responses
from api.http.state import Shared

router = APIRouter(prefix="/v1", tags=["events"])


@router.get(
    "/studies/{name}/events",
    response_class=EventSourceResponse,
    responses=responses(401, 403, 404, 422, 429),
)
async def events(
    study: NamedStudy,
    state: Shared,
    follow: Annotated[bool, Query(description="false: replay what there is, then end")] = True,  # noqa: FBT002
    last_event_id: Annotated[int, Header(ge=0, le=2**53)] = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a study from the event after `Last-Event-ID`; the stream ends when the study has."""
    async for event in state.feed.of(study.id, after=last_event_id, follow=follow):
        yield ServerSentEvent(id=str(event.sequence), event=event.kind, data=dict(event.data))
