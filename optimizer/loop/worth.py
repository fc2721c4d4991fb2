"""Worth: what finished candidates are worth to a sampler, as losses and violations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from objectives.measurement import Measurement
from optimizer.costs.costs import Cost
from optimizer.fronts.views import Measured
from optimizer.own import QUANTITY
from optimizer.preparation.prepare import Prepared
from optimizer.samplers.protocol import Told
from optimizer.spec import StudySpec
from studies.records import Candidate


@dataclass(frozen=True)
class Ratios:
    """Costs of candidates as ratios to the dense model's: those known beforehand, and the caller's own as measured."""

    costs: Mapping[str, Cost]
    dense: Measured

    def of(self, candidate: Candidate, name: str) -> float:
        """Return a candidate's ratio."""
        if name in self.costs:
            return self.costs[name].ratio(candidate.config)
        quantity = QUANTITY + name
        return Measured(candidate.measurements).required(quantity) / self.dense.required(quantity)


class Worth:
    """What a sampler is told of a candidate: drop and cost ratios, and the violations of ε and the limits.

    Violations are scaled by ε or by the limit, so that they are comparable. Without an ε only limits are violated.
    """

    def __init__(self, spec: StudySpec, prepared: Prepared, baseline: Sequence[Measurement] = ()) -> None:
        self._spec, self._space = spec, prepared.space
        self._ratios = Ratios(prepared.space.costs, Measured(baseline))
        self._least = 1 / len(prepared.workload.search.labels)

    @property
    def constraints(self) -> int:
        """The number of violations per candidate."""
        return (self._spec.epsilon is not None) + len(self._space.limits)

    def __call__(self, candidate: Candidate) -> Told | None:
        """Return the sampler's feedback; None for candidates outside its space or without a drop."""
        outcome, point = candidate.outcome, candidate.proposal.coordinates
        if outcome is None or outcome.drop is None or point is None or len(point) != self._space.dimensions:
            return None  # a study that was begun by an earlier version may have points of another space
        epsilon, limits = self._spec.epsilon, self._space.limits.items()
        violations = [] if epsilon is None else [(outcome.drop - epsilon) / max(epsilon, self._least)]
        violations += [(self._ratios.of(candidate, name) - limit) / limit for name, limit in limits]
        return Told(
            number=candidate.number,
            point=point,
            losses=(outcome.drop, *(self._ratios.of(candidate, name) for name in self._spec.objectives)),
            violations=tuple(violations),
        )
