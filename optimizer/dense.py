"""The dense model's answers on the search examples, taken once and refused where nothing can be learnt from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import nn

from optimizer.errors import InputError
from optimizer.predict import predict
from optimizer.tasks.baseline import check_baseline, dense_value
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import AnyExamples


def dense_answers(
    model: nn.Module, task: Task, search: AnyExamples, names: Mapping[int, str] | None, *, allow_untrained: bool
) -> NDArray[np.float32]:
    """Return the answers `(n, …)`; `names` are the model's label names, None where its head was trained here.

    Raises `InputError` for NaN or infinity, for a metric that is not finite, and, unless that is allowed, for a model
    no better than the best constant answer.
    """
    answers = predict(model, search, task)
    _check_finite(answers, search.answered)
    predictions = task.predictions(answers, search)
    dense_value(task, predictions, search.labels)
    if not allow_untrained:
        check_baseline(task, predictions, search.labels, names)
    return answers


def _check_finite(answers: NDArray[np.float32], answered: NDArray[np.bool_]) -> None:
    is_broken = ~np.isfinite(answers).all(axis=-1) & answered
    broken = int(is_broken.reshape(len(answers), -1).any(axis=1).sum())
    if broken:
        raise InputError(
            "model",
            f"answers {broken} of {len(answers)} search examples with NaN or infinity; the checkpoint is broken",
        )
