"""The sequence: members are tried in one order for the whole study, each on its own texts, until one is not certified.

Later purchases continue it: they bring texts to members that wait, and add members behind all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from objectives.statistics import Disagreements, bought_upper, certifies
from objectives.statistics.bought import DIFFERENT, EQUAL, GAINED, LOST, SAME, UNCHECKED
from optimizer.fronts.bought import Double
from optimizer.views.member import Bought
from studies.purchases import SKIPPED, Answer, Disputed, Purchase

CHECKED_CLOSELY, CHECK_FIRST = 150, 0.3  # few checks leave the labels' errors open: a third of them at first
CHECK_SHARE = 0.1
BETTING, AGREEMENT = "betting", "agreement"  # rules; by the second all labels are asked twice, and what both say counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is fixed and stored before the first label is asked.

    `members` are candidate numbers in the order of trying; `texts` counts all, with and without a disagreement.
    `check_first` of the first `checked_closely` disagreements and `check_share` of the others are asked twice; all by
    the rule of agreement.
    """

    epsilon: float
    alpha: float
    members: tuple[int, ...]
    texts: int
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    file: str
    what: str = "texts"  # or images
    rule: str = BETTING
    seed: int = 0
    checked_closely: int = CHECKED_CLOSELY
    check_first: float = CHECK_FIRST
    check_share: float = CHECK_SHARE

    @classmethod
    def of(cls, purchase: Purchase) -> Plan:
        """Return the plan of a stored purchase."""
        plan: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in purchase.plan.items()}
        return cls(**plan)

    @property
    def double(self) -> Double:
        """Which labels are asked twice."""
        return "all" if self.rule == AGREEMENT else "tenth"

    @property
    def shares(self) -> tuple[float, float]:
        """The shares of the first disagreements and of the others that are asked twice."""
        return (1.0, 1.0) if self.rule == AGREEMENT else (self.check_first, self.check_share)

    def disagreement(self, text: Disputed, member: int) -> bool:
        """Whether a member answers a text otherwise than the dense model."""
        return member in self.members and text.answers[self.members.index(member)] != text.dense


def members_of(purchases: Sequence[Purchase]) -> list[int]:
    """Return the members of all purchases, each at its first place."""
    return list(dict.fromkeys(member for purchase in purchases for member in Plan.of(purchase).members))


def waiting_members(purchases: Sequence[Purchase]) -> list[int]:
    """Return the members that are not certified, in their order; the first of them is the one whose turn it is."""
    members = members_of(purchases)
    certified = takewhile(lambda member: _holds(member, purchases), members)
    return members[len(list(certified)) :]


def follow(purchases: Sequence[Purchase]) -> list[Bought]:
    """Return what the labels given so far say of every member, in the order of trying."""
    found: list[Bought] = []
    end: int | None = None
    for member in members_of(purchases):
        plan = first_plan(member, purchases)
        seen = disagreements_of(member, purchases)
        holds = certifies(seen, plan.epsilon, plan.alpha)
        answers = [text.answer for text in disputed_by(member, purchases)]
        checked = seen.checks[[_is_given(a.label) and a.again is not None for a in answers]]
        found.append(
            Bought(
                candidate=member,
                epsilon=plan.epsilon,
                alpha=plan.alpha,
                texts=seen.n,
                what=plan.what,
                disagreements=len(answers),
                labels=sum(_is_given(answer.label) for answer in answers),
                checks=int((checked != UNCHECKED).sum()),
                differing=int((checked == DIFFERENT).sum()),
                upper=bought_upper(seen, plan.alpha),
                certified=holds and end is None,
                blocked_by=end if holds else None,
            )
        )
        if end is None and not holds:
            end = member
    return found


def first_plan(member: int, purchases: Sequence[Purchase]) -> Plan:
    """Return the plan that brought a member into the sequence: ε and error are fixed there."""
    return next(plan for plan in map(Plan.of, purchases) if member in plan.members)


def disputed_by(member: int, purchases: Sequence[Purchase]) -> Iterator[Disputed]:
    """Yield the texts on which a member disagrees with the dense model, in their order."""
    for purchase in purchases:
        plan = Plan.of(purchase)
        yield from (text for text in purchase.texts if plan.disagreement(text, member))


def disagreements_of(member: int, purchases: Sequence[Purchase]) -> Disagreements:
    """Return a member's disagreements with the dense model on the texts of all its purchases, one after the other."""
    places: list[int] = []
    outcomes: list[int] = []
    checks: list[int] = []
    n, all_twice = 0, first_plan(member, purchases).rule == AGREEMENT  # one rule for all purchases of a study
    for purchase in purchases:
        plan = Plan.of(purchase)
        if member not in plan.members:
            continue
        for text in disputed_by(member, [purchase]):
            places.append(n + text.place)
            outcomes.append(_outcome(text, text.answers[plan.members.index(member)]))
            checks.append(_check(text.answer, all_twice=all_twice) if text.is_checked else UNCHECKED)
        n += plan.texts
    at, found, twice = (np.array(each, dtype=np.int64) for each in (places, outcomes, checks))
    return Disagreements(n, at, found, twice, all_twice)


def _holds(member: int, purchases: Sequence[Purchase]) -> bool:
    plan = first_plan(member, purchases)
    return certifies(disagreements_of(member, purchases), plan.epsilon, plan.alpha)


def _outcome(text: Disputed, answer: int) -> int:
    label = text.answer.label
    if not _is_given(label) or label == text.dense:
        return LOST
    return GAINED if label == answer else EQUAL


def _check(answer: Answer, *, all_twice: bool) -> int:
    """Return whether two labels agree; that neither can tell is agreed where all texts have two, and then is a loss."""
    is_known = answer.label is not None if all_twice else _is_given(answer.label)
    return SAME if is_known and answer.label == answer.again else DIFFERENT


def _is_given(label: int | None) -> bool:
    return label is not None and label != SKIPPED
