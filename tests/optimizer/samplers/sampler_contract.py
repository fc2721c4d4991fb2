"""What every sampler keeps to. A test file names the sampler and inherits the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pruning_like as world
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.samplers import make_sampler
from optimizer.samplers.protocol import Point, Sampler, Told

BUDGET = 40
SHAPES = [(objectives, constraints) for objectives in (1, 2, 3, 4) for constraints in (0, 1, 2, 3)]
numbers = st.integers(0, 2**20)
finite = st.floats(-1e6, 1e6)
asks = st.lists(st.tuples(numbers, st.integers(0, 20)), max_size=3)


@st.composite
def histories(draw: st.DrawFn) -> list[Told]:
    """Up to 30 candidates of a study in two dimensions with two losses and one constraint."""
    rows = draw(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), finite, finite, finite), max_size=30))
    return [
        Told(number=number, point=(x, y), losses=(drop, cost), violations=(violation,))
        for number, (x, y, drop, cost, violation) in enumerate(rows)
    ]


def told_at_random(count: int, *, objectives: int, constraints: int, dimensions: int = world.DIMENSIONS) -> list[Told]:
    rng = np.random.default_rng(objectives * 10 + constraints)
    return [
        Told(
            number=number,
            point=tuple(rng.random(dimensions).tolist()),
            losses=tuple(rng.random(objectives).tolist()),
            violations=tuple((rng.random(constraints) - 0.5).tolist()),
        )
        for number in range(count)
    ]


def assert_in_cube(point: Point, dimensions: int) -> None:
    assert len(point) == dimensions
    assert all(type(coordinate) is float and 0 <= coordinate <= 1 for coordinate in point)


class SamplerContract:
    """Set `name` to a key of `SAMPLERS`. One whose asks take long lowers the counts."""

    name: str
    examples, length, told, attempts = 25, BUDGET, 25, 20
    minds = False  # whether what is in flight changes what it proposes

    def make(
        self,
        history: Sequence[Told] = (),
        *,
        dimensions: int = world.DIMENSIONS,
        seed: int = 0,
        budget: int = BUDGET,
        objectives: int = 2,
        constraints: int = 1,
    ) -> Sampler:
        sampler = make_sampler(
            self.name,
            dimensions=dimensions,
            seed=seed,
            budget=budget,
            objectives=objectives,
            constraints=constraints,
        )
        for told in history:
            sampler.tell(told)
        return sampler

    @pytest.mark.parametrize(("objectives", "constraints"), SHAPES)
    def test_any_number_of_losses_and_constraints(self, objectives: int, constraints: int) -> None:
        history = told_at_random(self.told, objectives=objectives, constraints=constraints)
        sampler = self.make(history, objectives=objectives, constraints=constraints)
        assert_in_cube(sampler.ask(self.told), world.DIMENSIONS)

    @pytest.mark.parametrize("dimensions", [1, 2, 12])
    def test_any_number_of_dimensions(self, dimensions: int) -> None:
        history = told_at_random(self.told, objectives=2, constraints=1, dimensions=dimensions)
        assert_in_cube(self.make(history, dimensions=dimensions).ask(self.told), dimensions)

    def test_nothing_told_is_no_hindrance(self) -> None:
        sampler = self.make()
        points = {sampler.ask(number) for number in range(50)}
        assert len(points) == 50
        for point in points:
            assert_in_cube(point, world.DIMENSIONS)

    def test_an_answer_depends_on_what_was_told_and_asked_only(self) -> None:
        @settings(max_examples=self.examples, deadline=None)
        @given(history=histories(), number=numbers, attempt=st.integers(0, 20), before=asks)
        def check(history: list[Told], number: int, attempt: int, before: list[tuple[int, int]]) -> None:
            fresh, used = self.make(history, dimensions=2), self.make(dimensions=2)
            for told in history:
                used.tell(told)
                used.ask(told.number + 1)
            for earlier in before:
                used.ask(*earlier)
            point = fresh.ask(number, attempt)
            assert_in_cube(point, 2)
            assert used.ask(number, attempt) == point
            assert fresh.ask(number, attempt) == point

        check()

    def test_a_kill_after_any_candidate_leaves_the_sequence_as_it_was(self) -> None:
        undisturbed = world.run(self.make(), self.length)
        for killed_after in range(self.length):
            reborn = self.make(undisturbed[:killed_after])
            assert reborn.ask(killed_after) == undisturbed[killed_after].point

    def test_the_world_s_own_generators_play_no_part(self) -> None:
        history = told_at_random(self.told, objectives=2, constraints=1)
        np.random.seed(1)  # the generator that third parties would share
        first = self.make(history).ask(self.told)
        np.random.seed(2)
        assert self.make(history).ask(self.told) == first

    @pytest.mark.parametrize("is_told", [False, True])
    def test_other_seeds_numbers_and_attempts_give_other_points(self, *, is_told: bool) -> None:
        told = self.told if is_told else 0
        history = told_at_random(told, objectives=2, constraints=1)
        by_seed = {self.make(history, seed=seed).ask(told) for seed in range(5)}
        sampler = self.make(history)
        by_number = {sampler.ask(told + ahead) for ahead in range(5)}
        by_attempt = {sampler.ask(told, attempt) for attempt in range(self.attempts)}
        assert (len(by_seed), len(by_number), len(by_attempt)) == (5, 5, self.attempts)

    def test_a_study_without_one_feasible_candidate(self) -> None:
        history = [
            Told(number=t.number, point=t.point, losses=t.losses, violations=(1.0 + t.point[0],))
            for t in told_at_random(self.told, objectives=2, constraints=1)
        ]
        assert_in_cube(self.make(history).ask(self.told), world.DIMENSIONS)

    @pytest.mark.parametrize("objectives", [1, 2, 4])
    def test_candidates_all_worth_the_same(self, objectives: int) -> None:
        history = [
            Told(number=t.number, point=t.point, losses=(0.0,) * objectives, violations=(0.0,))
            for t in told_at_random(self.told, objectives=objectives, constraints=1)
        ]
        assert_in_cube(self.make(history, objectives=objectives).ask(self.told), world.DIMENSIONS)

    def test_one_point_told_again_and_again(self) -> None:
        corner = (0.0, 1.0, 0.0, 1.0)
        sampler = self.make([Told(number=n, point=corner, losses=(0.1, 0.5), violations=(0.2,)) for n in range(25)])
        points = {sampler.ask(25, attempt) for attempt in range(self.attempts)}
        assert len(points) > 1
        for point in points:
            assert_in_cube(point, world.DIMENSIONS)

    def test_candidates_that_were_never_told_leave_gaps(self) -> None:
        history = told_at_random(50, objectives=2, constraints=1)[::2]
        sampler = self.make(history)
        assert sampler.ask(50) != sampler.ask(51)

    def test_candidates_in_flight_are_no_hindrance(self) -> None:
        history = told_at_random(self.told, objectives=2, constraints=1)
        alone = self.make(history).ask(self.told)
        points = []
        for _ in range(2):
            sampler = self.make(history)
            for point in (alone, history[0].point, alone):  # of the next, of one that was told, and once more
                sampler.expect(point)
            points.append(sampler.ask(self.told))
        assert_in_cube(points[0], world.DIMENSIONS)
        assert points[0] == points[1]
        assert (points[0] != alone) is self.minds
        with pytest.raises(ValueError, match="point: "):
            self.make().expect((0.5, 0.5, 0.5, 1.01))

    @pytest.mark.parametrize(
        ("field", "changed"),
        [
            ("point", {"point": (0.5,)}),
            ("point", {"point": (0.5, 0.5, 0.5, 1.01)}),
            ("losses", {"losses": (0.1,)}),
            ("losses", {"losses": (0.1, math.nan)}),
            ("violations", {"violations": ()}),
            ("violations", {"violations": (math.inf,)}),
        ],
    )
    def test_a_candidate_that_does_not_fit_the_study_is_refused(
        self, field: str, changed: dict[str, tuple[float, ...]]
    ) -> None:
        fitting = {"point": (0.5,) * 4, "losses": (0.1, 0.9), "violations": (0.0,)}
        sampler = self.make()
        with pytest.raises(ValueError, match=f"{field}: "):
            sampler.tell(Told(number=0, **fitting | changed))
        assert sampler.ask(1) == self.make().ask(1)


class LearnerContract(SamplerContract):
    """What a sampler that learns keeps to beside."""

    margin: float  # over random search's mean hypervolume
    seeds, candidates = 3, 100

    def test_it_finds_more_than_random_search(self) -> None:
        found = mean_hypervolume(self.name, seeds=self.seeds, candidates=self.candidates)
        assert found > self.margin * mean_hypervolume("random", seeds=24, candidates=self.candidates)


@cache  # every sampler is compared with the same random search
def mean_hypervolume(name: str, *, seeds: int, candidates: int) -> float:
    kwargs = {"dimensions": world.DIMENSIONS, "budget": candidates, "objectives": 2, "constraints": 1}
    runs = (world.run(make_sampler(name, seed=seed, **kwargs), candidates) for seed in range(seeds))
    return float(np.mean([world.hypervolume(history) for history in runs]))


class GeneticContract(LearnerContract):
    """What a sampler that breeds keeps to beside."""

    def test_children_of_one_spot_stay_near_it(self) -> None:
        spot = (0.3, 0.4, 0.5, 0.6)
        sampler = self.make([Told(number=n, point=spot, losses=(0.1, 0.5), violations=(0.0,)) for n in range(10)])
        children = np.array([sampler.ask(10, attempt) for attempt in range(20)])
        assert np.abs(np.median(children, axis=0) - spot).max() < 0.01

    def test_parents_are_the_best_of_a_ladder_longer_than_a_generation(self) -> None:
        good, bad = (0.2, 0.2, 0.2, 0.2), (0.9, 0.9, 0.9, 0.9)
        ladder = [self.worth(n, good if n % 4 == 0 else bad, feasible=n % 4 == 0) for n in range(32)]
        children = np.array([self.make(ladder).ask(32, attempt) for attempt in range(20)])
        assert np.abs(np.median(children, axis=0) - good).max() < 0.01

    def test_a_generation_waits_until_it_is_whole(self) -> None:
        ladder = [self.worth(n, (0.9,) * 4, feasible=False) for n in range(8)]
        news = [self.worth(n, (0.2,) * 4, feasible=True) for n in range(8, 16)]
        assert self.make([*ladder, *news[:7]]).ask(20) == self.make(ladder).ask(20)
        assert self.make([*ladder, *news]).ask(20) != self.make(ladder).ask(20)

    @staticmethod
    def worth(number: int, point: Point, *, feasible: bool) -> Told:
        return Told(number=number, point=point, losses=(0.1, 0.5), violations=(-1.0 if feasible else 1.0,))
