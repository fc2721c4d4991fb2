"""Studies in a database that this machine reads itself, run in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from api.cli.live import LiveProgress
from api.cli.sources import Format
from api.http.models import StudyView
from optimizer.errors import InputError
from optimizer.member import FrontResult, Member, RunResult
from optimizer.spec import CostName, StudySpec
from studies.opening import open_service, open_store
from studies.records import StudyState
from studies.store import StudyStore

INTERRUPTED = "Interrupted. What was evaluated is stored; `optimize resume STUDY` goes on."


@dataclass(frozen=True)
class LocalStudies:
    """`api.cli.sources.Studies` over a database. What brings torch is imported by the method that needs it."""

    storage: str
    cache_dir: Path

    def run(self, spec: StudySpec, *, name: str | None, console: Console) -> RunResult:
        """Run a new study here."""
        from optimizer.run import optimize

        with self._store() as store, LiveProgress(console, interrupted=INTERRUPTED) as live:
            return optimize(spec, store=store, cache_dir=self.cache_dir, study=name, listener=live)

    def resume(self, name: str, *, epsilon: float | None, console: Console) -> RunResult:
        """Go on with a study here."""
        from optimizer.run import resume

        with self._store() as store, LiveProgress(console, interrupted=INTERRUPTED) as live:
            return resume(name, store=store, cache_dir=self.cache_dir, epsilon=epsilon, listener=live)

    def studies(self) -> Sequence[StudyView]:
        """Return all studies, newest first."""
        with self._store(read_only=True) as store:
            return [StudyView.of(study) for study in store.studies()]

    def study(self, name: str) -> StudyView:
        """Return a study as it stands."""
        with self._store(read_only=True) as store:
            return StudyView.of(store.study(name))

    def result(self, name: str) -> RunResult:
        """Return a whole run, as far as it is."""
        from optimizer.result import result_of

        with self._store(read_only=True) as store:
            return result_of(store.study(name), store)

    def members(self, name: str) -> Sequence[Member]:
        """Return all evaluated candidates."""
        from optimizer.fronts import members_of

        with self._store(read_only=True) as store:
            study = store.study(name)
            return members_of(study, store.candidates(study.id)) if study.baseline else []

    def front(
        self,
        name: str,
        *,
        epsilon: float | None,
        objectives: Sequence[CostName] | None,
        limits: Mapping[str, float],
    ) -> FrontResult:
        """Return the front of what is stored. Raises `InputError` before the dense model was measured."""
        from optimizer.fronts import front_of

        with self._store(read_only=True) as store:
            study = store.study(name)
            if not study.baseline:
                raise InputError("study", f"{study.slug!r} has no baseline yet; `optimize resume {study.slug}` goes on")
            candidates = store.candidates(study.id)
            return front_of(study, candidates, epsilon=epsilon, objectives=objectives, limits=limits or None)

    def export(self, name: str, candidate: int, directory: Path, *, format: Format) -> Sequence[Path]:
        """Write a candidate."""
        from optimizer.handover.export import export_candidate

        with self._store(read_only=True) as store:
            study, as_onnx = store.study(name), format == "onnx"
            return export_candidate(store, study, candidate, directory, cache_dir=self.cache_dir, as_onnx=as_onnx)

    def cancel(self, name: str) -> StudyView:
        """Cancel a queued study, and have the worker of a running one stop. Raises `InputError` for any other."""
        with closing(open_service(self.storage)) as service:
            study = service.store.study(name)
            if not service.jobs.request_cancel(study.id):
                raise InputError("study", _nothing_to_cancel(study.slug, study.state))
            return StudyView.of(service.store.study(str(study.id)))

    def delete(self, name: str) -> None:
        """Delete a study."""
        with self._store() as store:
            store.delete_study(store.study(name).id)

    @contextmanager
    def _store(self, *, read_only: bool = False) -> Iterator[StudyStore]:
        with closing(open_store(self.storage, read_only=read_only)) as store:
            yield store


def _nothing_to_cancel(slug: str, state: StudyState) -> str:
    if state is StudyState.RUNNING:
        return f"{slug!r} runs in a command of its own, not in a worker; press Ctrl-C there"
    return f"{slug!r} is {state}; there is nothing to cancel"
