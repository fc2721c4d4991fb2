from __future__ import annotations

import numpy as np
import pytest

from objectives.metrics import METRICS
from objectives.statistics import DropScore, paired_drop_p_value, score_drop
from objectives.statistics.score import Kinds
from optimizer.fronts.verdicts import drop_uppers
from optimizer.selection.certification import CertificationList

KINDS = np.array([(y, d, c) for y in (0, 1) for d in (0, 1) for c in (0, 1)])


def kinds(metric: str) -> Kinds:
    return Kinds(METRICS[metric], *KINDS.T)


def shares(prevalence: float, lost_negative: float, lost_positive: float) -> np.ndarray:
    """A dense model that errs on 5 % and 10 % of the two classes, and a candidate that loses some right answers."""
    found = np.zeros(8)
    for label, share, errs, lost in ((0, 1 - prevalence, 0.05, lost_negative), (1, prevalence, 0.1, lost_positive)):
        wrong = 1 - label
        found[4 * label + 3 * label] = share * (1 - errs) * (1 - lost)
        found[4 * label + 2 * label + wrong] = share * (1 - errs) * lost
        found[4 * label + 3 * wrong] = share * errs
    return found


@pytest.mark.parametrize("epsilon", [0.005, 0.02, 0.1])
def test_for_accuracy_it_is_the_score_of_paired_proportions(epsilon: float) -> None:
    counts = np.array([[0, 5, 3, 300, 200, 4, 2, 100.0]])
    right = KINDS[:, 1:] == KINDS[:, :1]
    lost, gained = (int(counts[0] @ (one & ~other)) for one, other in (right.T, right.T[::-1]))
    expected = paired_drop_p_value(lost, gained, int(counts.sum()), epsilon)
    if expected < 0.5:
        assert kinds("accuracy").p_values(counts, np.array([epsilon])) == pytest.approx([expected], rel=1e-2)


@pytest.mark.parametrize("metric", ["f1", "matthews"])
@pytest.mark.parametrize(("prevalence", "negative", "positive"), [(0.3, 0, 0.05), (0.02, 0.01, 0), (0.1, 0.02, 0.05)])
@pytest.mark.parametrize("n", [60, 200, 1821])
def test_a_true_drop_of_epsilon_is_certified_at_most_once_in_twenty(
    metric: str, prevalence: float, negative: float, positive: float, n: int
) -> None:
    truth = shares(prevalence, negative, positive)
    assert truth.sum() == pytest.approx(1)
    epsilon = kinds(metric).drop(truth[None, :])
    counts = np.random.default_rng(n).multinomial(n, truth, 300).astype(float)
    certified = (kinds(metric).p_values(counts, np.repeat(epsilon, 300)) <= 0.05).sum()
    assert certified <= 27  # a size of 5 % exceeds this once in 1,000 times


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_the_influence_of_a_kind_is_how_the_drop_grows_with_its_share(metric: str) -> None:
    rng = np.random.default_rng(0)
    occurring = Kinds(METRICS[metric], *rng.integers(3, size=(3, 30)))
    truth = rng.dirichlet(np.ones(30), size=4)
    more = (truth[:, None, :] + 1e-6 * np.eye(30)).reshape(-1, 30)
    slopes = (occurring.drop(more).reshape(4, 30) - occurring.drop(truth)[:, None]) / 1e-6
    expected = slopes - (truth * slopes).sum(axis=1, keepdims=True)
    assert occurring.influence(truth) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_a_large_sample_certifies_a_small_drop(metric: str) -> None:
    truth = shares(0.3, 0.002, 0.002)
    counts = np.random.default_rng(0).multinomial(5000, truth, 100).astype(float)
    assert (kinds(metric).p_values(counts, np.full(100, 0.02)) <= 0.05).mean() > 0.9


@pytest.mark.parametrize("metric", ["f1", "matthews"])
@pytest.mark.parametrize("classes", [2, 4])
def test_answers_alike_have_a_bound_above_zero_that_inverts_the_p_value(metric: str, classes: int) -> None:
    labels = np.random.default_rng(0).integers(classes, size=400)
    found = score_drop(METRICS[metric], labels, labels, labels)
    assert found is not None
    upper = found.upper_at(0.95)
    assert 0.001 < upper < 0.1
    assert found.interval().lower == pytest.approx(-found.interval().upper, abs=1e-3)
    assert found.p_value(0.0) > 0.05
    assert found.p_value(upper) <= 0.05 < found.p_value(upper - 1e-4)


def test_a_class_that_never_occurs_and_other_metrics_have_no_certificate() -> None:
    nothing = np.zeros(60)
    found = score_drop(METRICS["f1"], nothing, nothing, nothing)
    assert found is None
    nearly = nothing.copy()
    nearly[0] = 1
    alike = score_drop(METRICS["f1"], nearly, nearly, nearly)
    assert alike is not None
    assert alike.p_value(0.3) > 0.05
    many = np.arange(40) % 20
    assert score_drop(METRICS["f1"], many, many, many) is None
    assert score_drop(METRICS["pearson"], many, many, many) is None


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_a_candidate_that_forgets_a_class_is_not_certifiable_but_one_that_never_knew_it_is(metric: str) -> None:
    labels = np.array([0] * 90 + [1] * 10)
    dense, forgetful = labels.copy(), np.zeros(100, dtype=int)
    dense[:3] = 1
    forgotten = score_drop(METRICS[metric], labels, dense, forgetful)
    alike = score_drop(METRICS[metric], labels, dense, dense)
    assert isinstance(forgotten, DropScore)
    assert isinstance(alike, DropScore)
    assert not forgotten.is_certifiable
    assert alike.is_certifiable
    bounds = CertificationList(0.9, (1,))
    assert drop_uppers(forgotten, bounds, 100) == []
    assert drop_uppers(alike, bounds, 100)
    swapped = score_drop(METRICS[metric], labels, forgetful, forgetful)
    assert isinstance(swapped, DropScore)
    assert swapped.is_certifiable  # the dense model does not answer with it either
