"""The store without a database: for embedding, and for tests. What it holds is gone when it is.

Records go in and come out as deep copies, so that changes to a record never change what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count, islice
from threading import RLock
from typing import Any
from uuid import uuid4

from objectives.measurement import Measurement
from studies.merging import merged
from studies.records import (
    Candidate,
    CandidateState,
    Claim,
    Outcome,
    Proposal,
    Revision,
    Study,
    StudyState,
    Verification,
)
from studies.rules import (
    checked_measurement,
    checked_note,
    checked_outcome,
    checked_slug,
    checked_tags,
    checked_verification,
    id_in,
    json_data,
    no_such_candidate,
    no_such_study,
    not_of_this_study,
    refuse_repetition,
    refuse_void,
    study_exists,
    text_data,
    utc_now,
)


@dataclass
class _Kept:
    """A study, its candidates in number order, and what was measured on each after its outcome."""

    study: Study
    uid: str = field(default_factory=lambda: uuid4().hex)
    candidates: list[Candidate] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # canonical config → number
    later: dict[int, tuple[Measurement, ...]] = field(default_factory=dict)


class MemoryStore:
    """A `StudyStore` in this process's memory. Threads may share one; no other process can see it."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._lock = RLock()
        self._kept: dict[int, _Kept] = {}
        self._study_of: dict[int, int] = {}  # candidate id → study id
        self._uses: set[tuple[str, str]] = set()
        self._study_ids, self._candidate_ids = count(1), count(1)
        self._claim: Claim | None = None

    def under(self, claim: Claim) -> MemoryStore:
        """Return this store, nothing copied, for the holder of a claim."""
        same = copy(self)
        same._claim = claim
        return same

    def create_study(
        self,
        slug: str,
        spec: Mapping[str, Any],
        *,
        owner: str | None = None,
        state: StudyState = StudyState.RUNNING,
    ) -> Study:
        """Create a study. Raises `StudyExistsError`, `StudySlugError`."""
        checked_slug(slug)
        data, now = json_data(spec, field="spec"), self._clock()
        with self._lock:
            if slug in self._slugs():
                raise study_exists(slug)
            number = next(self._study_ids)
            study = Study(id=number, slug=slug, spec=data, state=state, created_at=now, updated_at=now, owner=owner)
            self._kept[number] = _Kept(study)
            return deepcopy(study)

    def claim_study(self, study_id: int) -> Study:
        """Mark a study RUNNING, its error forgotten; the only process that can see it already has it."""
        with self._changing(study_id) as kept:
            claims = kept.study.claims + (self._claim is None)
            kept.study = replace(kept.study, state=StudyState.RUNNING, error=None, claims=claims)
        return self._copy(study_id)

    def study(self, name: str) -> Study:
        """Return a study by slug, or by id where `name` is all digits. Raises `StudyNotFoundError`."""
        with self._lock:
            return deepcopy(self._named(name))

    def revision(self, name: str) -> Revision:
        """Return a study's revision by slug or id; any write counts as a result. Raises `StudyNotFoundError`."""
        with self._lock:
            study = self._named(name)
            return Revision(study.id, study.revision, study.revision)

    def studies(self) -> Sequence[Study]:
        """Return all studies, newest first."""
        with self._lock:
            return [deepcopy(self._kept[number].study) for number in sorted(self._kept, reverse=True)]

    def slugs(self, beginning: str) -> frozenset[str]:
        """Return the slugs that begin so."""
        with self._lock:
            return frozenset(s for kept in self._kept.values() if (s := kept.study.slug).startswith(beginning))

    def page(
        self,
        *,
        after: int | None,
        limit: int,
        state: StudyState | None = None,
        owners: Collection[str] | None = None,
        search: str | None = None,
        tag: str | None = None,
    ) -> Sequence[Study]:
        """Return at most `limit` studies that fit, newest first, from below the id `after` on."""
        fitting = (
            study
            for study in self.studies()
            if (after is None or study.id < after)
            and (state is None or study.state is state)
            and (owners is None or study.owner in owners)
            and (search is None or search.lower() in study.slug)
            and (tag is None or tag in study.tags)
        )
        return list(islice(fitting, limit))

    def update_study(
        self,
        study_id: int,
        *,
        state: StudyState | None = None,
        error: str | None = None,
        context: Mapping[str, Any] | None = None,
        add_seconds: Mapping[str, float] | None = None,
        baseline: Sequence[Measurement] | None = None,
    ) -> Study:
        """Change what is given: `context` keys are merged, `add_seconds` is added by stage, `baseline` replaces."""
        more_context = json_data(context or {}, field="context")
        with self._changing(study_id) as kept:
            old = kept.study
            more_seconds = {
                stage: old.seconds.get(stage, 0.0) + float(more) for stage, more in (add_seconds or {}).items()
            }
            kept.study = replace(
                old,
                state=state or old.state,
                error=old.error if error is None else text_data(error),
                context={**old.context, **more_context},
                seconds={**old.seconds, **more_seconds},
                baseline=old.baseline if baseline is None else _copied(baseline),
                claims=old.claims + (state not in (None, StudyState.RUNNING)),
            )
        return self._copy(study_id)

    def label_study(self, study_id: int, *, tags: Sequence[str] | None = None, note: str | None = None) -> Study:
        """Replace what is given of a study's tags and note. Raises `LabelError` for those that cannot be kept."""
        with self._changing(study_id) as kept:
            old = kept.study
            kept.study = replace(
                old,
                tags=old.tags if tags is None else checked_tags(tags),
                note=old.note if note is None else checked_note(note),
            )
        return self._copy(study_id)

    def widen_study(self, study_id: int, spec: Mapping[str, Any], reopened: Sequence[int]) -> Study:
        """Replace the spec of a study and put these STOPPED candidates back to RUNNING."""
        data, chosen = json_data(spec, field="spec"), set(reopened)
        with self._changing(study_id) as kept:
            strange = chosen - {each.id for each in kept.candidates if each.state is CandidateState.STOPPED}
            if strange:
                raise not_of_this_study(strange)
            kept.study = replace(kept.study, spec=data)
            kept.candidates = [
                replace(each, state=CandidateState.RUNNING, outcome=None, measurements=kept.later.get(each.id, ()))
                if each.id in chosen
                else each
                for each in kept.candidates
            ]
        return self._copy(study_id)

    def delete_study(self, study_id: int) -> None:
        """Delete a study with all that belongs to it; its use of verification examples stays counted."""
        with self._lock:
            for candidate in self._of(study_id).candidates:
                del self._study_of[candidate.id]
            del self._kept[study_id]

    def start_candidate(self, study_id: int, proposal: Proposal) -> Candidate:
        """Return a RUNNING candidate for a proposal: a new one, or the one in flight of the same config.

        Raises `StoreError` where the candidate of this config is finished.
        """
        with self._changing(study_id) as kept:
            number = kept.numbers.setdefault(proposal.config.canonical_json(), len(kept.candidates))
            if number == len(kept.candidates):
                kept.candidates.append(self._new_candidate(kept.study, number, proposal))
            candidate = kept.candidates[number]
            refuse_repetition(number, candidate.state)
            return deepcopy(candidate)

    def finish_candidate(self, candidate_id: int, outcome: Outcome) -> Candidate:
        """Record an outcome, once. Raises `StoreError` if the candidate is not RUNNING."""
        with self._changing_candidate(candidate_id) as (kept, candidate):
            checked_outcome(outcome, number=candidate.number, state=candidate.state)
            measurements = _copied(outcome.measurements)
            reason = None if outcome.reason is None else text_data(outcome.reason)
            outcome = replace(outcome, measurements=measurements, reason=reason)
            shown = merged(measurements, kept.later.get(candidate_id, ()))
            finished = replace(candidate, state=outcome.state, outcome=outcome, measurements=shown)
            kept.candidates[candidate.number] = finished
            return deepcopy(finished)

    def add_measurements(self, candidate_id: int, measurements: Sequence[Measurement]) -> None:
        """Add what was measured after the evaluation, replacing equal quantities measured under equal conditions.

        The outcome keeps its own measurements; `Candidate.measurements` shows the later of two equals.
        """
        with self._changing_candidate(candidate_id) as (kept, candidate):
            later = merged((), (*kept.later.get(candidate_id, ()), *_copied(measurements)))
            of_outcome = candidate.outcome.measurements if candidate.outcome else ()
            kept.later[candidate_id] = later
            kept.candidates[candidate.number] = replace(candidate, measurements=merged(of_outcome, later))

    def shortlist(self, study_id: int, candidate_ids: Sequence[int]) -> None:
        """Fix the shortlist: exactly these candidates are marked. Raises `CandidateNotFoundError`."""
        chosen = set(candidate_ids)
        with self._changing(study_id) as kept:
            strange = chosen - {candidate.id for candidate in kept.candidates}
            if strange:
                raise not_of_this_study(strange)
            kept.candidates = [replace(each, shortlisted=each.id in chosen) for each in kept.candidates]

    def verify_candidate(self, candidate_id: int, verification: Verification) -> None:
        """Record a candidate's verification, once, and count the study among the users of those examples."""
        with self._changing_candidate(candidate_id) as (kept, candidate):
            checked_verification(verification, number=candidate.number, is_first=candidate.verification is None)
            kept.candidates[candidate.number] = replace(candidate, verification=verification)
            self._uses.add((verification.examples, kept.uid))

    def candidates(self, study_id: int) -> Sequence[Candidate]:
        """Return all candidates of a study in number order. Raises `StudyNotFoundError`."""
        with self._lock:
            return deepcopy(self._of(study_id).candidates)

    def verification_uses(self, examples: str) -> int:
        """Return how many studies, deleted ones included, have verified on the examples of this hash."""
        with self._lock:
            return sum(used == examples for used, _ in self._uses)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _new_candidate(self, study: Study, number: int, proposal: Proposal) -> Candidate:
        candidate_id = next(self._candidate_ids)
        self._study_of[candidate_id] = study.id
        return Candidate(
            id=candidate_id,
            study_id=study.id,
            number=number,
            proposal=proposal,
            state=CandidateState.RUNNING,
        )

    def _named(self, name: str) -> Study:
        study_id = id_in(name)
        for kept in self._kept.values():
            if name == kept.study.slug or study_id == kept.study.id:
                return kept.study
        raise no_such_study(name, self._slugs())

    def _slugs(self) -> list[str]:
        return [kept.study.slug for kept in self._kept.values()]

    def _of(self, study_id: int) -> _Kept:
        if study_id not in self._kept:
            raise no_such_study(study_id, self._slugs())
        return self._kept[study_id]

    def _copy(self, study_id: int) -> Study:
        with self._lock:
            return deepcopy(self._of(study_id).study)

    @contextmanager
    def _changing(self, study_id: int) -> Iterator[_Kept]:
        """Give a study to change; the change is counted unless it fails, and then nothing may have changed."""
        with self._lock:
            kept = self._of(study_id)
            refuse_void(self._claim, study_id, kept.study.claims)
            yield kept
            kept.study = replace(kept.study, revision=kept.study.revision + 1, updated_at=self._clock())

    @contextmanager
    def _changing_candidate(self, candidate_id: int) -> Iterator[tuple[_Kept, Candidate]]:
        study_id = self._study_of.get(candidate_id)
        if study_id is None:
            raise no_such_candidate(candidate_id)
        with self._changing(study_id) as kept:
            yield kept, next(each for each in kept.candidates if each.id == candidate_id)


def _copied(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    return tuple(map(checked_measurement, measurements))
