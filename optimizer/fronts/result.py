"""Result: a whole run as one value, read from the store alone."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.fronts.fronts import front_of, study_limits
from optimizer.fronts.views import baseline_view, guest_views
from optimizer.spec import StudySpec
from optimizer.views.member import RunResult, StoppedEarly
from optimizer.views.spent import spent_views
from optimizer.views.trainings import trained_view
from studies.records import Candidate, CandidateState, Origin, Study
from studies.store import StudyStore


def result_of(study: Study, store: StudyStore) -> RunResult:
    """Return the current result of a study; for a finished study the final front, from measured values only."""
    spec = StudySpec.stored(study.spec)
    candidates = store.candidates(study.id)
    shortlist = [candidate for candidate in candidates if candidate.shortlisted]
    front = front_of(study, candidates) if study.baseline else None
    hashes = study.context.get("examples", {})
    return RunResult(
        study=study.slug,
        state=study.state.value,
        error=study.error,
        model=spec.model,
        teacher=spec.teacher,
        task=spec.task,
        epsilon=spec.epsilon,
        limits=dict(study_limits(spec)),
        seed=spec.seed,
        metric=study.context.get("metric", spec.metric or ""),
        kind=study.context.get("kind"),
        objectives=spec.objectives,
        conditions=dict(study.context.get("conditions", {})),
        notes=_notes(study),
        baseline=baseline_view(study, study.context["metric"]) if study.baseline else None,
        front=front.items if front else (),
        shortlist_size=len(shortlist),
        verification_uses=store.verification_uses(hashes["verification"]["hash"]) if hashes else 0,
        knee=front.knee if front else None,
        best=front.best if front else None,
        hypervolume=front.hypervolume if front else None,
        least_violating=front.least_violating if front else (),
        why_empty=front.why_empty if front else "the dense model has not been measured yet",
        candidates_evaluated=sum(candidate.state is not CandidateState.RUNNING for candidate in candidates),
        stopped_early=_stopped_early(candidates, hashes.get("search", {}).get("n", 0)),
        seconds=dict(study.seconds),
        spent=spent_views(study),
        trained=trained_view(candidates),
        guests=guest_views(study),
    )


def _notes(study: Study) -> tuple[str, ...]:
    """Return the notes on the data and the search."""
    ended = study.context.get("search_ended")
    return (*study.context.get("notes", ()), *([ended] if ended else []))


def _stopped_early(candidates: Sequence[Candidate], n: int) -> StoppedEarly:
    own = (candidate for candidate in candidates if candidate.proposal.origin is not Origin.TRANSFER)
    finished = [candidate.outcome for candidate in own if candidate.outcome is not None]
    seen, whole = sum(outcome.seen for outcome in finished), n * len(finished)
    return StoppedEarly(
        candidates=sum(outcome.state is CandidateState.STOPPED for outcome in finished),
        examples_saved=1 - seen / whole if whole else 0.0,
    )
