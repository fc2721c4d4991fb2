"""Bits as a transform: the weights that the transforms before have left are stored in fewer bits."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.bits.layers import bit_groups, can_store, paths_of
from search_spaces.transforms.bits.source import Rounded
from search_spaces.transforms.rank.layers import shape_of
from search_spaces.transforms.transform import Dense, LayerShape, Source


class Bits:
    """`Transform` of linear layers, convolutions and embeddings.

    Layers that read one tensor have the same bits, so that a runtime makes integers of that tensor once.
    """

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return the layers. Raises `ValueError` where none is large enough."""
        found = bit_groups(dense)
        if not found:
            raise ValueError("no layer of this model is large enough for fewer bits")
        return found

    def source(self, dense: Dense, root: Path) -> Source:
        """Return the rounded weights of the model's layers."""
        return Rounded(dense, root)

    def describe(self, model: nn.Module, config: Config, left: Mapping[Side, int]) -> Mapping[str, LayerShape]:
        """Return the layers with the bits of their weights."""
        found = {}
        for name, bits in config.kept:
            for path in paths_of(name):
                shape = shape_of(model.get_submodule(path), path, left)
                found[path] = LayerShape(weight=shape, kept=shape[0], weights_per_unit=math.prod(shape[1:]), bits=bits)
        return found

    def outline(
        self,
        model: nn.Module,
        config: Config,  # noqa: ARG002 - no shape changes
        *,
        find_layout: Callable[[], Layout],  # noqa: ARG002
        tensors: Mapping[str, Tensor],  # noqa: ARG002
    ) -> nn.Module:
        """Return the model: weights have the shapes that they had."""
        return model

    def apply(
        self, model: nn.Module, config: Config, source: Source, *, share_weights: bool, stays: Mapping[Side, Tensor]
    ) -> nn.Module:
        """Return the model with the weights in the bits of their groups, those of the dense file as they are."""
        made = share_structure(model) if share_weights else copy.deepcopy(model)
        layers, rounded = dict(made.named_modules()), cast("Rounded", source)
        for name, bits in config.kept:
            for path in paths_of(name):
                layer = layers.get(path)  # a block that was removed has none
                if layer is not None and can_store(layer):
                    rounded.lower(layer, path, bits, stays)
        return made

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:  # noqa: ARG002
        """Return nothing: torch computes in float32 with the rounded weights."""
        return {}
