"""Studies at a server, asked for through the service's client."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from api.cli.live import LiveProgress
from api.cli.saying import say
from api.cli.sources import Certified, Format, Labelling
from api.client.blocking import Client
from api.client.errors import PurchaseFailedError, StudyFailedError, UnavailableError, UnreachableError
from api.client.events import LiveEvent
from api.http.models import StudyView
from optimizer.errors import InputError
from optimizer.fronts.bought import Standing
from optimizer.progress import Event
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, Member, RunResult
from studies.events import STAGE

BEST_EVERY_S = 2.0


class RemoteStudies:
    """`api.cli.sources.Studies` over HTTP; `url` is the server's, for what is said."""

    def __init__(self, client: Client, url: str) -> None:
        self._client, self._url = client, url

    def run(self, spec: StudySpec, *, name: str | None, console: Console) -> RunResult:
        """Submit a study and follow it."""
        return self._follow(self._client.submit(spec, name=name), console)

    def resume(self, name: str, *, epsilon: float | None, console: Console) -> RunResult:
        """Resume a study and follow it."""
        self._client.resume(name, epsilon=epsilon)
        return self._follow(self._client.study(name), console)

    def studies(self, *, tag: str | None = None) -> Sequence[StudyView]:
        """Return all studies, newest first; those of one tag where it is given."""
        return list(self._client.studies(tag=tag))

    def study(self, name: str) -> StudyView:
        """Return a study with its current state."""
        return self._client.study(name)

    def result(self, name: str) -> RunResult:
        """Return a whole run, so far as it has come."""
        return self._client.result(name)

    def members(self, name: str) -> Sequence[Member]:
        """Return all evaluated candidates."""
        has_baseline = self._client.result(name).baseline is not None
        return list(self._client.candidates(name)) if has_baseline else []

    def front(
        self,
        name: str,
        *,
        epsilon: float | None,
        objectives: Sequence[str] | None,
        limits: Mapping[str, float],
    ) -> FrontResult:
        """Return the front of what is stored."""
        return self._client.front(name, epsilon=epsilon, objectives=objectives, limits=limits)

    def export(self, name: str, candidate: int, directory: Path, *, format: Format) -> Sequence[Path]:
        """Have a candidate written there and fetch it."""
        return self._client.export(name, candidate, directory, format=format)

    def certify(self, name: str, asked: Labelling, *, progress: Callable[[str], None]) -> Certified:
        """Have the server begin a purchase or give it labels, and write the file to fill in next."""
        from optimizer.certify.files import refuse_taken, write_rows

        refuse_taken(asked.to)
        notes: Sequence[str] = ()
        if asked.texts is not None:
            standing, notes = self._begun(name, asked.texts, asked, progress)
        elif asked.labels is not None:
            standing = self._client.give_labels(name, asked.labels)
        else:
            standing = self._client.labels(name)
        if standing.is_over:
            return Certified(standing, notes, None)
        wanted = self._client.wanted_labels(name, batch=asked.batch)
        rows = [(row.id, row.content) for row in wanted.items]
        return Certified(wanted.standing, notes, write_rows(rows, standing.columns, asked.to, standing.study))

    def label(self, name: str, *, tags: Sequence[str] | None, note: str | None) -> StudyView:
        """Replace what is given of a study's tags and note."""
        return self._client.label(name, tags=tags, note=note)

    def cancel(self, name: str) -> StudyView:
        """Cancel a study."""
        return self._client.cancel(name)

    def delete(self, name: str) -> None:
        """Delete a study."""
        self._client.delete(name)

    def resume_command(self, slug: str) -> str:
        """Return the command that resumes a study, as it can be typed here."""
        return shlex.join(["optimize", "resume", slug, "--server", self._url])

    def _begun(
        self, name: str, texts: Path, asked: Labelling, progress: Callable[[str], None]
    ) -> tuple[Standing, Sequence[str]]:
        """Begin a purchase. Raises `InputError` for what the server's worker refused of the texts."""
        try:
            return self._client.certify(
                name,
                texts,
                candidates=asked.candidates,
                double=asked.double,
                listener=lambda event: progress(event.data["text"]),
            )
        except PurchaseFailedError as error:
            kind, _, said = str(error).partition(": ")
            if kind != InputError.__name__:
                raise
            field, _, why = said.partition(": ")
            raise InputError(field, why) from error

    def _follow(self, study: StudyView, console: Console) -> RunResult:
        """Show how a study goes until it ends. Raises `InputError` for one that was refused before it began."""
        name = study.study
        interrupted = f"Study {name} continues at {self._url}; `optimize cancel {name} --server {self._url}` stops it."
        say(console, f"study {name} is {study.state} at {self._url}")
        epsilon = StudySpec.stored(study.spec).epsilon
        with LiveProgress(console, epsilon=epsilon, interrupted=lambda _: interrupted) as live:
            listener = RemoteListener(live, lambda: self._best_of(name))
            try:
                return self._client.wait(name, listener=listener)
            except StudyFailedError as error:
                if error.study.seconds:
                    raise
                raise InputError("study", str(error)) from error  # no second of it ran: model or data were refused

    def _best_of(self, name: str) -> float | None:
        """Return the fewest FLOPs within ε, or the smallest drop without one; None without a candidate or answer."""
        try:
            front = self._client.front(name, objectives=["flops"])
        except (UnreachableError, UnavailableError):  # the events outlast a server's restart, and bring the next chance
            return None
        figures = (member.drop if front.epsilon is None else member.flops for member in front.items)
        return min((figure for figure in figures if figure is not None), default=None)


class RemoteListener:
    """Draw a server's events as live progress. `best` is asked for the best figure from time to time."""

    def __init__(self, live: LiveProgress, best: Callable[[], float | None]) -> None:
        self._live, self._best = live, best
        self._asked_at = float("-inf")

    def __call__(self, event: LiveEvent) -> None:
        """Draw an event."""
        if event.kind != STAGE:
            return
        if event.data["stage"] == "search" and event.data["done"]:
            self._note_best()
        told = {name: event.data[name] for name in ("stage", "text", "done", "total")}
        self._live(Event(**told))

    def _note_best(self) -> None:
        now = time.monotonic()
        if now - self._asked_at >= BEST_EVERY_S:
            self._asked_at = now
            self._live.note(self._best())
