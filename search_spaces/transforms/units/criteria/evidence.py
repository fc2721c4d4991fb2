"""Evidence: what a criterion may look at, and the contract of a criterion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from search_spaces.groups import Group


@dataclass(frozen=True, slots=True)
class Moments:
    """What a group's consumer sees, over `count` real (unpadded) calibration tokens; float32.

    Of its inputs, every token weighted by the norm of g, the gradient of the model's answers by the consumer's output
    there: `mean` `(d,)` and `covariance` `(d, d)`, centred; `d = units * unit_size`. Of the gradients: `curvature`
    `(out, out)`, the mean of g gᵀ, so that eᵀ·curvature·e is what an error e of the output does to the answers.
    """

    count: int
    mean: Tensor
    covariance: Tensor
    curvature: Tensor


@dataclass(frozen=True, slots=True)
class MaskGradients:
    """Per-unit statistics of the gradient of each example's loss by a mask on the unit (1 = kept): both `(units,)`."""

    absolute: Tensor  # mean over examples of |dL/dm|
    squared: Tensor  # mean over examples of (dL/dm)²


class Evidence(Protocol):
    """What is known of a group; each part is gathered when it is first asked for."""

    def producer_weights(self, group: Group) -> Sequence[Tensor]:
        """Weights `(d, in)` of the layers whose rows belong to the units."""

    def consumer_weight(self, group: Group) -> Tensor:
        """Weight `(out, d)` of the layer whose columns belong to the units."""

    def moments(self, group: Group) -> Moments:
        """Moments of the consumer's inputs and of the gradients at its outputs."""

    def gradients(self, group: Group) -> MaskGradients:
        """Gradients by the units' masks."""


class Criterion(Protocol):
    """Orders the units of a group by how much the model needs them."""

    @property
    def name(self) -> str:
        """Text that identifies this criterion with its settings: part of the bank's key."""

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return all unit indices, most important first: int64 `(units,)`, a permutation."""


def by_score(scores: Tensor) -> Tensor:
    """Return unit indices in descending score, equal scores in index order: `(units,)` -> int64 `(units,)`."""
    return scores.argsort(descending=True, stable=True)
