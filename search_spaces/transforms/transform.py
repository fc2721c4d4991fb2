"""A transform: one kind of compression, for every kind of model.

It knows layouts and no family. What it needs of a model's family is handed to it as a `Dense`: the model, how its parts
belong together, batches to look at, and what its answers are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.transforms.key import BankKey
from search_spaces.transforms.masks.schedules.schedule import Schedule
from search_spaces.transforms.passes import Answers, Batch, Loss
from search_spaces.transforms.units.evidence import Criterion

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a family trains a candidate: as its dense model was trained.

    `initial` is the network that training begins with, `words` its settings and `examples_hash` its examples: both are
    part of the key of what it makes. `passes` is the number of examples that one training goes through.
    `run(model, schedule, kept, state)` trains in place under the schedule's masks until every layer named keeps so many
    units, keeps its state in a file while it is unfinished, and returns what is to be kept of the training. It raises
    `ValueError` where the training diverges.
    """

    initial: nn.Module
    words: str
    examples_hash: str
    passes: int
    run: Callable[[nn.Module, Schedule, Mapping[str, int], Path], Mapping[str, str]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The tokens that a model reads: the `path` of their embedding, and the id that stands for `unknown` ones.

    `counts()` returns how often each id, int64 `(ids,)`, occurs in the texts to train and calibrate on. Tokens that the
    tokenizer adds itself count as the most frequent.
    """

    path: str
    unknown: int
    counts: Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A dense model as its family hands it to the transforms.

    `batches()` yields the calibration batches again at every call; `loss` and `answers` are differentiated to rank and
    to solve. `rounded` returns the tensor of a name with the values that the file of a model will hold, `written_as`
    the type that it has there. `find_layout` raises `UnprunableModelError`.
    """

    model: nn.Module
    find_layout: Callable[[], Layout]
    weights_hash: str
    examples_hash: str
    batches: Callable[[], Iterable[Batch]]
    loss: Loss
    answers: Answers
    rounded: Callable[[str, Tensor], Tensor] = lambda _name, tensor: tensor
    written_as: Callable[[str, Tensor], torch.dtype] = lambda _name, tensor: tensor.dtype
    criterion: str | Criterion = "obs"
    training: Training | None = None
    vocabulary: Vocabulary | None = None

    @cached_property
    def layout(self) -> Layout:
        """What the model is made of."""
        return self.find_layout()

    def key(self, criterion: str, *, damping: float = 0.0, examples_hash: str | None = None) -> BankKey:
        """Return the key of what is computed once from the model and examples, those of calibration by default."""
        return BankKey(
            weights=self.weights_hash,
            examples=examples_hash or self.examples_hash,
            criterion=criterion,
            damping=damping,
            dtype=str(next(self.model.parameters()).dtype),
        )


class Source:
    """What a transform computes once per dense model and keeps below `folder`. This one computes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> None:
        """Refuse early, at little cost, what `fill` would refuse. Raises `ValueError`."""

    def fill(self, progress: Progress = lambda _done, _total: None) -> None:
        """Compute what every study needs."""

    def fill_for(self, config: Config) -> None:
        """Compute what a config of the transform needs."""

    def training(self, config: Config) -> Mapping[str, str]:  # noqa: ARG002
        """Return what was kept of the config's training, nothing where it has none."""
        return {}

    def merged(self, config: Config, left: Mapping[Side, int]) -> Config:  # noqa: ARG002
        """Return the config with those groups dense that change nothing in what the transforms before leave."""
        return config

    def left(self, config: Config) -> Mapping[Side, int]:  # noqa: ARG002
        """Return how many entries of sides of layers a config leaves; sides that it does not name stay dense."""
        return {}

    def stays(self, config: Config) -> Mapping[Side, Tensor]:  # noqa: ARG002
        """Return which entries they are, int64 `(entries,)`, ascending."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """What a transform makes of one layer, as far as its costs follow.

    `weight` is the shape of its weight after the transforms before; `kept` units of so many weights each are not zero,
    the others are. Of a layer that `is_split` in two, the units are the ranks: the others are gone. Where there are
    `bits`, the weights that are left are stored in so many. Where there are `indices`, so many numbers say where the
    units are, and the others are gone.
    """

    weight: tuple[int, ...]
    kept: int
    weights_per_unit: int
    is_split: bool = False
    bits: int | None = None
    indices: int = 0


class Transform(Protocol):
    """One kind of compression. A `config` here names the transform's own groups alone.

    Laws, which one suite of tests holds for every transform: with every group dense the model stays as it is; `outline`
    has the shapes of `apply`; `describe` is true of `apply`; the dense model is never written to.
    """

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return what can be compressed, first layer first. Raises `ValueError` naming what is missing."""

    def source(self, dense: Dense, root: Path) -> Source:
        """Return what is computed once for the model, on disk below `root`."""

    def describe(self, model: nn.Module, config: Config, left: Mapping[Side, int]) -> Mapping[str, LayerShape]:
        """Return the layers whose costs the config changes in a way that the family's own costs do not know.

        The config may name some of the groups alone; the others are dense. `left` are the entries of sides of layers
        that the transforms before leave.
        """

    def outline(
        self, model: nn.Module, config: Config, *, find_layout: Callable[[], Layout], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        """Return a model with the shapes of a config; `tensors` are those that will be loaded into it."""

    def apply(
        self, model: nn.Module, config: Config, source: Source, *, share_weights: bool, stays: Mapping[Side, Tensor]
    ) -> nn.Module:
        """Return the compressed model; `share_weights`: it shares untouched layers with `model`.

        `stays` are the entries of sides of layers that the transforms before have kept in `model`.
        """

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return, by the names of their kernels, forms of a compressed model that may run faster and answer alike."""
