from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, hamming_loss

from objectives.divergence import labels_divergence
from objectives.metrics.multilabel import MULTILABEL


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 5))
def test_every_metric_is_that_of_scikit_learn(seed: int, n: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(0, 2, (2, n, width))
    labels[0], predictions[1] = 1, 1  # no label is absent, of which scikit-learn's means would take a 0
    by_label = f1_score(labels, predictions, average=None) if width > 1 else [f1_score(labels, predictions)]
    wanted = {
        "micro-f1": f1_score(labels.ravel(), predictions.ravel()),
        "macro-f1": np.mean(by_label),
        "worst-f1": np.min(by_label),
        "label-accuracy": 1 - hamming_loss(labels, predictions),
        "subset-accuracy": accuracy_score(labels, predictions),
    }
    found = {name: metric.value(predictions, labels) for name, metric in MULTILABEL.items()}
    assert found == pytest.approx(wanted)


def test_weights_are_how_often_an_example_counts() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 2, (2, 40, 3))
    counts = rng.multinomial(40, np.full(40, 1 / 40), 3)
    for metric in MULTILABEL.values():
        repeated = [metric.value(np.repeat(predictions, row, axis=0), np.repeat(labels, row, axis=0)) for row in counts]
        assert metric.values(predictions, labels, counts.astype(float)) == pytest.approx(repeated), metric.name


def test_labels_diverge_each_on_its_own() -> None:
    dense, small = np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]])
    p, q = 0.5, 1 / (1 + np.exp(-1.0))
    assert labels_divergence(dense, small) == pytest.approx(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    assert labels_divergence(dense, dense) == 0.0
    assert np.isfinite(labels_divergence(np.full((1, 2), 900.0), np.full((1, 2), -900.0)))
    with pytest.raises(ValueError, match="not finite"):
        labels_divergence(dense, np.array([[np.nan, 1.0]]))
