"""Feasible: whether a candidate's observed drop on the search examples is within ε, compared exactly."""

from __future__ import annotations

from objectives.statistics import paired_drop_interval, within_epsilon
from studies.records import Candidate, CandidateState

CERTAIN = 0.98  # two-sided: a stopped candidate is ruled out where its 99 % interval is above ε


def is_feasible(candidate: Candidate, epsilon: float) -> bool:
    """Whether a candidate was evaluated on all search examples and kept its drop within `epsilon`, infinity included.

    Where the metric is a count, integers are compared: 0.9 − 0.89 > 0.01 in floats.
    """
    outcome = candidate.outcome
    if candidate.state is not CandidateState.COMPLETE or outcome is None or outcome.drop is None:
        return False
    if outcome.lost is None or outcome.gained is None:
        return outcome.drop <= epsilon
    return within_epsilon(outcome.lost, outcome.gained, outcome.seen, epsilon)


def is_undecided(candidate: Candidate, epsilon: float, own_epsilon: float) -> bool:
    """Whether a candidate was stopped at the study's own ε but could still be feasible at this larger one."""
    outcome = candidate.outcome
    if candidate.state is not CandidateState.STOPPED or outcome is None or epsilon <= own_epsilon:
        return False
    if outcome.lost is None or outcome.gained is None or not outcome.seen:
        return False
    return paired_drop_interval(outcome.lost, outcome.gained, outcome.seen, level=CERTAIN).lower <= epsilon
