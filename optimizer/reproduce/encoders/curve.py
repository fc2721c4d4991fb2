"""The curve of one training: losses, accuracy and F1 every so many steps, as figures 2 and 3 of the paper show them."""

from __future__ import annotations

import time

import numpy as np
from torch import Tensor, nn

from objectives.metrics import METRICS
from objectives.metrics.metric import Array
from optimizer.predict import predict
from optimizer.reproduce.encoders.preset import EncoderScale
from optimizer.reproduce.encoders.records import CurvePoint
from optimizer.workload import Workload


class Curve:
    """Watches one training of `model`; nothing is chosen by it, so that it may look at the reported examples.

    `points` are what it has seen, `seconds` what that took.
    """

    def __init__(self, model: nn.Module, workload: Workload, scale: EncoderScale) -> None:
        self.points: list[CurvePoint] = []
        self.seconds = 0.0
        self._model, self._workload, self._every = model, workload, scale.curve_steps
        everything = workload.verification
        self._examples = everything.subset(range(min(len(everything), scale.curve_examples or len(everything))))
        self._losses: list[Tensor] = []

    def see(self, steps: int, loss: Tensor) -> None:
        """Look at the model after every so many steps, and leave it in training mode."""
        self._losses.append(loss)
        if steps % self._every == 0:
            began = time.monotonic()
            self.points.append(self._point(steps))
            self._losses.clear()
            self._model.train()
            self.seconds += time.monotonic() - began

    def _point(self, steps: int) -> CurvePoint:
        task, examples = self._workload.task, self._examples
        self._model.eval()
        answers = predict(self._model, examples, task)
        predictions = task.predictions(answers, examples)
        return CurvePoint(
            step=steps,
            training_loss=float(sum(map(float, self._losses)) / len(self._losses)),
            validation_loss=cross_entropy(answers, examples.labels),
            accuracy=METRICS["accuracy"].value(predictions, examples.labels),
            f1=METRICS["f1"].value(predictions, examples.labels),
        )


def cross_entropy(logits: Array, labels: Array) -> float:
    """Return the mean cross-entropy of `(n, classes)` logits against `(n,)` label ids."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(shifted, np.asarray(labels)[:, None].astype(int), axis=1)[:, 0]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
