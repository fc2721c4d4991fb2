from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from objectives.metrics import METRICS
from optimizer.certification import CertificationList, in_sequence, stored_list, verification_alpha, with_shortlist
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


COSTS = {0: 0.2, 1: 0.5, 2: 0.8, 3: 0.6, 4: 0.5}
SHORTLIST = [found(0, 0.009), found(1, 0.002), found(2, 0.001), found(3, 0.004), found(4, 0.002)]


def cost_of(candidate: Candidate) -> float:
    return COSTS[candidate.number]


def test_beaten_members_are_left_out_and_the_most_costly_comes_first_with_ties_by_number() -> None:
    assert [c.number for c in in_sequence(SHORTLIST, cost_of)] == [2, 1, 4, 0]


def test_members_of_a_later_shortlist_follow_the_list_and_leave_it_its_epsilon() -> None:
    first = with_shortlist(None, SHORTLIST[:2], cost_of=cost_of, epsilon=0.01)
    assert first == CertificationList(0.01, (1, 0))
    again = with_shortlist(first, SHORTLIST, cost_of=cost_of, epsilon=0.03)
    assert again == CertificationList(0.01, (1, 0, 2, 4))


def test_a_member_is_beaten_beyond_two_standard_errors_alone() -> None:
    def counted(number: int, lost: int) -> Candidate:
        known = Outcome(state=CandidateState.COMPLETE, drop=lost / 1000, seen=1000, lost=lost, gained=0)
        return replace(found(number, lost / 1000), outcome=known)

    lucky, safe, worse = counted(0, 5), counted(2, 9), counted(1, 30)
    assert [c.number for c in in_sequence([lucky, safe, worse], cost_of)] == [2, 0]


def test_trained_members_are_listed_behind_the_safest_costlier_one_alone() -> None:
    def trained(number: int, drop: float) -> Candidate:
        candidate = found(number, drop)
        return replace(candidate, proposal=replace(candidate.proposal, origin=Origin.RECOVER))

    students = [trained(0, 0.004), trained(1, 0.003)]
    assert [c.number for c in in_sequence([*students, found(2, 0.002), found(3, 0.001)], cost_of)] == [3, 1, 0]
    assert [c.number for c in in_sequence([*students, found(4, 0.001)], cost_of)] == [1, 0]


def test_a_study_keeps_a_part_of_its_error_for_bought_labels_unless_it_is_older(tmp_path: Path) -> None:
    spec = {"model": "phrases-mini", "task": "phrases", "epsilon": 0.01}
    new, old = StudySpec.model_validate(spec), StudySpec.stored(spec)
    assert verification_alpha(new, METRICS["accuracy"]) == 0.04
    assert verification_alpha(new, METRICS["f1"]) == verification_alpha(old, METRICS["accuracy"]) == 0.05
    known = with_shortlist(None, SHORTLIST, cost_of=cost_of, epsilon=0.01, alpha=0.04)
    assert with_shortlist(known, SHORTLIST, cost_of=cost_of, epsilon=0.02).alpha == 0.04
    with closing(open_store(f"sqlite:///{tmp_path}/studies.sqlite")) as store:
        study = store.create_study("a", spec)
        assert stored_list(store.update_study(study.id, context=known.in_context())) == known
        earlier = {"certification": {"epsilon": 0.01, "members": [2], "rule": "fixed-sequence"}}
        assert stored_list(store.update_study(study.id, context=earlier)) == CertificationList(0.01, (2,))
