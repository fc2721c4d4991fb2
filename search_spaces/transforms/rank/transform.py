"""Rank as a transform: layers are split in two, after units that nobody needs are gone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.layouts.modeling_pruned import FROM_RANK, give_rank
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.rank.layers import can_split, path_of, pays, rank_groups, shape_of, weights_per_rank
from search_spaces.transforms.rank.source import Splits
from search_spaces.transforms.transform import Dense, LayerShape, Source


class LowRank:
    """`Transform` of linear layers, convolutions and the embedding of tokens.

    A rank that does not pay for what the transforms before have left of a layer leaves that layer whole.
    """

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return the layers. Raises `ValueError` where none is large enough."""
        found = rank_groups(dense)
        if not found:
            raise ValueError("no layer of this model is large enough for a low rank")
        return found

    def source(self, dense: Dense, root: Path) -> Source:
        """Return the moments and splits of the model's layers."""
        return Splits(dense, root)

    def describe(self, model: nn.Module, config: Config, left: Mapping[Side, int]) -> Mapping[str, LayerShape]:
        """Return the layers that are split."""
        found = {}
        for name, rank in config.kept:
            path = path_of(name)
            shape = shape_of(model.get_submodule(path), path, left)
            if pays(rank, shape):
                each = weights_per_rank(shape)
                found[path] = LayerShape(weight=shape, kept=rank, weights_per_unit=each, is_split=True)
        return found

    def outline(
        self,
        model: nn.Module,
        config: Config,
        *,
        find_layout: Callable[[], Layout],  # noqa: ARG002 - the tensors say all
        tensors: Mapping[str, Tensor],
    ) -> nn.Module:
        """Return the model with the layers split that have two weights in `tensors`."""
        made = share_structure(model)
        layers = dict(made.named_modules())
        for name, _ in config.kept:
            path = path_of(name)
            outer = tensors.get(f"{path}.{FROM_RANK}.weight")
            if outer is not None and can_split(layers[path]):
                bias = tensors.get(f"{path}.{FROM_RANK}.bias")
                give_rank(layers[path], tensors[f"{path}.weight"], outer.flatten(1), bias)
        return made

    def apply(
        self, model: nn.Module, config: Config, source: Source, *, share_weights: bool, stays: Mapping[Side, Tensor]
    ) -> nn.Module:
        """Return the model with those layers split whose rank pays."""
        made = share_structure(model) if share_weights else copy.deepcopy(model)
        layers, splits = dict(made.named_modules()), cast("Splits", source)
        for name, rank in config.kept:
            path = path_of(name)
            layer = layers.get(path)  # a block that was removed has none
            if layer is not None and can_split(layer) and pays(rank, tuple(layer.get_parameter("weight").shape)):
                splits.lower(layer, path, rank, stays)
        return made

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:  # noqa: ARG002
        """Return nothing: thin layers run on dense kernels."""
        return {}
