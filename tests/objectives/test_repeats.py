from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.measurement import Measurement, Source
from objectives.repeats import DRAWS, compared, dense_in_same_rounds, mean_with_interval, median_with_interval

floats = st.floats(-1e6, 1e6)


def cost(*samples: float) -> Measurement:
    return Measurement(
        quantity="latency", value=float(np.median(samples)), unit="s", source=Source.MEASURED, samples=samples
    )


@given(st.lists(floats, min_size=2, max_size=60))
def test_intervals_hold_their_centre(samples: list[float]) -> None:
    median, interval = median_with_interval(samples)
    assert interval is not None
    assert min(samples) <= interval.lower <= median <= interval.upper <= max(samples)
    mean, around = mean_with_interval(samples)
    assert around is not None
    assert around.lower <= mean <= around.upper


def test_six_samples_are_the_fewest_with_a_95_percent_interval() -> None:
    levels = [median_with_interval(range(n))[1].level for n in range(2, 9)]
    assert levels == [0.5, 0.75, 0.875, 0.9375, 0.95, 0.95, 0.95]


def test_order_statistics_agree_with_the_published_ranks() -> None:
    # ranks of the 95 % interval of a median: 2..9 of 10, 6..15 of 20, 40..61 of 100
    for n, lower, upper in [(10, 2, 9), (20, 6, 15), (100, 40, 61)]:
        _, interval = median_with_interval(np.arange(1, n + 1))
        assert (interval.lower, interval.upper) == (lower, upper)


def test_the_median_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [median_with_interval(rng.exponential(size=12))[1] for _ in range(2000)]
    assert np.mean([i.lower <= np.log(2) <= i.upper for i in intervals]) >= 0.945


def test_the_mean_interval_is_students() -> None:
    mean, interval = mean_with_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert interval.upper - mean == pytest.approx(4.302653 / 3**0.5)


def test_one_sample_has_no_interval() -> None:
    assert median_with_interval([2.0]) == (2.0, None)
    assert mean_with_interval([2.0]) == (2.0, None)


def test_drift_that_both_models_see_leaves_the_ratio_alone() -> None:
    drift = np.linspace(1.0, 3.0, 20)
    result = compared({"dense": cost(*drift), "small": cost(*(0.5 * drift))}, dense="dense")
    ratio = result["small"].ratio
    assert (ratio.quantity, ratio.unit) == ("latency_ratio", "ratio")
    assert ratio.value == ratio.interval.lower == ratio.interval.upper == 0.5


def test_the_dense_model_is_exactly_one_of_itself() -> None:
    ratio = compared({"dense": cost(1.0, 5.0, 2.0)}, dense="dense")["dense"].ratio
    assert (ratio.value, ratio.interval.lower, ratio.interval.upper) == (1.0, 1.0, 1.0)


def test_costs_without_samples_still_have_a_ratio() -> None:
    flops = [Measurement(quantity="flops", value=v, unit="FLOPs", source=Source.COUNTED) for v in (10.0, 4.0)]
    ratio = compared({0: flops[0], 1: flops[1]}, dense=0)[1].ratio
    assert (ratio.value, ratio.interval, ratio.samples) == (0.4, None, ())


def test_unpaired_and_impossible_costs_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        compared({"dense": cost(1.0, 2.0), "small": cost(1.0)}, dense="dense")
    with pytest.raises(ValueError, match="positive"):
        compared({"dense": cost(0.0, 2.0)}, dense="dense")


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=30))
def test_the_dense_cost_of_the_same_rounds_comes_back_from_the_ratios(pairs: list[tuple[float, float]]) -> None:
    dense, pruned = cost(*(a for a, _ in pairs)), cost(*(b for _, b in pairs))
    found = compared({"dense": dense, "pruned": pruned}, dense="dense")
    assert dense_in_same_rounds(*found["pruned"]) == pytest.approx(dense.value)


def test_windows_of_a_counter_are_summed_up_by_their_mean() -> None:
    dense, pruned = (replace(cost(*samples), source=Source.NVML) for samples in ((1.0, 2.0, 6.0), (1.0, 1.0, 1.0)))
    found = compared({"dense": dense, "pruned": pruned}, dense="dense")
    assert dense_in_same_rounds(*found["pruned"]) == pytest.approx(3.0)


def test_without_samples_the_ratio_alone_tells_the_dense_cost() -> None:
    dense, pruned = (replace(cost(value), samples=()) for value in (4.0, 1.0))
    found = compared({"dense": dense, "pruned": pruned}, dense="dense")
    assert dense_in_same_rounds(*found["pruned"]) == pytest.approx(4.0)


def test_rounds_of_older_models_are_summed_up_by_their_median_and_draws_of_constants_stand_beside_their_value() -> None:
    dense, pruned = (replace(cost(*samples), source=Source.MODELLED) for samples in ((1.0, 2.0, 6.0), (1.0, 1.5, 1.0)))
    of_rounds = compared({"dense": dense, "pruned": pruned}, dense="dense")
    assert dense_in_same_rounds(*of_rounds["pruned"]) == pytest.approx(2.0)
    drawn = {
        key: replace(each, value=each.value / 2, conditions={DRAWS: 3})
        for key, each in (("dense", dense), ("pruned", pruned))
    }
    of_draws = compared(drawn, dense="dense")["pruned"]
    assert of_draws.ratio.value == pytest.approx(0.5)
    assert of_draws.ratio.interval is not None
    assert of_draws.ratio.interval.lower < 0.2 < 0.9 < of_draws.ratio.interval.upper
    assert dense_in_same_rounds(*of_draws) == pytest.approx(1.0)
