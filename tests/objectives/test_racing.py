"""The race's error: by enumeration of every order of small populations, and by simulation at the real size."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from objectives.racing import Race, race_order
from objectives.statistics import within_epsilon

N, EPSILON = 872, 0.01


def population(n: int, *, net: int, discordant: int, dense_accuracy: float = 0.89) -> tuple[np.ndarray, np.ndarray]:
    """Return dense and candidate scores `(n,)` with the given net and discordant counts."""
    wrong = round((1 - dense_accuracy) * n)
    lost, gained = (discordant + net) // 2, (discordant - net) // 2
    dense = np.ones(n, dtype=int)
    dense[:wrong] = 0
    candidate = dense.copy()
    candidate[:gained] = 1
    candidate[wrong : wrong + lost] = 0
    return dense, candidate


def raced(dense: np.ndarray, candidate: np.ndarray, *, seed: int, labels: np.ndarray | None = None) -> Race:
    race = Race(len(dense), EPSILON, gainable=int((dense == 0).sum()))
    for chunk in race_order(len(dense), np.arange(len(dense)), seed=seed, labels=labels):
        if race.update(dense[chunk], candidate[chunk]):
            break
    return race


@pytest.mark.parametrize("epsilon", [0.0, 0.15, 0.3])
def test_over_every_order_of_small_populations_a_feasible_candidate_is_stopped_no_more_often_than_allowed(
    epsilon: float,
) -> None:
    n, error = 6, 0.2
    stopped: Counter[tuple[int, int]] = Counter()
    orders: Counter[tuple[int, int]] = Counter()
    for losses in itertools.product((-1, 0, 1), repeat=n):
        counts = losses.count(1), losses.count(-1)
        orders[counts] += 1
        race = Race(n, epsilon, error=error)
        stopped[counts] += any(race.update([int(loss >= 0)], [int(loss <= 0)]) for loss in losses)
    feasible = [counts for counts in orders if within_epsilon(*counts, n, epsilon)]
    infeasible = [counts for counts in orders if counts not in feasible]
    assert max(stopped[counts] / orders[counts] for counts in feasible) <= error
    assert any(stopped[counts] for counts in infeasible)


@pytest.mark.parametrize("discordant", [8, 44, 130])
@pytest.mark.parametrize("kind", ["uniform", "by dense score", "losses in one label"])
def test_a_candidate_at_epsilon_is_stopped_at_most_once_in_a_hundred_times(discordant: int, kind: str) -> None:
    dense, candidate = population(N, net=8, discordant=discordant)
    lost_or_not = (np.arange(N) < N // 2).astype(int)
    labels = {"uniform": None, "by dense score": dense, "losses in one label": lost_or_not}[kind]
    stopped = sum(raced(dense, candidate, seed=seed, labels=labels).is_stopped for seed in range(300))
    assert stopped <= 9  # a true 1 % exceeds this once in 900 times


@pytest.mark.parametrize(("drop", "discordant", "share"), [(0.10, 0.12, 0.25), (0.05, 0.07, 0.45), (0.03, 0.05, 0.75)])
def test_bad_candidates_are_stopped_after_few_examples(drop: float, discordant: float, share: float) -> None:
    dense, candidate = population(N, net=round(drop * N), discordant=round(discordant * N))
    races = [raced(dense, candidate, seed=seed, labels=dense) for seed in range(60)]
    assert all(race.is_stopped for race in races)
    assert np.mean([race.seen for race in races]) / N < share


def test_counting_stops_for_certain_and_only_when_nothing_can_bring_the_drop_back() -> None:
    race = Race(10, 0.1, error=1e-12, gainable=1)
    assert not race.update([1, 1], [0, 0])  # lost 2, allowed 1, one example left may be gained
    assert race.update([0], [0])  # that one was not
    assert race.reason == "drop above 0.1 whichever way the remaining 7 examples turn out"
    assert (race.seen, race.lost, race.gained, race.drop) == (3, 2, 0, 2 / 3)


def test_a_race_seen_to_the_end_is_never_called_stopped() -> None:
    race = Race(4, 0.0)
    assert not race.update([1, 1, 1, 1], [0, 0, 0, 0])
    assert race.drop == 1.0


def test_a_better_candidate_counts_gains() -> None:
    race = Race(100, 0.01)
    race.update([0, 0, 1], [1, 1, 1])
    assert (race.lost, race.gained, race.drop) == (0, 2, -2 / 3)


def test_a_huge_chunk_of_losses_overflows_nothing() -> None:
    race = Race(100_000, 0.01)
    assert race.update(np.ones(50_000), np.zeros(50_000))


@pytest.mark.parametrize(
    ("baseline", "candidate"), [([1], [0.5]), ([1, 1], [1]), ([2], [1]), ([], []), ([1] * 6, [1] * 6)]
)
def test_scores_that_are_not_paired_zeros_and_ones_are_refused(baseline: list[float], candidate: list[float]) -> None:
    with pytest.raises(ValueError, match="race"):
        Race(5, 0.01).update(baseline, candidate)


@pytest.mark.parametrize("arguments", [(0, 0.01, 0.01), (5, -0.1, 0.01), (5, float("nan"), 0.01), (5, 0.01, 0.0)])
def test_a_race_that_cannot_be_run_is_refused(arguments: tuple[int, float, float]) -> None:
    n, epsilon, error = arguments
    with pytest.raises(ValueError, match="race needs"):
        Race(n, epsilon, error=error)


def test_a_race_not_begun_has_no_drop() -> None:
    with pytest.raises(ValueError, match="update"):
        _ = Race(5, 0.01).drop


@pytest.mark.parametrize("labels", [None, "two", "all different"])
def test_an_order_holds_every_example_once_in_chunks_sorted_by_length(labels: str | None) -> None:
    lengths = np.random.default_rng(0).integers(3, 60, size=N)
    strata = {None: None, "two": np.arange(N) % 2, "all different": np.linspace(0, 5, N)}[labels]
    order = race_order(N, lengths, seed=4, labels=strata)
    assert sorted(np.concatenate(order)) == list(range(N))
    assert sorted(len(chunk) for chunk in order) == [124] * 3 + [125] * 4
    assert all(np.all(np.diff(lengths[chunk]) >= 0) for chunk in order)


def test_an_order_is_fixed_by_its_seed() -> None:
    one, same, other = (np.concatenate(race_order(N, np.zeros(N), seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_every_chunk_holds_the_labels_in_their_proportions() -> None:
    labels = np.random.default_rng(1).choice(3, p=[0.7, 0.25, 0.05], size=N)
    for chunk in race_order(N, np.zeros(N), seed=0, labels=labels):
        for label in range(3):
            expected = (labels == label).mean() * len(chunk)
            assert abs((labels[chunk] == label).sum() - expected) <= 2


def test_an_example_stands_anywhere_in_the_order_with_equal_chance() -> None:
    labels = np.array([0] * 7 + [1] * 2)
    first = Counter(
        i for s in range(3000) for i in race_order(9, np.zeros(9), seed=s, labels=labels, chunk=2)[0].tolist()
    )
    in_first = sum(first.values()) / 3000 / 9  # five chunks of one or two
    assert all(abs(first[example] / 3000 - in_first) < 0.03 for example in range(9))


@pytest.mark.parametrize(("n", "lengths"), [(0, []), (3, [1, 2])])
def test_an_order_without_examples_or_with_other_lengths_is_refused(n: int, lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="racing needs"):
        race_order(n, lengths, seed=0)
