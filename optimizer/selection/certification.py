"""The certification list: the shortlisted members that may be certified, in the order in which they are tried.

It is fixed from search figures alone, before any verification example is used, and stored with the study. Its members
are tested in order without a correction; the first that fails ends the sequence. So one false certificate in a whole
study has a chance of at most 5 %, whichever members are listed. The most costly one comes first because it fails least.

A study without ε has a list of its whole shortlist. Its members are not tested: their drops get intervals, and at an ε
that is asked later bounds, which hold for all of them together.

The 5 % are a study's whole budget of error. Where labels can be bought later, its spec keeps a part for them, and the
list is tested at the rest.

References: Maurer, Hothorn & Lehmacher 1995 (fixed-sequence testing); Angelopoulos et al. 2021, Learn then Test,
https://arxiv.org/abs/2110.01052.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import Metric
from objectives.statistics.power import ALPHA
from optimizer.selection.rehearsal import Passes, rehearse
from optimizer.selection.shortlist import SIZE, CostOf, choose_shortlist, divergence_of
from optimizer.spec import StudySpec
from studies.records import Candidate, Study

RULE = "fixed-sequence"
TOGETHER = "simultaneous"  # of a study without ε
BUYABLE = "accuracy"  # of the metrics that count right answers, the one whose labels are classes, as those asked are
COMPARED = 200  # candidates of a search, whose errors are a matrix of that side
DENSE = 1.0  # the cost of what needs no certificate
HARDLY = 0.005  # of that cost: about the standard error of what so many rehearsals expect
_STORED = "certification"  # in a study's context
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CertificationList:
    """Candidate numbers in the order of testing, the ε for which the order was fixed, and the error of the sequence.

    Without an ε the order means nothing.
    """

    epsilon: float | None
    members: tuple[int, ...]
    rule: str = RULE
    alpha: float = ALPHA

    @property
    def interval_level(self) -> float:
        """The level of each member's interval: 95 % for itself; without an ε, 95 % for all members together."""
        return 1 - ALPHA / (len(self.members) if self.epsilon is None else 1)

    def in_context(self) -> Mapping[str, Any]:
        """Return the entry of a study's context."""
        return {_STORED: {**asdict(self), "members": list(self.members)}}


def stored_list(study: Study) -> CertificationList | None:
    """Return a study's list. Studies verified before there were lists have none: they keep Holm's correction."""
    found = study.context.get(_STORED)
    return found and CertificationList(**{**found, "members": tuple(found["members"])})


def verification_alpha(spec: StudySpec, metric: Metric) -> float:
    """Return the part of the 5 % that verification may spend: all where bought labels are of no use to the metric."""
    return round(ALPHA - (spec.label_error if metric.name == BUYABLE else 0), 12)


