from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_recall_fscore_support

from objectives.metrics import METRICS, Kind
from objectives.metrics.classification import macro, weighted_f1

BINARY = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
SOME_CLASSES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def columns(pairs: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    predictions, labels = np.array(pairs).T
    return predictions, labels


def test_the_table_names_every_metric_and_only_accuracy_is_a_mean_over_examples() -> None:
    assert list(METRICS) == ["accuracy", "f1", "matthews", "pearson", "spearman"]
    assert [name for name, metric in METRICS.items() if metric.is_mean] == ["accuracy"]
    assert {name for name, m in METRICS.items() if m.kind is Kind.REGRESSION} == {"pearson", "spearman"}


@given(BINARY)
def test_binary_metrics_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = columns(pairs)
    assert METRICS["accuracy"].value(predictions, labels) == pytest.approx(accuracy_score(labels, predictions))
    assert METRICS["f1"].value(predictions, labels) == pytest.approx(f1_score(labels, predictions, zero_division=0))
    assert METRICS["matthews"].value(predictions, labels) == pytest.approx(matthews(labels, predictions))


@given(SOME_CLASSES)
def test_means_over_classes_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = (np.array(each) for each in zip(*pairs, strict=True))
    found = macro(predictions, labels, np.ones((1, len(labels))))
    wanted = precision_recall_fscore_support(labels, predictions, average="macro", zero_division=0)
    assert [float(mean[0]) for mean in found] == pytest.approx(wanted[:3])


@given(SOME_CLASSES)
def test_metrics_of_several_classes_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = columns([*pairs, (2, 2)])  # three classes at least
    macro = f1_score(labels, predictions, average="macro", zero_division=0)
    assert METRICS["f1"].value(predictions, labels) == pytest.approx(macro)
    assert METRICS["matthews"].value(predictions, labels) == pytest.approx(matthews(labels, predictions))


def matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Scikit-learn warns of a single class, where its answer is 0 as well."""
    return matthews_corrcoef(labels, predictions) if len(np.union1d(labels, predictions)) > 1 else 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-3, 3)), min_size=2, max_size=30))
def test_correlations_are_those_of_numpy_and_scipy(pairs: list[tuple[float, float]]) -> None:
    predictions, labels = columns([*pairs, (0, -4.0), (6, 4.0)])
    expected = np.corrcoef(predictions, labels)[0, 1]
    assert METRICS["pearson"].value(predictions, labels) == pytest.approx(expected, abs=1e-9)
    assert METRICS["spearman"].value(predictions, labels) == pytest.approx(
        spearmanr(predictions, labels).statistic, abs=1e-9
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, 1e9 + 0.1])
@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_constant_predictions_have_correlation_zero(name: str, constant: float) -> None:
    labels = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    assert METRICS[name].value(np.full(5, constant), labels) == 0.0
    assert METRICS[name].value(labels, np.full(5, constant)) == 0.0


def test_weighted_f1_counts_each_class_by_its_size() -> None:
    labels, predictions = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    found = weighted_f1(predictions, labels, np.ones((1, 4)))
    assert found == pytest.approx([f1_score(labels, predictions, average="weighted")])


def test_f1_without_any_positive_is_zero() -> None:
    assert METRICS["f1"].value(np.zeros(4, dtype=int), np.zeros(4, dtype=int)) == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_a_weight_counts_an_example_as_often_as_repeating_it(name: str) -> None:
    predictions, labels = np.array([0, 1, 2, 1, 0]), np.array([0, 1, 1, 2, 1])
    weights = np.array([w for w in itertools.product(range(3), repeat=5) if sum(w)], dtype=float)
    repeated = []
    for row in weights.astype(int):
        kept, truth = np.repeat(predictions, row), np.repeat(labels, row)
        if name == "f1":  # binary or macro is a property of the task, not of a resample
            repeated.append(f1_score(truth, kept, average="macro", zero_division=0))
        else:
            repeated.append(METRICS[name].value(kept, truth))
    np.testing.assert_allclose(METRICS[name].values(predictions, labels, weights), repeated, atol=1e-12)


def test_scores_of_examples_average_to_accuracy() -> None:
    predictions, labels = np.array([0, 1, 1]), np.array([0, 1, 0])
    scores = METRICS["accuracy"].per_example(predictions, labels)
    assert scores is not None
    assert scores.tolist() == [1.0, 1.0, 0.0]
    assert METRICS["f1"].per_example(predictions, labels) is None


@pytest.mark.parametrize(("predictions", "labels"), [([], []), ([1, 0], [1]), ([[1]], [[1]])])
def test_no_examples_or_unequal_lengths_are_refused(predictions: list[int], labels: list[int]) -> None:
    with pytest.raises(ValueError, match="accuracy: predictions and labels"):
        METRICS["accuracy"].value(np.array(predictions), np.array(labels))
