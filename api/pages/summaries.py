"""Summaries: the one line that a list shows of a study, kept until the study changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from api.http.models import why_broken
from api.http.state import State
from api.pages.sparkline import best_so_far, step_path
from optimizer.fronts.fronts import front_of
from optimizer.fronts.views import Measured
from optimizer.selection.feasible import is_feasible
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, Member, most_accurate
from studies.records import Candidate, CandidateState, Study, Verdict
from studies.store import StoreError

log = logging.getLogger(__name__)


class Summary(BaseModel):
    """What the candidates of a study say in one line. Ratios to the dense model; drops in the metric's unit."""

    evaluated: int = 0
    best_certified: float | None = None
    best_verified: float | None = None
    best_found: float | None = None
    best: tuple[float, float] | None = None  # without ε: drop and FLOPs of the best within the limits
    path: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A study and its summary."""

    study: Study
    summary: Summary
    broken: str | None = None  # why there is no summary


def line_of(study: Study, state: State) -> Line:
    """Return a study's line, computed once per revision. A study that cannot be summarized is still listed."""
    key = ("summary", study.id, study.revision)
    broken = why_broken(study)
    if broken:
        return Line(study, Summary(), broken)
    try:
        held = state.answers.get(key, lambda: _summary(study, state).model_dump_json().encode())
    except StoreError:  # the database fails, not this study
        raise
    except Exception:  # one record of any kind must not take the list of all down
        log.exception("study %d cannot be summarized", study.id)
        return Line(study, Summary(), "its candidates cannot be read; see the server's log")
    return Line(study, Summary.model_validate_json(held))


def _summary(study: Study, state: State) -> Summary:
    if not study.baseline:
        return Summary()
    candidates = [c for c in state.records.candidates(study) if c.state is not CandidateState.RUNNING]
    front = front_of(study, candidates)
    epsilon = StudySpec.stored(study.spec).epsilon
    if epsilon is None:
        return Summary(evaluated=len(candidates), best=_best(front))
    dense = Measured(study.baseline).required("flops")
    found = best_so_far([_ratio(c, dense) if is_feasible(c, epsilon) else None for c in candidates])
    return Summary(
        evaluated=len(candidates),
        best_certified=_least(front.items, Verdict.CERTIFIED),
        best_verified=_least(front.items, Verdict.CERTIFIED, Verdict.VERIFIED),
        best_found=found[-1] if found and found[-1] < 1 else None,
        path=step_path(found),
    )


def _best(front: FrontResult) -> tuple[float, float] | None:
    """Return the drop, verified where it was, and the FLOPs of the member that is best without an ε."""
    member = most_accurate(front.items)
    if member is None:
        return None
    drop = member.verification.drop if member.verification else member.drop
    return None if drop is None else (drop, member.flops_ratio)


def _least(members: Sequence[Member], *verdicts: Verdict) -> float | None:
    return min((member.flops_ratio for member in members if member.verdict in verdicts), default=None)


def _ratio(candidate: Candidate, dense: float) -> float | None:
    flops = Measured(candidate.measurements).value("flops")
    return None if flops is None else flops / dense
