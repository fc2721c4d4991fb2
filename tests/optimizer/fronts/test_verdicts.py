from __future__ import annotations

from dataclasses import replace

import pytest

from objectives.measurement import Interval
from optimizer.fronts.verdicts import judge
from optimizer.selection.certification import CertificationList
from optimizer.views.member import Bought
from search_spaces.config import Config
from studies.records import Candidate, CandidateState, Origin, Proposal, Verdict, Verification

EPSILON = 0.01


def verified(number: int, verification: Verification) -> Candidate:
    proposal = Proposal(config=Config.of({"layer": number}), origin=Origin.LADDER)
    return Candidate(
        id=number, study_id=1, number=number, proposal=proposal, state=CandidateState.COMPLETE,
        verification=verification, shortlisted=True,
    )  # fmt: skip


def counted(lost: int, gained: int, n: int = 5000) -> Verification:
    drop = (lost - gained) / n
    return Verification(
        examples="sha256:0", n=n, metric=0.9, drop=drop, interval=Interval(lower=drop - 0.01, upper=drop + 0.01),
        lost=lost, gained=gained, predictions=b"", shortlist_size=3,
    )  # fmt: skip


def whole(drop: float) -> Verification:
    """A verification of a metric that is no mean over examples."""
    return replace(counted(0, 0), lost=None, gained=None, drop=drop)


@pytest.mark.parametrize(
    ("verification", "verdict"),
    [
        (counted(20, 20), Verdict.CERTIFIED),
        (counted(49, 0), Verdict.VERIFIED),
        (counted(50, 0), Verdict.VERIFIED),
        (counted(51, 0), Verdict.REFUTED),
        (whole(-0.5), Verdict.VERIFIED),
        (whole(EPSILON), Verdict.VERIFIED),
        (whole(0.02), Verdict.REFUTED),
    ],
)
def test_only_counts_of_correct_answers_certify(verification: Verification, verdict: Verdict) -> None:
    judgement = judge([verified(0, verification)], EPSILON)[0]
    assert judgement.verdict is verdict
    assert (judgement.upper_95 is None) == (verification.lost is None)


def test_a_bound_inverts_the_test_before_the_correction() -> None:
    judgement = judge([verified(0, counted(20, 20))], EPSILON)[0]
    assert judgement.upper_95 is not None
    assert 0 < judgement.upper_95 <= EPSILON


def test_members_that_wait_count_in_the_correction() -> None:
    alone = replace(counted(44, 10), shortlist_size=1)
    assert judge([verified(0, alone)], EPSILON)[0].verdict is Verdict.CERTIFIED
    assert judge([verified(0, replace(alone, shortlist_size=10))], EPSILON)[0].verdict is Verdict.VERIFIED


def in_sequence(
    *verifications: Verification, epsilon: float = EPSILON, order: tuple[int, ...]
) -> list[tuple[str, int | None]]:
    members = [verified(number, verification) for number, verification in enumerate(verifications)]
    found = judge(members, epsilon, CertificationList(EPSILON, order))
    return [(found[number].verdict.value, found[number].blocked_by) for number in range(len(members))]


def test_the_first_failure_of_the_list_ends_the_sequence_and_is_named() -> None:
    holds, fails = counted(20, 20), counted(45, 0)
    found = in_sequence(holds, fails, holds, order=(0, 1, 2))
    assert found == [("certified", None), ("verified", None), ("verified", 1)]


def test_a_sequence_corrects_for_nothing_where_holm_would() -> None:
    barely = counted(44, 10)
    assert in_sequence(barely, barely, order=(0, 1)) == [("certified", None)] * 2
    assert {j.verdict for j in judge([verified(0, barely), verified(1, barely)], EPSILON).values()} == {
        Verdict.VERIFIED
    }


def test_a_member_that_is_not_on_the_list_is_verified_at_most() -> None:
    assert in_sequence(counted(20, 20), counted(0, 0), order=(0,)) == [("certified", None), ("verified", None)]


def test_a_listed_member_that_was_not_verified_ends_the_sequence() -> None:
    assert in_sequence(counted(20, 20), order=(7, 0)) == [("verified", 7)]


def test_at_another_epsilon_the_whole_list_is_corrected() -> None:
    barely = counted(67, 10)  # at 0.015 alone, not among ten
    assert in_sequence(barely, epsilon=0.015, order=(0,)) == [("certified", None)]
    assert in_sequence(barely, epsilon=0.015, order=tuple(range(10))) == [("verified", None)]


def test_exact_agreement_certifies_nothing_at_zero_and_a_clear_gain_does() -> None:
    assert in_sequence(counted(0, 0), epsilon=0.0, order=(0,)) == [("verified", None)]
    assert in_sequence(counted(0, 30), epsilon=0.0, order=(0,)) == [("certified", None)]


def test_bought_labels_certify_at_their_epsilon_and_above_it() -> None:
    members = [verified(0, counted(45, 0)), verified(1, counted(20, 20))]
    bought = Bought(
        candidate=1, epsilon=EPSILON, alpha=0.01, texts=900, disagreements=40, labels=31, checks=9, differing=0,
        upper=0.009, certified=True,
    )  # fmt: skip
    listed = CertificationList(EPSILON, (0, 1))
    found = judge(members, EPSILON, listed, {1: bought})
    assert [(found[n].verdict, found[n].blocked_by) for n in (0, 1)] == [
        (Verdict.VERIFIED, None),
        (Verdict.CERTIFIED, None),
    ]
    assert found[1].bought == bought
    assert judge(members, 0.02, listed, {1: bought})[1].verdict is Verdict.CERTIFIED
    assert judge(members, EPSILON, listed)[1].blocked_by == 0
    waits = bought.model_copy(update={"certified": False})
    assert judge(members, EPSILON, listed, {1: waits})[1].verdict is Verdict.VERIFIED
