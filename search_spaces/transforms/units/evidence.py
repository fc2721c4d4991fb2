"""Evidence: what is known of a group's units before any is removed, and the contract of a criterion.

How it is gathered depends on what the model reads: tokens (`tokens.py`) or images and the like (`positions.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from search_spaces.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Moments of what a reader's inputs were, over all positions of all calibration examples; float32.

    `mean` `(c,)` and centred `covariance` `(c, c)` are over channels. `felt` says how much an error of the outputs
    matters: of their gradients g the mean of g gᵀ over tokens `(out, out)`, or that of their squares over examples
    `(out,)`. `norm` is the batch norm that follows.
    """

    mean: Tensor
    covariance: Tensor
    felt: Tensor
    norm: str | None = None

    @property
    def raw(self) -> Tensor:
        """The second moment about zero: `(c, c)`."""
        return self.covariance + torch.outer(self.mean, self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One layer that reads a group's units, seen through the `c` channels that are theirs.

    `mean` `(c,)` and `covariance` `(c, c)` of its inputs; `columns` `(r, c)` its weights, outputs weighted by how much
    they matter; `norms` `(c,)` the squared norms of its columns; `owner` `(c,)` the unit of each channel. Channels come
    in runs of `size`, of one unit each, that go together.
    """

    mean: Tensor
    covariance: Tensor
    columns: Tensor
    norms: Tensor
    owner: Tensor
    size: int = 1


@dataclass(frozen=True, slots=True)
class MaskGradients:
    """Per-unit statistics of the gradient of each example's loss by a mask on the unit (1 = kept): both `(units,)`."""

    absolute: Tensor  # mean over examples of |dL/dm|
    squared: Tensor  # mean over examples of (dL/dm)²


class Evidence(Protocol):
    """What is known of a group; each part is gathered when it is first asked for."""

    def weights(self, group: Group) -> Sequence[Tensor]:
        """The weights that count for the units' magnitude, one row per unit: each `(units, any)`."""

    def readers(self, group: Group) -> Sequence[Reader]:
        """The layers that read the units."""

    def gradients(self, group: Group) -> MaskGradients:
        """Gradients by the units' masks."""


class Criterion(Protocol):
    """Orders the units of a group by how much the model needs them. A pure function: equal evidence, equal order."""

    @property
    def name(self) -> str:
        """Text that identifies this criterion with its settings: part of the bank's key."""

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return all unit indices, most important first: int64 `(units,)`, a permutation."""


class RankingError(ValueError):
    """A criterion returned no order of a group's units, or another one than before."""


def by_score(scores: Tensor) -> Tensor:
    """Return unit indices in descending score, equal scores in index order: `(units,)` -> int64 `(units,)`."""
    return scores.argsort(descending=True, stable=True)


def by_unit(rows: Tensor, owner: Tensor, units: int) -> Tensor:
    """Return rows `(entries, any)` with all of one unit, `owner` `(entries,)`, in one row: `(units, any)`."""
    return rows[owner.argsort(stable=True)].reshape(units, -1)
