"""Loaded: the workload of a study, what its spec left open, and the faults that only a loaded model shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optimizer.chosen import chosen
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.given import NOTHING, Given
from optimizer.interrupts import interrupts_end
from optimizer.preparation.prepare import check_loaded
from optimizer.progress import Event, Listener, ignore
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from studies.records import Study
from studies.store import StudyStore

CHOICE = "choice"  # of a study's context


@dataclass(frozen=True)
class Loaded:
    """A workload with the spec of its study, which leaves nothing open; `choice` says what was open and why."""

    spec: StudySpec
    workload: Workload
    choice: Mapping[str, Any]  # Any: JSON data

    def kept_by(self, study: Study, store: StudyStore) -> Study:
        """Keep a choice in its study, the figures first: after a kill between the two, it is made again."""
        if not self.choice:
            return study
        store.update_study(study.id, context=self.choice)
        return store.widen_study(study.id, self.spec.model_dump(mode="json"), [])


def notes_of_choice(context: Mapping[str, Any]) -> list[str]:
    """Return what was chosen where a study began, nothing where its spec left nothing open."""
    return [context[CHOICE]["words"]] if CHOICE in context else []


def loaded(spec: StudySpec, *, cache_dir: Path, listener: Listener = ignore, given: Given = NOTHING) -> Loaded:
    """Load a workload, choose what the spec leaves open, and refuse faults before anything is stored."""
    with interrupts_end(listener) as tell:
        return _loaded(spec, cache_dir, tell, given)


def _loaded(spec: StudySpec, cache_dir: Path, listener: Listener, given: Given) -> Loaded:
    workload = load_workload(
        spec,
        cache_dir=cache_dir,
        given=given,
        progress=lambda text, done, total: listener(Event(stage="load", done=done, total=total, text=text)),
    )
    choice: Mapping[str, Any] = {}
    if spec.is_open:
        listener(Event(stage="load", text="timing what wins on this machine"))
        found = chosen(spec, workload, cache_dir)
        spec, choice = found.of(spec), {CHOICE: {"words": found.words, "figures": found.figures}}
        listener(Event(stage="note", text=found.words))
        check_workload(spec, given)
    check_loaded(spec, workload, cache_dir)
    return Loaded(spec, replace(workload, notes=(*workload.notes, *given.notes)), choice)
