"""Successive halving: lean configs learn for a while, and those that lead at their cost learn on.

The leanest trained model is seldom the leanest untrained one, trained. So configs are chosen anew, at falling budgets.
All learn a first rung at several learning rates, each continues at its best rate, and half of them learn the last rung.

Reference: Jamieson & Talwalkar 2016, Non-stochastic Best Arm Identification, https://arxiv.org/abs/1502.07943.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from optimizer.feasible import is_feasible
from optimizer.progress import Report
from optimizer.recovery.classroom import Classroom, Pupil
from optimizer.recovery.leaders import Standing, leaders
from optimizer.recovery.recovery import Recovery
from optimizer.recovery.students import first_cost, students_of
from optimizer.shortlist import standard_error
from studies.records import Candidate, Origin, Proposal

STUDENTS = 8
RATES = (3e-4, 6e-4)
RUNGS = (1 / 16, 4 / 16, 15 / 16)  # ends, in parts of `recover_epochs`; the rate that is not taken costs the last 1/16


def learning(students: int) -> tuple[int, int, int]:
    """Return how many models learn in each rung."""
    return len(RATES) * students, students, math.ceil(students / 2)


def lengths(epochs: float) -> list[float]:
    """Return the length of each rung in epochs, where `epochs` is what a student of all rungs may take."""
    return [epochs * (end - begin) for begin, end in zip((0.0, *RUNGS), RUNGS, strict=False)]


def planned(epochs: float) -> str:
    """Return in words what the trainings take at most, where `epochs` is what a student of all rungs may take."""
    first, second, last = lengths(epochs)
    total = sum(n * each for n, each in zip(learning(STUDENTS), (first, second, last), strict=True))
    return (
        f"distillation trains {STUDENTS} lean configs for {total:.3g} epochs in all: {first:.3g} of an epoch each at "
        f"{len(RATES)} learning rates, then {second:.3g} each, then {last:.3g} each for the {learning(STUDENTS)[-1]} "
        f"that lead at their cost. That is {epochs:g} epochs for each member"
    )


def distill_by_halving(recovery: Recovery, shortlist: Sequence[Candidate], report: Report) -> list[Candidate]:
    """Return the candidates to verify: those of `shortlist`, and the students of all rungs within ε, leanest first."""
    proposals = [Proposal(config=config, origin=Origin.RECOVER) for config in students_of(recovery, STUDENTS)]
    halving = Halving(recovery, [recovery.evaluated(proposal) for proposal in proposals], report)
    recovered = halving.run()
    holding = {c.number: c for c in recovered if is_feasible(c, recovery.spec.epsilon)}
    return sorted([*shortlist, *holding.values()], key=recovery.prepared.price)


class Halving:
    """The rungs of one study. What an interrupted run has learned is not learned again."""

    def __init__(self, recovery: Recovery, parents: Sequence[Candidate], report: Report) -> None:
        self._recovery, self._parents, self._report = recovery, parents, report
        self._classroom = Classroom(recovery, [share * recovery.spec.recover_epochs for share in RUNGS])
        steps = [end - begin for begin, end in zip((0, *self._classroom.ends), self._classroom.ends, strict=False)]
        self._parts = sum(n * each for n, each in zip(learning(len(parents)), steps, strict=True))
        self._done = 0

    def run(self) -> list[Candidate]:
        """Train all students and return those of the last rung; the others are stored as candidates, too."""
        first, second, last = self._classroom.ends
        everyone = [self._classroom.pupil(parent, rate) for parent in self._parents for rate in RATES]
        self._teach(everyone, 0, first)
        pupils = [self._better(everyone[at : at + len(RATES)]) for at in range(0, len(everyone), len(RATES))]
        self._teach(pupils, first, second)
        standings, places = [self._standing(each) for each in pupils], learning(len(pupils))[-1]
        stay = leaders(standings, places, self._recovery.spec.epsilon)
        self._teach([pupils[i] for i in stay], second, last)
        recovered = [self._recovery.recovered(each.parent, each.hand_over) for each in pupils]
        self._report(self._parts, self._parts)
        self._classroom.forget(everyone)
        return [recovered[i] for i in stay]

    def _teach(self, pupils: Sequence[Pupil], begin: int, end: int) -> None:
        def report(step: int) -> None:
            self._report(self._done + len(pupils) * (step - begin), self._parts)

        self._classroom.teach(pupils, until=end, report=report)
        self._done += len(pupils) * (end - begin)

    def _better(self, rates: Sequence[Pupil]) -> Pupil:
        """Return the pupil that learned most of one parent's; the others' training is added to its own."""
        best = min(rates, key=self._classroom.divergence)
        return replace(best, extra=sum((each.student.spent for each in rates if each is not best), best.extra))

    def _standing(self, pupil: Pupil) -> Standing:
        cost = self._recovery.prepared.space.costs[first_cost(self._recovery)].ratio(pupil.parent.config)
        outcome = self._classroom.outcome(pupil)
        if outcome is None or outcome.drop is None:
            return Standing(cost=cost, drop=math.inf, error=0.0)
        return Standing(cost=cost, drop=outcome.drop, error=standard_error(outcome))
