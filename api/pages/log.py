"""The log of a study: its events in words, newest first; of a stage without anything between, the last word alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.pages.figures import fixed
from studies.events import CANDIDATE, LEASE, STAGE, STATE, StudyEvent


@dataclass(frozen=True, slots=True)
class Line:
    """What happened at a moment. `tone` is the name of a state, or empty."""

    at: datetime
    kind: str
    text: str
    tone: str = ""


def lines_of(events: Sequence[StudyEvent]) -> list[Line]:
    """Return the lines of events that come newest first."""
    lines: list[Line] = []
    newer: StudyEvent | None = None
    for event in events:
        if newer is None or not _goes_on(event, newer):
            lines.append(_line(event))
        newer = event
    return lines


def _goes_on(event: StudyEvent, newer: StudyEvent) -> bool:
    return event.kind == newer.kind == STAGE and event.data["stage"] == newer.data["stage"]


def _line(event: StudyEvent) -> Line:
    match event.kind:
        case "state":
            error = event.data.get("error")
            return Line(
                event.created_at,
                STATE,
                f"{event.data['state']}: {error}" if error else event.data["state"],
                event.data["state"],
            )
        case "candidate":
            return Line(event.created_at, CANDIDATE, _candidate(event.data))
        case "stage":
            return Line(event.created_at, STAGE, _stage(event.data))
        case "lease":
            return Line(event.created_at, LEASE, _lost(event.data))
        case other:
            return Line(event.created_at, other, "")


def _candidate(data: Mapping[str, Any]) -> str:
    drop = "" if data.get("drop") is None else f", drop {fixed(data['drop'])}"
    return f"#{data['number']} {data['state']}{drop}, {data['seen']} examples seen"


def _lost(data: Mapping[str, Any]) -> str:
    return f"worker {data['worker']} fell silent in attempt {data['attempt']} of job {data['job']}"


def _stage(data: Mapping[str, Any]) -> str:
    title = data.get("title") or data["stage"]
    count = f", {data['done']} of {data['total']}" if data["total"] else ""
    return f"{title}{count}{': ' + data['text'] if data['text'] else ''}"
