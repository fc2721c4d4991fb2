"""Studies in a database that this machine reads itself, run in this process."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from rich.console import Console

from api.cli.live import LiveProgress
from api.cli.saying import say
from api.cli.sources import Certified, Format, Labelling
from api.http.kept import delete_study
from api.http.models import StudyView
from optimizer.engine import ALONE, Engine
from optimizer.errors import InputError
from optimizer.families.names import check_names
from optimizer.handover.exportable import exportable, refuse_filled
from optimizer.names import check_larger, free_slug
from optimizer.progress import Event
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, GuestView, Member, RunResult
from studies.opening import default_storage_url, has_database, open_service, open_store, shown_url
from studies.records import Study, StudyState
from studies.rules import checked_slug
from studies.standing import as_it_stands, why_busy
from studies.store import StoreOlderError, StudyBusyError, StudyNotFoundError, StudyStore

if TYPE_CHECKING:
    from optimizer.analysis.sources.source import Described, Entry
    from optimizer.guests.received import Asked as Arrivals

ARTIFACTS = "artifacts"  # exported models, in the cache directory


def default_cache_dir() -> Path:
    """Return where banks, tables and trained checkpoints are kept unless `--cache-dir` says otherwise."""
    return Path(platformdirs.user_cache_dir("pruning-optimizer"))


def check_free(name: str, storage: str) -> None:
    """Check a new study's name, and make no database. Raises `StudySlugError`, `StudyExistsError`."""
    checked_slug(name)
    if has_database(storage):
        with closing(_opened(storage, read_only=True)) as store:
            free_slug(name, store)


def _opened(storage: str, *, read_only: bool) -> StudyStore:
    """Open a database; one of an older version is upgraded first, whatever it is opened for."""
    try:
        return open_store(storage, read_only=read_only)
    except StoreOlderError:
        open_store(storage).close()
        return open_store(storage, read_only=read_only)


LARGER = "; only a larger --epsilon can add to it"


