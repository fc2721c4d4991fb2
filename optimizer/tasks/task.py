"""A task: what a model is asked, and how its outputs are judged. One contract for all kinds; `table.py` lists them.

A model's *outputs* are its `logits` for a batch; *answers* are what is kept of them for every example; *predictions*
are what the metric compares with the labels. The first axis of every array counts examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.metrics import Metric
from search_spaces.layouts.requests import logits_of

Batch = Mapping[str, Tensor]
Reduction = Literal["sum", "mean"]
TARGETS = frozenset({"labels", "places"})  # of a batch: what the model is not given


class Labelled(Protocol):
    """Examples with their labels."""

    @property
    def labels(self) -> NDArray[Any]:
        """What the metric compares predictions with: `(n, …)`."""


class Task(Protocol):
    """What a model is asked."""

    @property
    def metric(self) -> Metric:
        """The metric of predictions against labels, higher is better."""

    @property
    def divergence_unit(self) -> str:
        """The unit of the divergence: "nat", or "1" for a number without one."""

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the loss of a batch, a scalar: summed over its examples, or the mean that training minimises."""

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
        """Return the mean distance of the outputs from those of a teacher, a scalar."""

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the answers without what changes nothing, to be differentiated: `(batch, …)`."""

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return what is kept of the outputs: `(batch, …)`, NaN where an example has no answer."""

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:
        """Return what the metric compares with the labels of the examples, in their shape."""

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return how far answers are from the dense model's, without labels; 0 for equal ones.

        Raises `ValueError` for answers that are NaN or infinite.
        """

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the metric that a model must beat: the best that one answer to all examples reaches."""


def ask(model: nn.Module, batch: Batch) -> Tensor:
    """Return a model's outputs for a batch."""
    return logits_of(model(**{name: value for name, value in batch.items() if name not in TARGETS}))


def summed_loss(task: Task) -> Callable[[nn.Module, Batch], Tensor]:
    """Return the loss of a model on a batch, summed over its examples."""
    return lambda model, batch: task.loss(ask(model, batch), batch, reduction="sum")


def contrasts(task: Task) -> Callable[[nn.Module, Batch], Tensor]:
    """Return the contrasts of a model's outputs for a batch."""
    return lambda model, batch: task.contrasts(ask(model, batch), batch)
