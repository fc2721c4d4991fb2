"""The judge: what any model is on the verification examples, beside the dense one; the same for all methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from numpy.typing import NDArray
from torch import nn

from objectives.metrics import Metric
from objectives.statistics import paired_drop_p_value, score_drop
from optimizer.predict import predict
from optimizer.workload import Workload


@dataclass(frozen=True)
class Verified:
    """A config on the verification examples: its drop, and the p-value of "the true drop is at least ε"."""

    drop: float
    p_value: Callable[[float], float]


@dataclass
class Judge:
    """The verification examples of a workload; the dense model answers them once."""

    workload: Workload

    def verified(self, model: nn.Module) -> Verified:
        """Return what a model is on them."""
        workload, found = self.workload, self._predictions(model)
        return verified(workload.metric, workload.verification.labels, self._dense_predictions, found)

    @cached_property
    def _dense_predictions(self) -> NDArray[Any]:
        return self._predictions(self.workload.model)

    def _predictions(self, model: nn.Module) -> NDArray[Any]:
        task, examples = self.workload.task, self.workload.verification
        return task.predictions(predict(model, examples, task), examples)


def verified(metric: Metric, labels: NDArray[Any], dense: NDArray[Any], found: NDArray[Any]) -> Verified:
    """Return what a model's predictions `(n, …)` are beside the dense model's. Without a valid bound p is 1."""
    drop = metric.value(dense, labels) - metric.value(found, labels)
    before, after = metric.per_example(dense, labels), metric.per_example(found, labels)
    if before is not None and after is not None:
        lost, gained = int((before > after).sum()), int((after > before).sum())
        return Verified((lost - gained) / len(labels), partial(paired_drop_p_value, lost, gained, len(labels)))
    score = score_drop(metric, labels, dense, found)
    return Verified(drop, score.p_value if score else lambda _: 1.0)