@dataclass(frozen=True)
class LocalStudies:
    """`api.cli.sources.Studies` over a database. What brings torch is imported by the method that needs it.

    Names are looked at before that import, which takes seconds.
    """

    storage: str
    cache_dir: Path
    engine: Engine = ALONE

    def run(self, spec: StudySpec, *, name: str | None, console: Console) -> RunResult:
        """Run a new study here."""
        check_names(spec)
        with self._store() as store:
            slug = None if name is None else free_slug(name, store)
            from optimizer.run import optimize

            with LiveProgress(console, epsilon=spec.epsilon, interrupted=self._interrupted) as live:
                return optimize(
                    spec, store=store, cache_dir=self.cache_dir, study=slug, listener=live, engine=self.engine
                )

    def resume(self, name: str, *, epsilon: float | None, console: Console) -> RunResult:
        """Resume a study here."""
        with self._store() as store:
            found = store.study(name)
            if why := why_busy(found):
                raise StudyBusyError(f"study {found.slug!r}: {why}")
            spec = StudySpec.stored(found.spec)
            if epsilon is not None:
                check_larger(epsilon, spec)
            elif found.state is StudyState.COMPLETE:
                say(console, f"{found.slug} is complete{LARGER if spec.epsilon is not None else ''}")
            from optimizer.run import resume

            within = spec.epsilon if epsilon is None else epsilon
            said = self._interrupted
            with LiveProgress(console, epsilon=within, interrupted=said, study=found.slug) as live:
                for candidate in store.candidates(found.id):
                    live.note_candidate(candidate)
                return resume(
                    name,
                    store=store,
                    cache_dir=self.cache_dir,
                    epsilon=epsilon,
                    listener=live,
                    engine=self.engine,
                )

    def studies(self, *, tag: str | None = None) -> Sequence[StudyView]:
        """Return all studies, newest first; with `tag` only those that have it."""
        with self._store(read_only=True) as store:
            found = store.studies()
            return [StudyView.of(as_it_stands(study)) for study in found if tag is None or tag in study.tags]

    def study(self, name: str) -> StudyView:
        """Return a study with its current state."""
        with self._store(read_only=True) as store:
            return StudyView.of(as_it_stands(store.study(name)))

    def result(self, name: str) -> RunResult:
        """Return the result so far."""
        from optimizer.fronts.result import result_of

        with self._store(read_only=True) as store:
            return result_of(as_it_stands(store.study(name)), store)

    def members(self, name: str) -> Sequence[Member]:
        """Return all evaluated candidates."""
        from optimizer.fronts.fronts import members_of

        with self._store(read_only=True) as store:
            study = store.study(name)
            return members_of(study, store.candidates(study.id)) if study.baseline else []

    def front(
        self,
        name: str,
        *,
        epsilon: float | None,
        objectives: Sequence[str] | None,
        limits: Mapping[str, float],
    ) -> FrontResult:
        """Return the front of the stored candidates. Raises `InputError` before the dense model was measured."""
        from optimizer.fronts.fronts import front_of

        with self._store(read_only=True) as store:
            study = store.study(name)
            if not study.baseline:
                raise InputError("study", self._without_baseline(study))
            candidates = store.candidates(study.id)
            return front_of(study, candidates, epsilon=epsilon, objectives=objectives, limits=limits or None)

    def export(self, name: str, candidate: int, directory: Path, *, format: Format) -> Sequence[Path]:
        """Write a candidate."""
        with self._store(read_only=True) as store:
            study, as_onnx = as_it_stands(store.study(name)), format == "onnx"
            exportable(store.candidates(study.id), study, candidate)
            refuse_filled(directory)
            from optimizer.handover.export import export_candidate

            return export_candidate(store, study, candidate, directory, cache_dir=self.cache_dir, as_onnx=as_onnx)

    def analyzed(self, name: str, described: Described) -> Sequence[Entry] | None:
        """Return the front of a study as `optimize analyze` measures it; None for a name that no study has."""
        if not has_database(self.storage):
            return None
        from optimizer.analysis.sources.studies import opened

        try:
            with self._store(read_only=True) as store:
                return opened(name, store, self.cache_dir).entries(described)
        except StudyNotFoundError:
            return None

    def received(
        self, name: str, asked: Arrivals, *, said: Callable[[str], None]
    ) -> tuple[Sequence[GuestView], Sequence[str]]:
        """Put models from elsewhere beside the front of a study; return them, and what was refused, in words."""
        from optimizer.fronts.views import guest_views
        from optimizer.guests.received import receive

        with self._store() as store:
            study = as_it_stands(store.study(name))
            found = receive(asked, study, store, cache_dir=self.cache_dir, said=said)
            digests = {guest.digest for guest in found.guests}
            views = [view for view in guest_views(store.study(name)) if view.digest in digests]
            return views, [str(failure) for failure in found.failures]

    def certify(self, name: str, asked: Labelling, *, progress: Callable[[str], None]) -> Certified:
        """Begin a purchase of labels or take labels back, and write the file to fill in next."""
        with self._store() as store:
            study = store.study(name)
            if why := why_busy(study):
                raise StudyBusyError(f"study {study.slug!r}: {why}")
            from optimizer.certify.files import refuse_taken, take_back, write_next
            from optimizer.certify.standing import settle

            refuse_taken(asked.to)
            notes = self._begun(study, asked, store, progress)
            standing = settle(store, study) if asked.labels is None else take_back(store, study, asked.labels)
            written = None if standing.is_over else write_next(store, study, asked.to, batch=asked.batch)
            return Certified(standing, notes, written)

    def _begun(
        self, study: Study, asked: Labelling, store: StudyStore, progress: Callable[[str], None]
    ) -> Sequence[str]:
        """Have the models answer the fresh texts, if there are any; return the notes on them."""
        if asked.texts is None:
            return ()
        from optimizer.certify.begin import begin

        def tell(event: Event) -> None:
            progress(event.text)

        return begin(
            store, study, asked.candidates, asked.texts, double=asked.double, cache_dir=self.cache_dir, listener=tell
        )

    def label(self, name: str, *, tags: Sequence[str] | None, note: str | None) -> StudyView:
        """Replace a study's tags or note; None keeps them."""
        with self._store() as store:
            return StudyView.of(store.label_study(store.study(name).id, tags=tags, note=note))

    def cancel(self, name: str) -> StudyView:
        """Cancel a queued study, or tell the worker of a running one to stop. Raises `InputError` for any other."""
        with closing(open_service(self.storage)) as service:
            study = service.store.study(name)
            if not service.jobs.request_cancel(study.id):
                raise InputError("study", self._nothing_to_cancel(as_it_stands(study)))
            return StudyView.of(service.store.study(str(study.id)))

    def delete(self, name: str) -> None:
        """Delete a study, and its exports in the cache directory."""
        with closing(open_service(self.storage)) as service:
            delete_study(service, service.store.study(name).id, self.cache_dir / ARTIFACTS)

    @contextmanager
    def _store(self, *, read_only: bool = False) -> Iterator[StudyStore]:
        with closing(_opened(self.storage, read_only=read_only)) as store:
            yield store

    def _interrupted(self, slug: str | None) -> str:
        """Say what is stored after an interrupt; a study that is not stored yet has no name."""
        if slug is None:
            return "Interrupted before the study started; nothing is stored."
        return f"Interrupted. All evaluated candidates are stored; `{self.resume_command(slug)}` resumes the study."

    def resume_command(self, slug: str) -> str:
        """Return the command that resumes a study, as it can be typed here."""
        places = [] if self.storage == default_storage_url() else ["--storage", shown_url(self.storage)]
        places += [] if self.cache_dir == default_cache_dir() else ["--cache-dir", str(self.cache_dir)]
        workers = [] if self.engine.workers in (None, 1) else ["--workers", str(self.engine.workers)]
        return shlex.join(["optimize", "resume", slug, *workers, *places])

    def _without_baseline(self, study: Study) -> str:
        state = as_it_stands(study).state
        return f"{study.slug!r} is {state} and has no baseline yet; `{self.resume_command(study.slug)}` resumes it"

    def _nothing_to_cancel(self, study: Study) -> str:
        if study.state is StudyState.RUNNING:
            return f"{study.slug!r} runs in another `optimize` command, not in a worker; press Ctrl-C there"
        if study.state is StudyState.INTERRUPTED:
            return f"{study.slug!r} is not running; `{self.resume_command(study.slug)}` resumes it"
        return f"{study.slug!r} is {study.state}; there is nothing to cancel"
