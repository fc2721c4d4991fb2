from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from objectives.metrics import METRICS
from optimizer.certification import (
    CertificationList,
    chance_to_pass,
    in_sequence,
    stored_list,
    verification_alpha,
    with_shortlist,
)
from optimizer.spec import StudySpec
from search_spaces.config import Config
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal


def found(number: int, drop: float) -> Candidate:
    proposal = Proposal(config=Config.of({"layer": number}), origin=Origin.LADDER)
    outcome = Outcome(state=CandidateState.COMPLETE, drop=drop)
    return Candidate(
        id=number, study_id=1, number=number, proposal=proposal, state=CandidateState.COMPLETE, outcome=outcome
    )


def counted(number: int, lost: int, gained: int) -> Candidate:
    drop = (lost - gained) / 1000
    known = Outcome(state=CandidateState.COMPLETE, drop=drop, seen=1000, lost=lost, gained=gained)
    return replace(found(number, drop), outcome=known)


COSTS = {0: 0.2, 1: 0.5, 2: 0.8, 3: 0.6, 4: 0.5}
SHORTLIST = [found(0, 0.009), found(1, 0.002), found(2, 0.001), found(3, 0.004), found(4, 0.002)]


def cost_of(candidate: Candidate) -> float:
    return COSTS[candidate.number]


def listed(shortlist: Sequence[Candidate]) -> list[int]:
    chance = partial(chance_to_pass, epsilon=0.01, alpha=0.04, examples=2000)
    return [c.number for c in in_sequence(shortlist, cost_of, chance)]


def test_beaten_members_are_left_out_and_the_most_costly_comes_first_with_ties_by_number() -> None:
    costly = [counted(2, 10, 10), counted(3, 24, 20), counted(1, 20, 20), counted(4, 20, 20), counted(0, 30, 24)]
    assert listed(costly) == [2, 1, 4, 0], "those of one cost do not beat each other"


def test_members_of_a_later_shortlist_follow_the_list_and_leave_it_its_epsilon() -> None:
    first = with_shortlist(None, SHORTLIST[:2], cost_of=cost_of, epsilon=0.01, examples=2000)
    assert first == CertificationList(0.01, (1, 0))
    again = with_shortlist(first, SHORTLIST, cost_of=cost_of, epsilon=0.03, examples=2000)
    assert again == CertificationList(0.01, (1, 0, 2, 3, 4))


def test_a_member_stays_where_it_is_likely_to_pass_or_more_likely_than_any_cheaper_one() -> None:
    safe, restless, lucky = counted(2, 2, 2), counted(3, 34, 32), counted(1, 9, 10)
    assert listed([lucky, restless, safe]) == [2, 1], "what changes more answers could end the list before a leaner one"
    assert listed([restless, safe]) == [2, 3], "without it there is nothing leaner to lose"
    assert listed([safe, counted(1, 1, 3)]) == [2, 1], "a fallback is kept, although the leaner one seems as good"


@pytest.mark.parametrize(
    ("lost", "gained", "chance"), [(0, 0, 1.0), (3, 3, 0.95), (9, 9, 0.7), (9, 0, 0.1), (30, 20, 0.01)]
)
def test_the_chance_to_pass_falls_with_the_drop_and_with_the_answers_that_change(
    lost: int, gained: int, chance: float
) -> None:
    found = chance_to_pass(counted(0, lost, gained), epsilon=0.01, alpha=0.04, examples=2000)
    assert found == pytest.approx(chance, abs=0.2 if chance < 0.9 else 0.06)
    assert chance_to_pass(counted(0, lost, gained), epsilon=0.01, alpha=0.04, examples=20_000) >= found - 0.02


def test_trained_members_are_listed_behind_the_safest_costlier_one_alone() -> None:
    def trained(number: int, lost: int) -> Candidate:
        candidate = counted(number, lost, lost)
        return replace(candidate, proposal=replace(candidate.proposal, origin=Origin.RECOVER))

    students = [trained(0, 10), trained(1, 8)]
    assert listed([*students, counted(2, 6, 6), counted(3, 2, 2)]) == [3, 1, 0]
    assert listed([*students, counted(4, 1, 1)]) == [1, 0]


def test_a_study_keeps_a_part_of_its_error_for_bought_labels_unless_it_is_older(tmp_path: Path) -> None:
    spec = {"model": "phrases-mini", "task": "phrases", "epsilon": 0.01}
    new, old = StudySpec.model_validate(spec), StudySpec.stored(spec)
    assert verification_alpha(new, METRICS["accuracy"]) == 0.04
    assert verification_alpha(new, METRICS["f1"]) == verification_alpha(old, METRICS["accuracy"]) == 0.05
    known = with_shortlist(None, SHORTLIST, cost_of=cost_of, epsilon=0.01, alpha=0.04, examples=2000)
    assert with_shortlist(known, SHORTLIST, cost_of=cost_of, epsilon=0.02, examples=2000).alpha == 0.04
    with closing(open_store(f"sqlite:///{tmp_path}/studies.sqlite")) as store:
        study = store.create_study("a", spec)
        assert stored_list(store.update_study(study.id, context=known.in_context())) == known
        earlier = {"certification": {"epsilon": 0.01, "members": [2], "rule": "fixed-sequence"}}
        assert stored_list(store.update_study(study.id, context=earlier)) == CertificationList(0.01, (2,))
