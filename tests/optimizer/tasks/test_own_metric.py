"""Functions as metrics: what each is called with."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from objectives.metrics import Kind
from optimizer.tasks.own_metric import own_metric


@pytest.mark.parametrize("function", [recall_score, partial(recall_score, pos_label=1)])
def test_functions_of_scikit_learn_are_given_the_labels_first(function: object) -> None:
    predictions, labels = np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])
    metric = own_metric(function, Kind.CLASSIFICATION)
    assert (
        metric.value(predictions, labels) == recall_score(labels, predictions) != precision_score(labels, predictions)
    )
