"""Rivals: finished candidates beside which another need not be measured to the end.

A rival costs no more and answers more like the dense model: its divergence on the screening examples is smaller by a
fifth at least. Divergence needs no labels and varies far less than the drop, so a candidate that looks better than such
a rival on the search examples is mostly lucky there, and the shortlist prefers the smaller divergence anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from objectives.measurement import Measurement
from optimizer.feasible import is_feasible
from optimizer.views import Measured
from studies.records import Candidate

SMALLER = 0.8  # share of the other's divergence
REASON = "costs no more and diverges less by a fifth at least"  # stored with the outcome, after the rival's number


def ruled_out_by(number: int) -> str:
    """Return the reason why a candidate was stopped beside the one of this number."""
    return f"#{number} {REASON}"


def was_ruled_out(candidate: Candidate) -> bool:
    """Whether a rival of its own study stopped a candidate, so that its own drop decides nothing."""
    outcome = candidate.outcome
    return outcome is not None and outcome.reason is not None and outcome.reason.endswith(REASON)


@dataclass(frozen=True)
class Rivals:
    """The candidates of a study that may rule out another. `costs` are the quantities that count; none: no rivals."""

    costs: Collection[str]
    epsilon: float

    def first(self, measured: Sequence[Measurement], candidates: Sequence[Candidate]) -> int | None:
        """Return the number of the first feasible candidate that is a rival of one with these measurements, if any."""
        if not self.costs:
            return None
        ours = Measured(measured)
        feasible = (candidate for candidate in candidates if is_feasible(candidate, self.epsilon))
        return next((c.number for c in feasible if self._beats(Measured(c.measurements), ours)), None)

    def _beats(self, rival: Measured, other: Measured) -> bool:
        is_closer = rival.required("divergence") <= SMALLER * other.required("divergence")
        return is_closer and all(rival.required(cost) <= other.required(cost) for cost in self.costs)
