"""Successive halving: lean configs learn for a while, and those that lead at their cost learn on.

The leanest trained model is seldom the leanest untrained one, trained. So configs are chosen anew, at falling budgets.
All learn a first rung at several learning rates, each continues at its best rate, and half of them learn the last rung.

Reference: Jamieson & Talwalkar 2016, Non-stochastic Best Arm Identification, https://arxiv.org/abs/1502.07943.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from optimizer.feasible import is_feasible
from optimizer.progress import Report
from optimizer.recovery.classroom import Classroom, Pupil
from optimizer.recovery.leaders import Standing, leaders
from optimizer.recovery.recovery import Recovery
from optimizer.recovery.students import first_cost, students_of
from optimizer.shortlist import standard_error
from search_spaces.config import Form
from studies.records import Candidate, Origin, Proposal

STUDENTS = 8
RATES = (3e-4, 6e-4)
RUNGS = (1 / 16, 4 / 16, 15 / 16)  # ends, in parts of `recover_epochs`; the rate that is not taken costs the last 1/16
_STORED = "halving"  # in a study's context: who learns on after each rung


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
        f"distillation trains up to {STUDENTS} lean configs for {total:.3g} epochs in all: {first:.3g} of an epoch "
        f"each at {len(RATES)} learning rates, then {second:.3g} each, then {last:.3g} each for the "
        f"{learning(STUDENTS)[-1]} that lead at their cost. Epochs of each member: at most {epochs:g}"
    )


def distill_by_halving(recovery: Recovery, shortlist: Sequence[Candidate], report: Report) -> list[Candidate]:
    """Return the candidates to verify: those of `shortlist`, and the students of all rungs within ε, leanest first."""
    recovered = _finished(recovery) or Halving(recovery, _parents(recovery), report).run()
    holding = {c.number: c for c in recovered if is_feasible(c, recovery.spec.tolerance)}
    return sorted([*shortlist, *holding.values()], key=recovery.prepared.price)


def _parents(recovery: Recovery) -> list[Candidate]:
    proposals = (Proposal(config=config, origin=Origin.RECOVER) for config in students_of(recovery, STUDENTS))
    return [recovery.evaluated(proposal) for proposal in proposals]


def _finished(recovery: Recovery) -> list[Candidate]:
    """Return the students of the last rung where an earlier run has stored all of them, else none."""
    decided = _decided(recovery)
    if len(decided) < len(RUNGS) - 1:
        return []
    parents = {c.number: c for c in recovery.store.candidates(recovery.study.id)}
    students = [recovery.known(parents[each["parent"]].config.in_form(Form.FINETUNED)) for each in decided[-1]]
    return [student for student in students if student] if all(students) else []


def _decided(recovery: Recovery) -> list[list[dict[str, Any]]]:
    """Return who learns on after each rung that has ended, as `Pupil.record` gives it."""
    return list(recovery.store.study(str(recovery.study.id)).context.get(_STORED, ()))


class Halving:
    """The rungs of one study. What an interrupted run has learned and decided stands."""

    def __init__(self, recovery: Recovery, parents: Sequence[Candidate], report: Report) -> None:
        self._recovery, self._parents, self._report = recovery, parents, report
        self._classroom = Classroom(recovery, [share * recovery.spec.recover_epochs for share in RUNGS])
        steps = [end - begin for begin, end in zip((0, *self._classroom.ends), self._classroom.ends, strict=False)]
        self._parts = [n * each for n, each in zip(learning(len(parents)), steps, strict=True)]

    def run(self) -> list[Candidate]:
        """Train all students and return those of the last rung; the others are stored as candidates, too."""
        pupils = self._after(1, self._best_rates)
        stay = self._after(2, partial(self._leaders, pupils))
        self._teach(stay, 3)
        recovered = [self._finish(pupil) for pupil in stay]
        self._report(sum(self._parts), sum(self._parts))
        self._classroom.forget(stay)
        return recovered

    def _best_rates(self) -> tuple[list[Pupil], list[Pupil]]:
        """Train everyone at every rate, and return those at the best rate of each parent, and the others."""
        everyone = [self._classroom.pupil(parent, rate) for parent in self._parents for rate in RATES]
        self._teach(everyone, 1)
        best = [self._better(everyone[at : at + len(RATES)]) for at in range(0, len(everyone), len(RATES))]
        kept = {pupil.key for pupil in best}
        return best, [pupil for pupil in everyone if pupil.key not in kept]

    def _leaders(self, pupils: Sequence[Pupil]) -> tuple[list[Pupil], list[Pupil]]:
        """Train pupils, and return those that lead and the others, which are stored as candidates."""
        self._teach(pupils, 2)
        standings, places = [self._standing(each) for each in pupils], learning(len(pupils))[-1]
        stay = leaders(standings, places, self._recovery.spec.tolerance)
        ended = [pupil for i, pupil in enumerate(pupils) if i not in stay]
        for pupil in ended:
            self._finish(pupil)
        return [pupils[i] for i in stay], ended

    def _after(self, rung: int, train: Callable[[], tuple[list[Pupil], list[Pupil]]]) -> list[Pupil]:
        """Return who learns on after a rung: as an earlier run has decided, or as `train` does now."""
        decided = _decided(self._recovery)
        if len(decided) >= rung:
            parents = {parent.number: parent for parent in self._parents}
            return [self._classroom.recorded(parents[each["parent"]], each) for each in decided[rung - 1]]
        pupils, ended = train()
        decisions = [*decided, [pupil.record for pupil in pupils]]
        self._recovery.store.update_study(self._recovery.study.id, context={_STORED: decisions})
        self._classroom.forget(ended)
        return pupils

    def _teach(self, pupils: Sequence[Pupil], rung: int) -> None:
        begin, end = (0, *self._classroom.ends)[rung - 1 : rung + 1]
        before = sum(self._parts[: rung - 1])

        def report(step: int) -> None:
            self._report(before + len(pupils) * (step - begin), sum(self._parts))

        self._classroom.teach(pupils, until=end, report=report)

    def _finish(self, pupil: Pupil) -> Candidate:
        return self._recovery.recovered(pupil.parent, pupil.hand_over)

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
