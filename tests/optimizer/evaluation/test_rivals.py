"""A candidate is ruled out by one that costs no more, holds, and diverges less by a fifth; by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.measurement import Measurement, Source
from optimizer.evaluation.rivals import REASON, Rivals, was_ruled_out
from search_spaces.config import Config
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal

COSTS = ("flops", "own.carbon")


def measured(flops: float, carbon: float, divergence: float) -> tuple[Measurement, ...]:
    values = {"flops": flops, "own.carbon": carbon, "divergence": divergence}
    return tuple(Measurement(quantity=q, value=v, unit="1", source=Source.MEASURED) for q, v in values.items())


def candidate(
    number: int, *figures: float, lost: int = 1, state: CandidateState = CandidateState.COMPLETE
) -> Candidate:
    outcome = Outcome(state=state, drop=lost / 100, seen=100, lost=lost, gained=0, measurements=measured(*figures))
    return Candidate(
        id=number,
        study_id=1,
        number=number,
        proposal=Proposal(config=Config.of({"layer": number}), origin=Origin.LADDER),
        state=state,
        outcome=outcome,
        measurements=outcome.measurements,
    )


def first(rivals: Rivals, ours: Sequence[Measurement], candidates: Sequence[Candidate]) -> int | None:
    return rivals.first(ours, rivals.among(candidates))


@pytest.mark.parametrize(
    ("rival", "rules_out"),
    [
        (candidate(3, 50, 50, 0.8), True),  # a tie in cost, less divergence by exactly a fifth
        (candidate(3, 50, 50, 0.81), False),
        (candidate(3, 51, 50, 0.1), False),  # costs more
        (candidate(3, 50, 51, 0.1), False),  # costs more in what the caller brought
        (candidate(3, 50, 50, 0.1, lost=3), False),  # breaks ε itself
        (candidate(3, 50, 50, 0.1, state=CandidateState.STOPPED), False),
    ],
)
def test_a_rival_costs_no_more_holds_and_diverges_less(rival: Candidate, *, rules_out: bool) -> None:
    ours = measured(50, 50, 1.0)
    far = candidate(1, 90, 90, 0.1)
    assert first(Rivals(COSTS, 0.02), ours, [far, rival]) == (3 if rules_out else None)
    assert first(Rivals((), 0.02), ours, [far, rival]) is None  # nothing to compare: each is measured to the end


def test_a_study_that_starts_from_this_one_tells_a_rival_s_stop_from_the_candidate_s_own() -> None:
    stopped = candidate(3, 50, 50, 0.8, state=CandidateState.STOPPED)
    assert stopped.outcome is not None
    by_rival = replace(stopped, outcome=replace(stopped.outcome, reason=f"#1 {REASON}"))
    by_drop = replace(stopped, outcome=replace(stopped.outcome, reason="drop above 0.02 after 99 examples"))
    assert [was_ruled_out(each) for each in (by_rival, by_drop, stopped)] == [True, False, False]


@given(st.lists(st.tuples(*[st.integers(1, 4)] * 3), max_size=8), st.tuples(*[st.integers(1, 5)] * 3), st.randoms())
def test_those_that_are_kept_rule_out_what_all_do_in_whatever_order_they_came(
    figures: list[tuple[int, ...]], ours: tuple[int, ...], random: Random
) -> None:
    made = [candidate(number, *figure) for number, figure in enumerate(figures)]
    rivals, arrived = Rivals(COSTS, 0.02), random.sample(made, len(made))
    each_alone = [c.number for c in made if first(rivals, measured(*ours), [c]) is not None]
    assert first(rivals, measured(*ours), arrived) == min(each_alone, default=None)
