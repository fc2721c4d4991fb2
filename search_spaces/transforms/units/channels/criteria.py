"""Criteria for channels: the names of `units.criteria`, summed over all layers that write or read a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.criteria.evidence import Criterion, Evidence, MaskGradients, by_score
from search_spaces.transforms.units.criteria.gradient import Fisher, Taylor
from search_spaces.transforms.units.criteria.shuffled import Shuffled
from search_spaces.transforms.units.damping import DAMPING, factorised


@dataclass(frozen=True, slots=True)
class Reader:
    """One layer that reads a group's units, seen through the `c` channels that are theirs.

    `mean` `(c,)` and `covariance` `(c, c)` of its inputs; `gram` `(c, c)`, the products of its columns summed over taps
    and over outputs, each output weighted by how much the loss feels it; `owner` `(c,)`, the unit of each channel.
    """

    mean: Tensor
    covariance: Tensor
    gram: Tensor
    owner: Tensor


class ChannelEvidence(Protocol):
    """What is known of a group of channels; each part is gathered when it is first asked for."""

    def filters(self, group: Group) -> Sequence[Tensor]:
        """Weights of the layers that write the units, one row per unit: each `(units, any)`."""

    def readers(self, group: Group) -> Sequence[Reader]:
        """The layers that read the units."""

    def gradients(self, group: Group) -> MaskGradients:
        """Gradients by the units' masks."""


class ChannelCriterion(Protocol):
    """Orders the units of a group of channels by how much the network needs them."""

    @property
    def name(self) -> str:
        """Text that identifies this criterion with its settings: part of the bank's key."""

    def rank(self, group: Group, evidence: ChannelEvidence) -> Tensor:
        """Return all unit indices, most important first: int64 `(units,)`, a permutation."""


@dataclass(frozen=True, slots=True)
class FilterNorm:
    """Sum of |w|^order over the filters of a unit (Li et al. 2017 for order 1), over all coupled producers."""

    order: int

    @property
    def name(self) -> str:
        """Name with the order of the norm."""
        return f"magnitude-l{self.order}"

    def rank(self, group: Group, evidence: ChannelEvidence) -> Tensor:
        """Return units by descending norm."""
        norms = [weight.abs().pow(self.order).sum(dim=1) for weight in evidence.filters(group)]
        return by_score(torch.stack(norms).sum(dim=0))


@dataclass(frozen=True, slots=True)
class ReadActivation:
    """Second moment of a channel times the squared norm of the columns that read it, summed over readers."""

    name: str = "activation"

    def rank(self, group: Group, evidence: ChannelEvidence) -> Tensor:
        """Return units by descending weighted activation."""
        scores = torch.zeros(group.units)
        for reader in evidence.readers(group):
            power = reader.covariance.diagonal() + reader.mean.square()
            scores.index_add_(0, reader.owner, (power * reader.gram.diagonal()).float())
        return by_score(scores)


@dataclass(frozen=True, slots=True)
class ChannelSurgeon:
    """Structured optimal brain surgeon over all readers of a unit at once.

    Removing channel u and re-solving the others raises a reader's squared output error by gram_uu / (C⁻¹)_uu (Hassibi
    & Stork 1993, eq. 5); errors count by how much the loss feels each output, so readers can be added up. A `share` of
    the remaining units goes between two updates.
    """

    share: float = 1 / 32

    @property
    def name(self) -> str:
        """Name with its settings."""
        return f"obs-{self.share:.5f}-{DAMPING}"

    def rank(self, group: Group, evidence: ChannelEvidence) -> Tensor:
        """Return the units in reverse order of their removal."""
        rests = [_Rest.of(reader) for reader in evidence.readers(group)]
        alive = torch.ones(group.units, dtype=torch.bool)
        removed: list[Tensor] = []
        while remaining := int(alive.sum()):
            losses = sum((rest.losses(group.units) for rest in rests), torch.zeros(group.units, dtype=torch.float64))
            order = losses.masked_fill(~alive, torch.inf).argsort(stable=True)
            goes = order[: max(1, round(remaining * self.share))]
            alive[goes] = False
            removed.append(goes)
            rests = [rest.without(~alive) for rest in rests] if alive.any() else []
        return torch.cat(removed).flip(0)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of a reader: products of its re-solved columns, the inverse covariance, the unit of each channel."""

    gram: Tensor
    inverse: Tensor
    owner: Tensor

    @classmethod
    def of(cls, reader: Reader) -> _Rest:
        return cls(reader.gram.double(), torch.linalg.inv(factorised(reader.covariance)[0]), reader.owner)

    def losses(self, units: int) -> Tensor:
        each = self.gram.diagonal() / self.inverse.diagonal()
        return torch.zeros(units, dtype=torch.float64).index_add_(0, self.owner, each)

    def without(self, gone: Tensor) -> _Rest:
        goes, stays = gone[self.owner].nonzero().flatten(), (~gone[self.owner]).nonzero().flatten()
        across = torch.linalg.solve(self.inverse[goes][:, goes], self.inverse[goes][:, stays])
        crossed = self.gram[stays][:, goes] @ across
        gram = self.gram[stays][:, stays] - crossed - crossed.T + across.T @ self.gram[goes][:, goes] @ across
        inverse = self.inverse[stays][:, stays] - self.inverse[stays][:, goes] @ across
        return _Rest(gram, inverse, self.owner[stays])


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A criterion of encoders that looks at mask gradients or at nothing, and so serves channels as it is."""

    criterion: Criterion

    @property
    def name(self) -> str:
        """The criterion's own name."""
        return self.criterion.name

    def rank(self, group: Group, evidence: ChannelEvidence) -> Tensor:
        """Return the criterion's own order."""
        return self.criterion.rank(group, cast("Evidence", evidence))


CHANNEL_CRITERIA: Mapping[str, ChannelCriterion] = {
    "obs": ChannelSurgeon(),
    "fisher": Borrowed(Fisher()),
    "taylor": Borrowed(Taylor()),
    "activation": ReadActivation(),
    "magnitude-l1": FilterNorm(order=1),
    "magnitude-l2": FilterNorm(order=2),
    "random": Borrowed(Shuffled(seed=0)),
}
