"""Events: a study followed live, over as many connections as needed."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.client.answers import attempted, next_part
from api.client.calls import Call, path_to
from api.client.errors import ClientError, TooManyError, UnavailableError, UnexpectedAnswerError, UnreachableError
from api.client.patience import Patience
from api.client.plans import Emit, Open, Pause, Plan
from api.http.feed import FINAL
from studies.events import STATE

SILENCE_S = 60.0  # the server sends a comment every 15 seconds
PASSING = (UnreachableError, UnavailableError, TooManyError)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something that happened to a study. `kind` is `state`, `candidate` or `stage`; `sequence` only grows."""

    sequence: int
    kind: str
    data: Mapping[str, Any]  # Any: JSON data

    @property
    def is_final(self) -> bool:
        """Whether it is the study's last event, unless the study is resumed."""
        return self.kind == STATE and self.data.get("state") in FINAL


@dataclass(slots=True)
class Heard:
    """How far a listener has got."""

    after: int
    last: LiveEvent | None = None

    @property
    def is_over(self) -> bool:
        """Whether the study had ended with the last event."""
        return self.last is not None and self.last.is_final


def followed(name: str, patience: Patience, *, after: int = 0, follow: bool = True) -> Plan[None]:
    """Emit a study's events from behind `after`; with `follow` until it has ended, otherwise only those so far.

    A broken connection is reopened and continues after the last event. Raises `ApiError`, `UnreachableError`.
    """
    heard = Heard(after)
    pauses = patience.pauses(patience.reconnects)
    while True:
        reached = heard.after
        try:
            yield from _listened(name, heard, follow=follow)
            return
        except PASSING as error:
            if heard.is_over:
                return
            if heard.after > reached:
                pauses = patience.pauses(patience.reconnects)
            pause = _pause_after(error, pauses, patience)
        yield Pause(pause)


def _listened(name: str, heard: Heard, *, follow: bool) -> Plan[None]:
    """Emit events over one connection. Raises `UnreachableError` where it ends before the study does."""
    call = Call(
        path=path_to("studies", name, "events"),
        query={"follow": follow},
        headers={"Accept": "text/event-stream", "Last-Event-ID": str(heard.after)},
        silence_s=SILENCE_S,
    )
    yield from attempted(Open(call))
    decoder = EventDecoder()
    while (part := (yield from next_part())) is not None:
        for event in decoder.feed(part):
            heard.after, heard.last = event.sequence, event
            yield Emit(event)
    if follow and not heard.is_over:
        raise UnreachableError(f"the events of {name!r} broke off; the server may have stopped", was_sent=True)


def _pause_after(error: ClientError, pauses: Iterator[float], patience: Patience) -> float:
    """Return how long to wait before the next connection. Raises the error once patience has ended."""
    pause = next(pauses, None)
    if pause is None or error.retry_after_s > patience.asked_for_s:
        raise error
    return max(pause, error.retry_after_s)


class EventDecoder:
    """Turns the bytes of a stream of server-sent events into events, wherever the bytes are split."""

    def __init__(self) -> None:
        self._text = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
        self._rest = ""

    def feed(self, part: bytes) -> Iterator[LiveEvent]:
        """Yield the events that are complete with these bytes."""
        *blocks, self._rest = (self._rest + self._text.decode(part)).split("\n\n")
        for block in blocks:
            fields = list(_fields(block))
            if any(name == "data" for name, _ in fields):
                yield _event(fields)


def _fields(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        if name:  # a line that begins with a colon is a comment
            yield name, value.removeprefix(" ")


def _event(fields: list[tuple[str, str]]) -> LiveEvent:
    named = dict(fields)
    try:
        data = json.loads("\n".join(value for name, value in fields if name == "data"))
        return LiveEvent(sequence=int(named["id"]), kind=named["event"], data=data)
    except (KeyError, ValueError) as error:
        raise UnexpectedAnswerError(f"an event is not of this service: {fields!r}") from error
