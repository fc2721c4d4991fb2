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

from optimizer.executors.asking import answered
from optimizer.executors.executor import Executor
from optimizer.faults import said
from optimizer.progress import Report
from optimizer.recovery.classroom import Classroom, Finish, Learned, Teach
from optimizer.recovery.leaders import Standing, leaders
from optimizer.recovery.pupil import Pupil
from optimizer.recovery.recovery import Recovery
from optimizer.recovery.students import first_cost, students_of
from optimizer.selection.feasible import is_feasible
from optimizer.selection.shortlist import standard_error
from optimizer.training.history import joined
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
    recovered = _finished(recovery) or _trained(recovery, report)
    holding = {c.number: c for c in recovered if is_feasible(c, recovery.spec.tolerance)}
    return sorted([*shortlist, *holding.values()], key=recovery.prepared.price)


def _trained(recovery: Recovery, report: Report) -> list[Candidate]:
    parents = _parents(recovery)
    classroom = Classroom(recovery.school(report), [share * recovery.spec.recover_epochs for share in RUNGS])
    with recovery.place.executor(classroom, is_limited=False) as executor:
        return Halving(recovery, parents, classroom, executor).run()


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
    """Return who learns on after each rung that has ended, as their records say."""
    return list(recovery.store.study(str(recovery.study.id)).context.get(_STORED, ()))


class Halving:
    """The rungs of one study. What an interrupted run has learned and decided stands.

    Each worker has a class. Students learn what they would learn alone, so neither the number of workers nor which of
    them dies makes a difference but to seconds and joules: a teacher answers once for its class.
    """

    def __init__(
        self, recovery: Recovery, parents: Sequence[Candidate], classroom: Classroom, executor: Executor[Classroom]
    ) -> None:
        self._recovery, self._parents, self._classroom, self._executor = recovery, parents, classroom, executor
        ends = classroom.ends
        self._steps = [end - begin for begin, end in zip((0, *ends), ends, strict=False)]  # of each rung
        self._parts = [n * each for n, each in zip(learning(len(parents)), self._steps, strict=True)]

    def run(self) -> list[Candidate]:
        """Train all students and return those of the last rung; the others are stored as candidates, too."""
        pupils = self._after(0, self._best_rates)
        stay = self._after(1, partial(self._leaders, pupils))
        recovered = self._finished([pupil for pupil, _ in self._taught(stay, 2)], 2)
        self._report(sum(self._parts))
        self._classroom.forget(stay)
        return recovered

    def _best_rates(self) -> tuple[list[Pupil], list[Pupil]]:
        """Have everyone taught at every rate, and return those at the best rate of each parent, and the others."""
        everyone = [Pupil(parent.number, parent.config, rate) for parent in self._parents for rate in RATES]
        taught = self._taught(everyone, 0)
        best = [_better(taught[at : at + len(RATES)]) for at in range(0, len(taught), len(RATES))]
        kept = {(pupil.parent, pupil.rate) for pupil in best}
        return best, [pupil for pupil in everyone if (pupil.parent, pupil.rate) not in kept]

    def _leaders(self, pupils: Sequence[Pupil]) -> tuple[list[Pupil], list[Pupil]]:
        """Have pupils taught, and return those that lead and the others, which are stored as candidates."""
        taught = self._taught(pupils, 1)
        places = learning(len(pupils))[-1]
        stay = leaders([self._standing(*each) for each in taught], places, self._recovery.spec.tolerance)
        ended = [pupil for i, (pupil, _) in enumerate(taught) if i not in stay]
        self._finished(ended, 1)
        return [taught[i][0] for i in stay], ended

    def _after(self, rung: int, teach: Callable[[], tuple[list[Pupil], list[Pupil]]]) -> list[Pupil]:
        """Return who learns on after a rung: as an earlier run has decided, or as `teach` does now."""
        decided = _decided(self._recovery)
        if len(decided) > rung:
            return [Pupil.recorded(self._parent(each["parent"]), each) for each in decided[rung]]
        pupils, ended = teach()
        decisions = [*decided, [pupil.record for pupil in pupils]]
        self._recovery.store.update_study(self._recovery.study.id, context={_STORED: decisions})
        self._classroom.forget(ended)
        return pupils

    def _taught(self, pupils: Sequence[Pupil], rung: int) -> list[tuple[Pupil, Learned]]:
        """Have pupils taught a rung, a class for each worker, and return each with what it has learned.

        Where the worker of a class dies, its pupils learn on by themselves: one of them may be to blame.
        """
        found = {pupil: Learned(failure=pupil.failure) for pupil in pupils if pupil.failure}
        left = [pupil for pupil in pupils if not pupil.failure]
        classes, alone = [left[i :: self._executor.slots] for i in range(self._executor.slots)], list[Pupil]()
        before, total = sum(self._parts[:rung]), sum(self._parts)

        def teach(*each: Pupil) -> Teach:
            return Teach(pupils=each, rung=rung, before=before, total=total)

        def tell() -> None:
            self._report(before + len(found) * self._steps[rung])

        questions = (teach(*each) for each in classes if each)
        for number, answer in answered(self._executor, questions, attempts=1, on_wait=tell):
            if isinstance(answer, BaseException):
                alone += classes[number]
            else:
                found.update(zip(classes[number], answer, strict=True))
        for number, answer in answered(self._executor, map(teach, alone), on_wait=tell):
            if isinstance(answer, BaseException):
                answer = (Learned(failure=said(answer)),)
            (found[alone[number]],) = answer
        return [(replace(pupil, failure=found[pupil].failure), found[pupil]) for pupil in pupils]

    def _finished(self, pupils: Sequence[Pupil], rung: int) -> list[Candidate]:
        """Have the outcomes of pupils that have learned up to the end of a rung stored, and return the candidates."""
        asked = [(self._parent(pupil.parent), Finish(pupil, rung)) for pupil in pupils]
        done = sum(self._parts[: rung + 1])
        return self._recovery.recovered(self._executor, asked, lambda _: self._report(done))

    def _standing(self, pupil: Pupil, learned: Learned) -> Standing:
        cost, outcome = (
            self._recovery.prepared.space.costs[first_cost(self._recovery)].ratio(pupil.config),
            learned.outcome,
        )
        if outcome is None or outcome.drop is None:
            return Standing(cost=cost, drop=math.inf, error=0.0)
        return Standing(cost=cost, drop=outcome.drop, error=standard_error(outcome))

    def _parent(self, number: int) -> Candidate:
        return next(parent for parent in self._parents if parent.number == number)

    def _report(self, done: int) -> None:
        self._classroom.school.report(done, sum(self._parts))


def _better(rates: Sequence[tuple[Pupil, Learned]]) -> Pupil:
    """Return the pupil that learned most of one parent's; the others' training is added to its own."""
    first = min(range(len(rates)), key=lambda i: rates[i][1].divergence)
    best, _ = rates[first]
    others = (learned.history for i, (_, learned) in enumerate(rates) if i != first)
    return replace(best, extra=joined(best.extra, *others))
