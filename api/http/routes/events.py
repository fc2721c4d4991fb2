"""Events: what happens to a study, live, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from api.http.access import NamedStudy, Reader, Stay
from api.http.problems import responses
from api.http.state import Shared, State
from studies.events import StudyEvent

router = APIRouter(prefix="/v1", tags=["events"])
EVENT_STREAM = "text/event-stream"
EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["id", "event", "data"],
}
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@router.get(
    "/studies/{name}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {EVENT_STREAM: {"itemSchema": EVENT}}},
        **responses(401, 403, 404, 422, 429),
    },
)
async def events(
    study: NamedStudy,
    state: Shared,
    caller: Reader,
    follow: Annotated[bool, Query(description="false: replay what there is, then end")] = True,  # noqa: FBT002
    after: Annotated[int, Query(ge=0, le=2**53, description="the event to begin after")] = 0,
    last_event_id: Annotated[int, Header(ge=0, le=2**53)] = 0,
) -> StreamingResponse:
    """Follow a study from the event after `Last-Event-ID` or `after` to its end, or until the key is revoked."""
    told = _told(state, study.id, max(after, last_event_id), Stay(state, caller), follow=follow)
    return StreamingResponse(told, headers=UNBUFFERED, media_type=EVENT_STREAM)


async def _told(state: State, study_id: int, after: int, stay: Stay, *, follow: bool) -> AsyncIterator[bytes]:
    async for part in state.feed.of(study_id, after=after, follow=follow):
        if not await stay.may_go_on():
            return
        yield _encoded(part)


def _encoded(events: Sequence[StudyEvent]) -> bytes:
    """Return events as they are sent; without any, a comment that keeps the connection open."""
    texts = [f"id: {e.sequence}\nevent: {e.kind}\ndata: {json.dumps(dict(e.data))}\n\n" for e in events]
    return "".join(texts).encode() or b": nothing happened\n\n"
