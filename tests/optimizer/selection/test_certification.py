from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from objectives.measurement import Measurement, Source
from objectives.metrics import METRICS
from optimizer.selection.certification import (
    HARDLY,
    CertificationList,
    Certifier,
    best_sequence,
    stored_list,
    verification_alpha,
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
SHORTLIST = [counted(0, 30, 24), counted(1, 20, 20), counted(2, 10, 10), counted(3, 24, 20), counted(4, 20, 20)]


def certifier(candidates: Sequence[Candidate], *, epsilon: float | None = 0.01, alpha: float = 0.05) -> Certifier:
    return Certifier(candidates, lambda c: COSTS[c.number], epsilon, 2000, alpha)


def test_members_of_a_later_shortlist_follow_the_list_and_leave_it_its_epsilon() -> None:
    known = CertificationList(0.01, (1, 0))
    again = certifier(SHORTLIST, epsilon=0.03).with_shortlist(known, SHORTLIST)
    assert again.epsilon == 0.01
    assert again.members[:2] == (1, 0)
    assert len(again.members) == len(set(again.members)) > 2
    later = [COSTS[number] for number in again.members[2:]]
    assert later == sorted(later, reverse=True)


def test_a_fallback_stands_in_front_and_a_member_that_could_end_the_sequence_is_left_out() -> None:
    costs = np.array([0.8, 0.6, 0.3])
    safe, doubtful, lean = np.full(100, True), np.arange(100) < 50, np.arange(100) >= 30
    assert best_sequence(costs, np.column_stack([safe, doubtful, lean])) == [0, 2]
    safer = np.arange(100) >= 10
    assert best_sequence(costs, np.column_stack([safe, safer, lean])) == [0, 1, 2], "it passes where the next does"
    assert best_sequence(costs, np.column_stack([safe, safer, lean]), most=1) == [2]
    assert best_sequence(costs, np.column_stack([safe, safe, safe])) == [0, 1, 2], "what is sure may fail"
    step = lean | (np.arange(100) > 1)  # it fails in two draws of a hundred, in which the lean one fails as well
    assert best_sequence(costs, np.column_stack([safe, step, lean])) == [0, 1, 2]
    risky = np.arange(100) != 50  # it fails in one draw, in which the lean one passes
    assert best_sequence(costs, np.column_stack([safe, risky, safe])) == [0, 1, 2], "hardly a difference"
    assert best_sequence(costs, np.column_stack([safe, risky, safe]), most=2) == [2]


def test_of_members_that_never_pass_one_is_listed() -> None:
    assert best_sequence(np.array([0.8, 0.5]), np.zeros((10, 2), dtype=bool), most=1) == [0]
    assert best_sequence(np.array([1.3]), np.ones((10, 1), dtype=bool)) == [0], "cheaper by another cost"
    assert [c.number for c in certifier([]).best([found(3, 0.0), found(2, 0.0)], most=1)] == [2], "no drop is known"
    assert not certifier(SHORTLIST, epsilon=None).best(SHORTLIST)
    assert not certifier([]).best([])


@given(st.integers(1, 7), st.integers(0, 1000))
def test_no_sequence_that_differs_by_one_member_is_expected_to_end_at_much_less(members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs, passes = -np.sort(-rng.uniform(0.1, 1, members)), rng.random((40, members)) < rng.random(members)

    def ends_at(sequence: Sequence[int]) -> float:
        passed = [next((at for at, m in enumerate(sequence) if not draw[m]), len(sequence)) for draw in passes]
        return float(np.mean([costs[sequence[at - 1]] if at else 1.0 for at in passed]))

    shortest, chosen = best_sequence(costs, passes, most=members), best_sequence(costs, passes)
    assert chosen == sorted(set(chosen))
    for member in range(members):
        others = sorted({*shortest} ^ {member})
        assert not others or ends_at(shortest) <= ends_at(others) + 1e-9
        assert member in chosen or ends_at(sorted([*chosen, member])) > ends_at(shortest) + HARDLY
    assert {*shortest} <= {*chosen}
    assert ends_at(chosen) <= ends_at(shortest) + HARDLY + 1e-12


def diverging(number: int, divergence: float, lost: int, gained: int, *, origin: Origin = Origin.LADDER) -> Candidate:
    candidate = counted(number, lost, gained)
    measured = Measurement(quantity="divergence", value=divergence, unit="nat", source=Source.MEASURED)
    return replace(candidate, proposal=replace(candidate.proposal, origin=origin), measurements=(measured,))


def test_a_lean_trained_member_that_was_lucky_leaves_costlier_ones_on_the_list() -> None:
    """As in a real study, where the leanest of the trained gained nine more answers than it lost."""
    costs = (
        0.712,
        0.617,
        0.517,
        0.45,
        0.354,
        0.308,
        0.29,
        0.218,
        0.289,
        0.139,
        0.107,
        0.064,
        0.227,
        0.165,
        0.083,
        0.05,
    )
    searched = [(0.001, 1, 1), (0.009, 6, 7), (0.017, 8, 10), (0.017, 12, 9), (0.016, 15, 12), (0.032, 15, 14)]
    searched += [(0.037, 18, 16), (0.054, 23, 15)]
    students = [(0.020, 14, 12), (0.022, 21, 21), (0.030, 21, 22), (0.057, 22, 31)]
    shortly = [(0.032, 19, 16), (0.046, 23, 25), (0.046, 30, 20), (0.095, 50, 26)]
    members = [diverging(number, *shown) for number, shown in enumerate(searched)]
    members += [
        diverging(number, *shown, origin=Origin.RECOVER) for number, shown in enumerate(students + shortly, start=8)
    ]
    certifier = Certifier(members, lambda c: costs[c.number], 0.01, 1821, 0.04)
    listed = [c.number for c in certifier.best(members[:12])]
    assert {8, 9, 10} & {*listed}, "the lucky one does not keep all of them off the list"
    assert listed[0] == 0, "and a sure step comes before them"


def test_of_very_many_candidates_those_closest_at_their_cost_are_compared() -> None:
    members = [diverging(number, 0.01 if number % 5 else 0.001, 2, 2) for number in range(1000)]
    certifier = Certifier(members, lambda c: 0.2 + 0.0007 * c.number, 0.01, 2000)
    chosen = certifier.shortlist(members, is_feasible=lambda _: True, costs_of=[certifier.cost_of])
    assert len(chosen) == 10
    assert {c.number for c in certifier.best(members[::5], most=5)} <= {c.number for c in chosen}


def test_a_study_keeps_a_part_of_its_error_for_bought_labels_unless_it_is_older(tmp_path: Path) -> None:
    spec = {"model": "phrases-mini", "task": "phrases", "epsilon": 0.01}
    new, old = StudySpec.model_validate(spec), StudySpec.stored(spec)
    assert verification_alpha(new, METRICS["accuracy"]) == 0.04
    assert verification_alpha(new, METRICS["f1"]) == verification_alpha(old, METRICS["accuracy"]) == 0.05
    known = certifier(SHORTLIST, alpha=0.04).with_shortlist(None, SHORTLIST)
    assert certifier(SHORTLIST, epsilon=0.02).with_shortlist(known, SHORTLIST).alpha == 0.04
    with closing(open_store(f"sqlite:///{tmp_path}/studies.sqlite")) as store:
        study = store.create_study("a", spec)
        assert stored_list(store.update_study(study.id, context=known.in_context())) == known
        earlier = {"certification": {"epsilon": 0.01, "members": [2], "rule": "fixed-sequence"}}
        assert stored_list(store.update_study(study.id, context=earlier)) == CertificationList(0.01, (2,))
