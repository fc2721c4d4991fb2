"""What a long search derives from its candidates it adds to, and it is what all of them would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from search_space_fixture import candidate, settled, space

from optimizer.fronts.front import non_dominated
from optimizer.samplers.protocol import Point, Told
from optimizer.search.growing import GrowingFront
from optimizer.search.ladder import ladder
from optimizer.search.ledger import Finished, Pending
from optimizer.search.proposer import StagedProposer
from optimizer.search.refine import Refiner
from optimizer.search.steps import Neighbours
from optimizer.search.window import LATEST, Window
from studies.records import Candidate, Origin, Proposal

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


@given(rows=rows, order=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_front_that_grows_is_the_front_of_all_in_any_order(rows: list[tuple[int, ...]], order: Any) -> None:
    numbers = [*range(len(rows))]
    order.shuffle(numbers)
    front = GrowingFront[int](int)
    for number in numbers:
        front.add(number, rows[number])
    assert [*front.members] == np.flatnonzero(non_dominated(rows)).tolist()


def told(number: int, drop: float, *, violation: float = -1.0) -> Told:
    return Told(number=number, point=(0.5,), losses=(drop, 1 - drop / 2), violations=(violation,))


def test_a_window_holds_all_of_few_and_of_many_the_latest_and_the_front() -> None:
    window = Window()
    best = told(3, 0.1)
    for number in reversed(range(LATEST)):
        window.add(best if number == 3 else told(number, 0.9, violation=number % 2 or -1.0))
    assert [t.number for t in window.latest] == [*range(LATEST)]
    assert window.forgotten == 0
    for number in range(LATEST, 2 * LATEST):
        window.add(told(number, 0.8, violation=1.0))
    front = [t.number for t in window.latest if t.number < LATEST]
    assert front[0] == 0, "those equal on the front all stay"
    assert best in window.latest
    assert all(number % 2 == 0 or number == 3 for number in front)
    assert window.forgotten == 2 * LATEST - len(window.latest)
    assert [t.number for t in window.latest][-LATEST:] == [*range(LATEST, 2 * LATEST)]


class Uniform:
    """A sampler that counts what it is told."""

    told = 0

    def ask(self, number: int, attempt: int = 0) -> Point:
        return tuple(np.random.default_rng((number, attempt)).random(4).tolist())

    def tell(self, told: Told) -> None:
        self.told += 1

    def expect(self, point: Point) -> None:
        self.told += 1

    def recall(self, told: Sequence[Told], *, forgotten: int = 0, expected: Sequence[Point] = ()) -> None:
        assert len(told) <= LATEST + 100


def test_a_proposal_looks_at_what_came_since_the_last_alone() -> None:
    of, asked = space(), Counter[int]()

    def worth(c: Candidate) -> Told | None:
        asked[c.number] += 1
        return None if c.outcome is None or c.outcome.drop is None else told(c.number, min(1.0, c.outcome.drop))

    def is_feasible(c: Candidate) -> bool:
        asked[c.number] += 1
        return c.outcome is not None and (c.outcome.drop or 0) < 0.01

    def proposer() -> StagedProposer:
        refiner = Refiner(of, is_feasible=is_feasible)
        seeds = ladder(of, 120)
        return StagedProposer(of, seeds=seeds, trials=120, make_sampler=Uniform, worth=worth, refiner=refiner)

    living, finished = proposer(), Finished()
    while len(finished) < 120 and (step := living.propose(finished)) is not None:
        finished.add(candidate(len(finished), settled(step)))
    assert max(asked.values()) == 2, "once by the proposer, once by the refiner"
    for number in (30, 60, 100):
        before = [c for c in finished if c.number < number]
        step = proposer().propose(before)
        assert step is not None
        assert settled(step).config == finished[number].config


def test_pending_steps_come_in_the_order_of_their_numbers_and_leave_nothing_behind() -> None:
    seeds = ladder(space(), 60)
    pending = Pending()
    for number in (5, 2, 9):
        pending.evaluate(number, seeds[number])
    neighbours = Neighbours(tuple(seed.config for seed in seeds[10:13]), parent=2)
    pending.screen(neighbours)
    assert [*pending] == [seeds[2], seeds[5], seeds[9], neighbours]
    assert pending.has_refined
    assert pending.parents[2] == 1
    assert seeds[11].config in pending.configs
    pending.evaluate(12, Proposal(config=seeds[11].config, origin=Origin.USER))
    pending.screened(neighbours)
    assert not pending.has_refined
    assert seeds[11].config in pending.configs
    for number in (2, 5, 9, 12):
        pending.evaluated(number)
    assert len(pending) == 0
    assert not pending.configs


def test_the_points_in_flight_are_those_of_the_space_in_the_order_of_their_numbers() -> None:
    config, pending = space().dense, Pending()
    points = {7: (0.7, 0.7), 1: (0.1, 0.1), 3: None, 4: (0.4,), 5: (0.5, 0.5)}
    for number, point in points.items():
        pending.evaluate(number, Proposal(config=config, origin=Origin.SAMPLER, coordinates=point))
    assert [*pending.points(2)] == [(0.1, 0.1), (0.5, 0.5), (0.7, 0.7)]
    assert not Pending().points(2)
