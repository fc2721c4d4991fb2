from __future__ import annotations

import numpy as np
import pytest

from objectives.metrics import METRICS
from optimizer.errors import InputError
from optimizer.workloads.baseline import check_baseline
from optimizer.workloads.labels import check_permutation, label_map

MNLI = ("entailment", "neutral", "contradiction")


def test_permuted_names_are_mapped_by_name() -> None:
    model = {0: "CONTRADICTION", 1: "Entailment", 2: "neutral"}
    assert label_map(MNLI, model).tolist() == [1, 2, 0]
    assert label_map(("not_equivalent", "equivalent"), {0: "equivalent", 1: "not equivalent"}).tolist() == [1, 0]


@pytest.mark.parametrize("model", [{0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, {0: "label0", 1: "label1", 2: "label2"}])
def test_checkpoints_without_names_map_by_number(model: dict[int, str]) -> None:
    assert label_map(MNLI, model).tolist() == [0, 1, 2]
    assert label_map(("0", "1"), {0: "negative", 1: "positive"}).tolist() == [0, 1]


def test_unknown_labels_and_too_few_outputs_are_refused_with_both_lists() -> None:
    with pytest.raises(InputError, match=r"\['happy', 'sad'\].*\['negative', 'positive'\]"):
        label_map(("happy", "sad"), {0: "negative", 1: "positive"})
    with pytest.raises(InputError, match="has 2 labels, the data have 3"):
        label_map(MNLI, {0: "a", 1: "b"})


def test_a_permutation_that_fits_much_better_is_named() -> None:
    labels = np.tile([0, 1, 2], 50)
    predictions = (labels + 1) % 3
    with pytest.raises(InputError, match=r"permuted.*would be 1\.000"):
        check_permutation(predictions, labels, dict(enumerate(MNLI)))
    check_permutation(labels, labels, dict(enumerate(MNLI)))


def test_a_model_no_better_than_the_majority_is_refused() -> None:
    labels = np.array([0] * 60 + [1] * 40)
    metric = METRICS["accuracy"]
    with pytest.raises(InputError, match=r"no better than always the same answer \(0\.600\): accuracy 0\.600"):
        check_baseline(np.zeros(100, dtype=int), labels, metric, {0: "a", 1: "b"})
    check_baseline(np.where(np.arange(100) < 95, labels, 1 - labels), labels, metric, {0: "a", 1: "b"})


def test_a_regression_no_better_than_a_constant_is_refused() -> None:
    labels = np.linspace(0, 5, 50)
    with pytest.raises(InputError, match="a constant"):
        check_baseline(-labels, labels, METRICS["pearson"], {})
    check_baseline(labels + 1, labels, METRICS["pearson"], {})
