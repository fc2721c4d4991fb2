"""Buying: fresh texts for which the server finds out which labels it wants, and the labels given back."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from api.client.answers import answered, parsed
from api.client.calls import Call, path_to
from api.client.errors import PurchaseFailedError
from api.client.events import LiveEvent, followed
from api.client.patience import Patience
from api.client.plans import Pause, Plan, heard
from api.http.models import JobView
from optimizer.errors import MachineError
from optimizer.fronts.bought import STAGE, Double, Standing
from studies.jobs import JobState

POLL_S = 0.5
LONGEST = 50  # characters of a file's name without its end
Listener = Callable[[LiveEvent], None]


class Begun(NamedTuple):
    """A purchase that has begun: where it stands, and notes on the texts that were set aside."""

    standing: Standing
    notes: tuple[str, ...]


@dataclass(slots=True)
class Ear:
    """Hears a study's events, and tells a listener those of a purchase. `after` is the last sequence heard."""

    listener: Listener | None = None
    after: int = 0

    def __call__(self, event: LiveEvent) -> None:
        """Hear an event."""
        self.after = event.sequence
        if self.listener is not None and event.data.get("stage") == STAGE:
            self.listener(event)


class FreshTexts(NamedTuple):
    """What labels are bought for: fresh texts, of this machine or at the server's path, and members, none: the leaner.

    `double` says which labels are asked twice, None: as before, a tenth at first.
    """

    texts: Path | str
    candidates: Sequence[int]
    double: Double | None

    @property
    def body(self) -> dict[str, object]:
        """What is sent."""
        return {"texts": _given(self.texts), "candidates": list(self.candidates), "double": self.double}


def bought(name: str, fresh: FreshTexts, listener: Listener | None, patience: Patience) -> Plan[Begun]:
    """Begin a purchase, and wait until all models have answered. Raises `PurchaseFailedError`, `ApiError`."""
    ear = Ear()
    yield from heard(followed(name, patience, follow=False), ear)
    ear.listener = listener
    path = path_to("studies", name, "purchases")
    job = parsed((yield from answered(Call(method="POST", path=path, body=fresh.body), patience)), JobView)
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        yield Pause(POLL_S)
        yield from heard(followed(name, patience, after=ear.after, follow=False), ear)
        job = parsed((yield from answered(Call(path=f"{path}/{job.id}"), patience)), JobView)
    if job.state != JobState.DONE:
        raise PurchaseFailedError(job.error or f"purchase {job.id} was {job.state}; begin it again")
    labels = Call(path=path_to("studies", name, "labels"))
    standing = parsed((yield from answered(labels, patience)), Standing)
    return Begun(standing, tuple((job.result or {}).get("notes", ())))


def given(name: str, labels: Mapping[str, str] | Path) -> Call:
    """Return the request that gives labels by row, or those of a filled-in file. Raises `MachineError`."""
    path = path_to("studies", name, "labels")
    if isinstance(labels, Path):
        return Call(method="POST", path=f"{path}/file", body=_sent(labels))
    return Call(method="POST", path=path, body={"labels": dict(labels)})


def _given(texts: Path | str) -> object:
    """Return a file of this machine as it is sent, anything else as the server's own path."""
    return _sent(Path(texts)) if Path(texts).is_file() else str(texts)


def _sent(path: Path) -> dict[str, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MachineError(f"{path} cannot be read: {error.strerror}; give another file") from error
    return {"name": f"{path.stem[-LONGEST:]}{path.suffix}", "content": b64encode(content).decode()}
