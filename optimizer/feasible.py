"""Feasible: whether a candidate's observed drop on the search examples is within ε, compared exactly."""

from __future__ import annotations

from objectives.statistics import within_epsilon
from studies.records import Candidate, CandidateState


def is_feasible(candidate: Candidate, epsilon: float) -> bool:
    """Whether a candidate was evaluated on all search examples and kept its drop within `epsilon`.

    Where the metric is a count, integers are compared: 0.9 − 0.89 > 0.01 in floats.
    """
    outcome = candidate.outcome
    if candidate.state is not CandidateState.COMPLETE or outcome is None or outcome.drop is None:
        return False
    if outcome.lost is None or outcome.gained is None:
        return outcome.drop <= epsilon
    return within_epsilon(outcome.lost, outcome.gained, outcome.seen, epsilon)
