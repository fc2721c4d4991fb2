"""Recommend one member of a front by a rule; the answer states the reason in words.

Every cost is a ratio to the dense model's, as on the front. Drops are those on the verification examples where every
member was verified, and those on the search examples otherwise: the two kinds are never compared with each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import get_args

import numpy as np
from pydantic import BaseModel

from optimizer.errors import InputError, NothingFeasibleError, UnknownNameError
from optimizer.fronts.front import knee as knee_of
from optimizer.fronts.headline import drop_in_words, in_doubt, leanest
from optimizer.spec import CostName
from optimizer.views.member import FrontResult, Member, RunResult, corrected_drops, most_accurate
from studies.records import Verdict

COSTS: tuple[CostName, ...] = get_args(CostName)
DROP = "drop"
EQUAL_WEIGHTS: Mapping[str, float] = {DROP: 1.0, "flops": 1.0}


class Rule(StrEnum):
    """The rule that chooses a member."""

    KNEE = "knee"
    DROP = "drop"
    WEIGHTS = "weights"
    LEXICOGRAPHIC = "lexicographic"
    BUDGET = "budget"


class Recommendation(BaseModel):
    """The chosen member and the reason."""

    rule: Rule
    member: Member
    reason: str


class UnmeasuredError(InputError):
    """A rule needs a cost that was not measured on every member."""


class ContradictionError(InputError):
    """What was given does not go together: a rule with what another rule uses, or two weights of one name."""


def recommend(
    front: FrontResult | RunResult,
    rule: Rule | str | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    order: Sequence[str] | None = None,
    max_drop: float | None = None,
) -> Recommendation:
    """Recommend one member of a front; refuted members are excluded.

    Args:
        front: a study's result, or its front under a filter.
        rule: `knee`; `drop`, the smallest on the search examples; `weights`, the smallest weighted sum;
            `lexicographic`, the least of the first cost, then of the next; `budget`, the fewest FLOPs within a drop. By
            default the knee, and `drop` on a front without ε.
        weights: for `weights`: of the drop in units of ε and of costs as ratios to the dense model's; both 1 for drop
            and FLOPs by default.
        order: for `lexicographic`: costs, most important first; FLOPs by default.
        max_drop: for `budget`: in the metric's unit, ε by default; required without ε.

    Raises `NothingFeasibleError` where no member is left, `InputError` for a rule, weight or cost that does not exist,
    `ContradictionError` for what another rule would use, `UnmeasuredError` for a cost that was not measured on every
    member.
    """
    rule = default_rule(front) if rule is None else rule
    if rule not in list(Rule):
        raise UnknownNameError("rule", str(rule), [one.value for one in Rule])
    _refuse_unused(Rule(rule), {Rule.WEIGHTS: weights, Rule.LEXICOGRAPHIC: order, Rule.BUDGET: max_drop})
    members = front.items if isinstance(front, FrontResult) else front.front
    choice = Choice([m for m in members if m.verdict is not Verdict.REFUTED], front)
    if not choice.members:
        raise NothingFeasibleError(
            f"the front of {front.study!r} has no member to recommend; loosen the filter or raise epsilon"
        )
    match Rule(rule):
        case Rule.KNEE:
            member, reason = choice.knee()
        case Rule.DROP:
            member, reason = choice.most_accurate()
        case Rule.WEIGHTS:
            member, reason = choice.weighted(_checked(weights or EQUAL_WEIGHTS, choice.costs))
        case Rule.LEXICOGRAPHIC:
            member, reason = choice.lexicographic(order or ["flops"])
        case Rule.BUDGET:
            member, reason = choice.within_budget(_budget(front, max_drop))
    said = f"candidate {member.candidate} {reason}{_standing(member, front, choice.members)}"
    return Recommendation(rule=Rule(rule), member=member, reason=said)


def default_rule(front: FrontResult | RunResult) -> Rule:
    """Return the rule for a front where none is named."""
    return Rule.DROP if front.epsilon is None else Rule.KNEE


def _budget(front: FrontResult | RunResult, max_drop: float | None) -> float:
    found = front.epsilon if max_drop is None else max_drop
    if found is None:
        raise InputError("max_drop", f"is required by the rule budget: {front.study!r} has no ε")
    return found


def _standing(member: Member, front: FrontResult | RunResult, members: Sequence[Member]) -> str:
    """Return what is unproved of a member that is verified only, and the member to take for a proof.

    Of one that was measured without an ε, it is the drop.
    """
    if member.verdict is Verdict.MEASURED:
        return f"; {drop_in_words(member)}{in_doubt(member, None)}"
    if member.verdict is not Verdict.VERIFIED:
        return ""
    proved = leanest(members, front.objectives[0], Verdict.CERTIFIED)
    instead = "no member is certified" if proved is None else f"the leanest certified member is {proved.candidate}"
    return f"; its drop was observed within ε without proof{in_doubt(member, front.epsilon)}; {instead}"


def _refuse_unused(rule: Rule, given: Mapping[Rule, object]) -> None:
    for other, value in given.items():
        if other is not rule and value not in (None, {}, [], ()):
            raise ContradictionError("rule", f"{rule} leaves out what was given for {other}; give one of them")


def parsed_weights(texts: Sequence[str]) -> dict[str, float]:
    """Return weights from texts such as `drop:2`. Raises `InputError`."""
    weights: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition(":")
        if name in weights:
            raise ContradictionError("weight", f"{name!r} is given twice; give it once")
        try:
            weights[name] = float(number)
        except ValueError:
            raise InputError("weight", f"{text!r} is not NAME:NUMBER, such as drop:2") from None
    return weights


def _checked(weights: Mapping[str, float], costs: Sequence[str]) -> Mapping[str, float]:
    """Return the weights. Raises `InputError` unless they are finite, not negative, and of the drop or of `costs`."""
    for name, weight in weights.items():
        if name not in (DROP, *costs):
            raise InputError("weight", f"{name!r} is not one of {', '.join((DROP, *costs))}")
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError("weight", f"{name}:{weight} must be a finite number of at least 0")
    return weights


class Choice:
    """The members of a front that may be recommended, and each rule's answer with its reason."""

    def __init__(self, members: Sequence[Member], front: FrontResult | RunResult) -> None:
        self.members, self._front = members, front
        self._is_verified = all(member.verification for member in members)

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of all costs, the caller's own among them."""
        return (*COSTS, *(name for name in self.members[0].own_ratios if name not in COSTS))

    def knee(self) -> tuple[Member, str]:
        """Return the front's knee, or the knee of the remaining members if the front's knee was excluded."""
        own = [member for member in self.members if member.candidate == self._front.knee]
        drops = corrected_drops(self.members) or [self._drop(member) for member in self.members]
        costs = [[self._cost(m, cost) for cost in self._front.objectives] for m in self.members]
        losses = np.column_stack([drops, costs])
        member = own[0] if own else self.members[knee_of(losses)]
        return member, "is the knee of the front: it is furthest from the plane through the front's extremes"

    def most_accurate(self) -> tuple[Member, str]:
        """Return the member with the smallest drop on the search examples."""
        return most_accurate(self.members) or self.members[0], "has the smallest drop on the search examples"

    def weighted(self, weights: Mapping[str, float]) -> tuple[Member, str]:
        """Return the member with the smallest weighted sum."""
        scale = self._front.epsilon or 1.0

        def loss(member: Member) -> float:
            drop = weights.get(DROP, 0.0) * self._drop(member) / scale
            return drop + sum(w * self._cost(member, name) for name, w in weights.items() if name != DROP)

        said = " + ".join(f"{weight:g} × {name}" for name, weight in weights.items())
        unit = "in units of ε" if self._front.epsilon else "as it is"
        reason = f"has the smallest {said} (drop {unit}, costs as ratios to the dense model's)"
        return self._least(lambda member: (loss(member),)), reason

    def lexicographic(self, order: Sequence[str]) -> tuple[Member, str]:
        """Return the member with the lowest first cost; ties are broken by the next cost, then by the drop."""
        member = self._least(lambda m: (*(self._cost(m, name) for name in order), self._drop(m)))
        return member, f"has the lowest {', then '.join((*order, DROP))}"

    def within_budget(self, max_drop: float) -> tuple[Member, str]:
        """Return the member with the fewest FLOPs whose drop is within the budget."""
        if not any(self._drop(member) <= max_drop for member in self.members):
            least = min(map(self._drop, self.members))
            raise NothingFeasibleError(f"no member's drop is within {max_drop:g}; the smallest drop is {least:.4f}")
        member = self._least(lambda m: (self._drop(m) > max_drop, m.flops_ratio))
        return member, f"has the fewest FLOPs among those whose drop is within {max_drop:g}"

    def _least(self, loss: Callable[[Member], tuple[float, ...]]) -> Member:
        return min(self.members, key=lambda member: (*loss(member), member.candidate))

    def _drop(self, member: Member) -> float:
        found = member.verification.drop if self._is_verified and member.verification else member.drop
        return math.inf if found is None else found

    def _cost(self, member: Member, name: str) -> float:
        if name not in self.costs:
            raise InputError("order", f"{name!r} is not one of {', '.join(self.costs)}")
        if any(each.ratio(name) is None for each in self.members):
            raise UnmeasuredError(name, "was not measured on every member; choose by flops, parameters or size")
        return float(member.ratio(name) or 0.0)
