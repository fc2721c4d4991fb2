"""Standings: what the candidates of a study are compared by, in columns.

A view of each candidate would be ten kilobytes of what nobody asks for, and take nearly all of the time of a front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.fronts.front import FloatArray, non_dominated
from optimizer.fronts.verdicts import Judgement
from optimizer.fronts.views import Measured, ratio_of
from studies.records import Candidate, Verdict

Limits = Mapping[str, float]  # cost -> upper ratio to the dense model


@dataclass(frozen=True)
class Standings:
    """How n candidates stand: their `drops` `(n,)`, the `ratios` of their `costs` to the dense model's `(n, costs)`.

    NaN is what was not measured. `certified` `(n,)` says who has a certificate.
    """

    candidates: Sequence[Candidate]
    costs: tuple[str, ...]
    drops: FloatArray
    ratios: FloatArray
    certified: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        costs: tuple[str, ...],
        baseline: Measured,
        judgements: Mapping[int, Judgement],
        *,
        by_verification: bool,
    ) -> Standings:
        """Return how candidates stand by their drops on the search examples, or on the verification examples."""
        ratios = list[float | None]()  # a list for each candidate would have Python look for garbage among all records
        drops = list[float | None]()
        for candidate in candidates:
            measured = Measured(candidate.measurements)
            ratios += [ratio_of(cost, measured, baseline) for cost in costs]
            drops.append(_verified_drop(candidate, judgements) if by_verification else _search_drop(candidate))
        sure = {number for number, each in judgements.items() if each.verdict is Verdict.CERTIFIED}
        return cls(
            candidates,
            costs,
            np.array(drops, dtype=np.float64),
            np.array(ratios, dtype=np.float64).reshape(len(candidates), len(costs)),
            np.array([c.number in sure for c in candidates], dtype=np.bool_),
        )

    def within(self, limits: Limits) -> Standings:
        """Return those of which every limited cost was measured and is within its limit."""
        columns = [self.costs.index(cost) for cost in limits]
        return self._only(np.all(self.ratios[:, columns] <= [*limits.values()], axis=1))

    def leading(self, objectives: Sequence[str]) -> list[Candidate]:
        """Return the candidates that no other dominates, of those of which drop and objectives were measured.

        A certified one leaves the front to another certified one alone: an observed drop that is smaller, and may be
        luck, says less than a certificate.
        """
        columns = [self.costs.index(name) for name in objectives]
        losses = np.column_stack([self.drops, self.ratios[:, columns], ~self.certified])
        compared = np.flatnonzero(~np.isnan(losses).any(axis=1))
        on_front = compared[non_dominated(losses[compared])]
        return [self.candidates[at] for at in on_front.tolist()]

    def by_name(self) -> list[dict[str, float | None]]:
        """Return the ratios of each candidate by the names of the costs; None where one was not measured."""
        return [
            {cost: None if np.isnan(ratio) else float(ratio) for cost, ratio in zip(self.costs, row, strict=True)}
            for row in self.ratios
        ]

    def _only(self, which: NDArray[np.bool_]) -> Standings:
        kept = [self.candidates[at] for at in np.flatnonzero(which).tolist()]
        return Standings(kept, self.costs, self.drops[which], self.ratios[which], self.certified[which])


def _search_drop(candidate: Candidate) -> float | None:
    return None if candidate.outcome is None else candidate.outcome.drop


def _verified_drop(candidate: Candidate, judgements: Mapping[int, Judgement]) -> float | None:
    verification = candidate.verification
    return verification.drop if verification is not None and candidate.number in judgements else None
