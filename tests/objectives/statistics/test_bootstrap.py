from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from objectives.metrics import METRICS, Kind, Metric
from objectives.statistics import bootstrap_drop, paired_drop_interval


def answers(name: str, n: int, *, flips: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if name in ("pearson", "spearman"):
        labels = rng.normal(size=n)
        dense = labels + rng.normal(scale=0.5, size=n)
        return dense, dense + rng.normal(scale=2 * flips, size=n), labels
    labels = rng.integers(2, size=n)
    dense = np.where(rng.random(n) < 0.1, 1 - labels, labels)
    return dense, np.where(rng.random(n) < flips, 1 - dense, dense), labels


@pytest.mark.parametrize("name", METRICS)
def test_the_drop_lies_in_its_interval_and_below_its_bound(name: str) -> None:
    dense, candidate, labels = answers(name, 300, flips=0.1)
    drop = bootstrap_drop(METRICS[name], dense, candidate, labels, seed=1)
    expected = METRICS[name].value(dense, labels) - METRICS[name].value(candidate, labels)
    assert drop.value == pytest.approx(expected)
    assert drop.interval.lower < drop.value < drop.upper < drop.interval.upper


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("level", [0.6, 0.9, 0.95, 0.99])
def test_bound_and_p_value_invert_each_other(name: str, level: float) -> None:
    dense, candidate, labels = answers(name, 200, flips=0.08)
    drop = bootstrap_drop(METRICS[name], dense, candidate, labels, seed=1)
    for epsilon in np.unique(drop.resampled):
        assert (drop.p_value(epsilon) <= 1 - level) == (drop.upper_at(level) <= epsilon)


def test_the_interval_is_that_of_scipy_but_for_chance() -> None:
    dense, candidate, labels = answers("pearson", 120, flips=0.2)
    metric = METRICS["pearson"]

    def statistic(d: np.ndarray, c: np.ndarray, y: np.ndarray) -> float:
        return metric.value(d, y) - metric.value(c, y)

    theirs = bootstrap(
        (dense, candidate, labels), statistic, paired=True, vectorized=False, n_resamples=2000, method="BCa", rng=0
    )
    ours = bootstrap_drop(metric, dense, candidate, labels, seed=0).interval
    tolerance = 3 * float(theirs.standard_error) / np.sqrt(2000) * 3
    assert ours.lower == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.upper == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_of_accuracy_it_agrees_with_the_score_interval() -> None:
    dense, candidate, labels = answers("accuracy", 2000, flips=0.05)
    lost, gained = (
        int(((dense == labels) & (candidate != labels)).sum()),
        int(((dense != labels) & (candidate == labels)).sum()),
    )
    ours = bootstrap_drop(METRICS["accuracy"], dense, candidate, labels, seed=0).interval
    score = paired_drop_interval(lost, gained, 2000)
    assert ours.lower == pytest.approx(score.lower, abs=0.001)
    assert ours.upper == pytest.approx(score.upper, abs=0.001)


@pytest.mark.parametrize("name", METRICS)
def test_identical_predictions_have_no_drop_and_no_doubt(name: str) -> None:
    dense, _, labels = answers(name, 50, flips=0.1)
    drop = bootstrap_drop(METRICS[name], dense, dense, labels, seed=0)
    assert (drop.value, drop.upper, drop.interval.lower, drop.interval.upper) == (0.0, 0.0, 0.0, 0.0)
    assert drop.p_value(0.0) < 0.05 / 12
    assert drop.p_value(-0.001) == 1.0


@pytest.mark.parametrize("name", METRICS)
def test_constant_predictions_and_single_examples_raise_no_warning(name: str) -> None:
    dense, _, labels = answers(name, 50, flips=0.1)
    constant = bootstrap_drop(METRICS[name], dense, np.zeros(50), labels, seed=0)
    assert constant.interval.lower <= constant.value <= constant.interval.upper
    single = bootstrap_drop(METRICS[name], dense[:1], dense[:1], labels[:1], seed=0)
    assert single.upper == 0.0


def test_the_same_seed_gives_the_same_answer_whatever_the_order_of_examples() -> None:
    dense, candidate, labels = answers("f1", 300, flips=0.1)
    order = np.random.default_rng(5).permutation(300)
    one = bootstrap_drop(METRICS["f1"], dense, candidate, labels, seed=3)
    other = bootstrap_drop(METRICS["f1"], dense[order], candidate[order], labels[order].astype(np.float32), seed=3)
    another = bootstrap_drop(METRICS["f1"], dense, candidate, labels, seed=4)
    assert one.resampled.tolist() == other.resampled.tolist() != another.resampled.tolist()


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson"])
def test_a_true_drop_of_epsilon_is_rarely_certified(name: str) -> None:
    dense, candidate, labels = answers(name, 40_000, flips=0.05, seed=9)
    metric = METRICS[name]
    epsilon = metric.value(dense, labels) - metric.value(candidate, labels)
    rng, certified = np.random.default_rng(2), 0
    for trial in range(150):
        drawn = rng.integers(40_000, size=300)
        drop = bootstrap_drop(metric, dense[drawn], candidate[drawn], labels[drawn], seed=trial, resamples=400)
        certified += drop.p_value(epsilon) <= 0.05
    assert certified <= 19  # a size of 6 % exceeds this once in 1,000 times


@pytest.mark.parametrize("of", [np.int64, object])
def test_a_metric_is_given_the_examples_themselves(of: type) -> None:
    def right(predictions: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        assert predictions.dtype == labels.dtype == of
        return np.asarray(weights @ (predictions == labels) / weights.sum(axis=1))

    given = [part.astype(of) for part in answers("accuracy", 100, flips=0.1)]
    metric = Metric(name="mine", kind=Kind.CLASSIFICATION, weighted=right)
    found = bootstrap_drop(metric, *given, seed=0)
    assert found.interval.lower < found.value < found.interval.upper