@dataclass(frozen=True, slots=True)
class Certifier:
    """Makes a study's certification list by what is known before verification.

    `candidates` are all of the study, `cost_of` is the first objective as a ratio to the dense model's, and `examples`
    is the number of those that will verify.
    """

    candidates: Sequence[Candidate]
    cost_of: CostOf
    epsilon: float | None
    examples: int
    alpha: float = ALPHA

    def with_shortlist(self, known: CertificationList | None, shortlist: Sequence[Candidate]) -> CertificationList:
        """Return the list for a new shortlist: what is `known` stays as it is, and new members follow it."""
        rule, listed = (TOGETHER, shortlist) if self.epsilon is None else (RULE, self.best(shortlist))
        before = known.members if known else ()
        known = known or CertificationList(self.epsilon, (), rule=rule, alpha=self.alpha)
        return replace(known, members=(*before, *(c.number for c in listed if c.number not in before)))

    def shortlist(
        self,
        searched: Sequence[Candidate],
        *,
        is_feasible: Callable[[Candidate], bool],
        costs_of: Sequence[CostOf],
    ) -> list[Candidate]:
        """Return what is verified of the candidates of a search; up to half of them are the best to certify."""
        feasible = self._closest([candidate for candidate in searched if is_feasible(candidate)])
        return choose_shortlist(
            searched,
            is_feasible=is_feasible,
            costs_of=costs_of,
            epsilon=math.inf if self.epsilon is None else self.epsilon,
            settled=self.best(feasible, most=SIZE // 2),
        )

    def _closest(self, feasible: Sequence[Candidate]) -> list[Candidate]:
        """Return all candidates; of very many, those closest to the dense model, one of each stretch of cost."""
        by_cost = sorted(feasible, key=lambda c: (self.cost_of(c), c.number))
        ends = np.linspace(0, len(by_cost), min(len(by_cost), COMPARED) + 1).astype(int)
        return [min(by_cost[start:end], key=divergence_of) for start, end in pairwise(ends)]

    def best(self, members: Sequence[Candidate], *, most: int | None = None) -> Sequence[Candidate]:
        """Return the members whose sequence, most costly first, is expected to end at the least cost; at most `most`.

        A costly member in front is worth its place as a fallback, or because it passes where a leaner one does; one
        that could end the sequence before a better one is left out. Without an ε there is nothing to certify.
        """
        if self.epsilon is None or not members:
            return ()
        ordered = sorted(members, key=lambda c: (-self.cost_of(c), c.number))
        passes = rehearse(
            self.candidates,
            ordered,
            cost_of=self.cost_of,
            epsilon=self.epsilon,
            alpha=self.alpha,
            examples=self.examples,
        )
        costs = np.array([self.cost_of(candidate) for candidate in ordered])
        return [ordered[at] for at in best_sequence(costs, passes, most=most)]


def best_sequence(costs: Floats, passes: Passes, *, most: int | None = None) -> list[int]:
    """Return the places of the members whose sequence is expected to end at the least cost, one to `most` of them.

    `costs` `(m,)` fall, as ratios to the dense model's; `passes` is `(draws, m)`. Members are put in, taken out and
    exchanged one at a time while that helps. Without a limit further ones follow as steps, as `_with_steps` says.
    Where nothing ever passes, one member is tried.
    """
    draws, who = len(passes), [int.from_bytes(np.packbits(each).tobytes()) for each in passes.T]
    expected = partial(_expected, costs, who, draws)

    def worth(sequence: Sequence[int]) -> tuple[float, int]:
        return round(expected(sequence), 9), len(sequence)

    chosen = [int(passes.mean(axis=0).argmax())]
    while True:
        options = [each for each in _neighbours(chosen, len(costs)) if 0 < len(each) <= (most or len(costs))]
        best = min(options, key=worth, default=chosen)
        if worth(best) >= worth(chosen):
            return chosen if most else _with_steps(chosen, len(costs), expected)
        chosen = best


def _with_steps(chosen: list[int], members: int, expected: Callable[[Sequence[int]], float]) -> list[int]:
    """Return a sequence with all the members that hardly make it worse, by the rehearsals, which may be wrong.

    A step that leaves less to chance is worth more than a difference that rehearsals can hardly tell.
    """
    limit = expected(chosen) + HARDLY
    while True:
        options = [sorted([*chosen, other]) for other in range(members) if other not in chosen]
        best = min(options, key=expected, default=chosen)
        if best == chosen or expected(best) > limit:
            return chosen
        chosen = best


def _neighbours(chosen: Sequence[int], members: int) -> Iterator[list[int]]:
    """Yield the sequences that differ by one member."""
    others = [member for member in range(members) if member not in chosen]
    for left in ([m for m in chosen if m != out] for out in chosen):
        yield left
        yield from (sorted([*left, other]) for other in others)
    yield from (sorted([*chosen, other]) for other in others)


def _expected(costs: Floats, passes: Sequence[int], draws: int, sequence: Sequence[int]) -> float:
    """Return the mean cost of the last member before the first failure, the dense model's where the first one fails.

    `passes` has a bit for every draw in which a member passes.
    """
    expected, cost, alive = DENSE, DENSE, -1
    for member in sequence:
        alive &= passes[member]
        expected -= (cost - costs[member]) * alive.bit_count() / draws
        cost = costs[member]
    return float(expected)
