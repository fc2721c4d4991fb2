"""Rivals: finished candidates beside which another need not be measured to the end.

A rival costs no more and answers more like the dense model: its divergence on the screening examples is smaller by a
fifth at least. Divergence needs no labels and varies far less than the drop, so a candidate that looks better than such
a rival on the search examples is mostly lucky there, and the shortlist prefers the smaller divergence anyway.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from objectives.measurement import Measurement
from optimizer.fronts.views import Measured
from optimizer.selection.feasible import is_feasible
from studies.records import Candidate

SMALLER = 0.8  # share of the other's divergence
REASON = "costs no more and diverges less by a fifth at least"  # stored with the outcome, after the rival's number


class Rival(NamedTuple):
    """A feasible candidate by what it is compared with: its divergence, and the costs that count."""

    number: int
    divergence: float
    costs: tuple[float, ...]

    def is_no_worse(self, other: Rival) -> bool:
        """Whether this one beats all that the other beats."""
        return self.divergence <= other.divergence and not any(map(float.__gt__, self.costs, other.costs))


def ruled_out_by(number: int) -> str:
    """Return the reason why a candidate was stopped beside the one of this number."""
    return f"#{number} {REASON}"


def was_ruled_out(candidate: Candidate) -> bool:
    """Whether a rival of its own study stopped a candidate, so that its own drop decides nothing."""
    outcome = candidate.outcome
    return outcome is not None and outcome.reason is not None and outcome.reason.endswith(REASON)


@dataclass(frozen=True)
class Rivals:
    """Which candidates may rule out another. `costs` are the quantities that count; none: no rivals."""

    costs: tuple[str, ...] = ()
    epsilon: float = 0.0

    def among(self, candidates: Iterable[Candidate]) -> list[Rival]:
        """Return those of the candidates that may rule out another, by their numbers."""
        found: list[Rival] = []
        for candidate in candidates:
            self.add(candidate, found)
        return found

    def add(self, candidate: Candidate, found: list[Rival]) -> None:
        """Add a candidate to the rivals found, unless one with a smaller number beats all that it beats."""
        if not self.costs or not is_feasible(candidate, self.epsilon):
            return
        measured = Measured(candidate.measurements)
        costs = tuple(float(measured.required(cost)) for cost in self.costs)
        rival = Rival(candidate.number, float(measured.required("divergence")), costs)
        if any(other.number < rival.number and other.is_no_worse(rival) for other in found):
            return
        found[:] = [other for other in found if other.number < rival.number or not rival.is_no_worse(other)]
        insort(found, rival)

    def first(self, measured: Sequence[Measurement], rivals: Iterable[Rival]) -> int | None:
        """Return the number of the first rival of a candidate with these measurements, if any."""
        if not self.costs:
            return None
        ours = Measured(measured)
        return next((rival.number for rival in rivals if self._beats(rival, ours)), None)

    def _beats(self, rival: Rival, other: Measured) -> bool:
        is_closer = rival.divergence <= SMALLER * other.required("divergence")
        return is_closer and all(
            cost <= other.required(name) for name, cost in zip(self.costs, rival.costs, strict=True)
        )
