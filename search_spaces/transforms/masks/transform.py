"""Masks as a transform: single weights and whole filters become zero while the network is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.kernels import COMPRESSED_ROWS, REMOVED
from search_spaces.transforms.masks.csr import SPARSE_ENOUGH, with_sparse_kernels
from search_spaces.transforms.masks.dead import narrowed, without_dead_neurons
from search_spaces.transforms.masks.layers import Layer, mask_groups, maskable_layers, weights_per_unit
from search_spaces.transforms.masks.trained import TrainedNetworks
from search_spaces.transforms.transform import Dense, LayerShape, Source

REMOVED_ENOUGH = 0.9  # of the parameters kept: copies of one network differ by some 5 %, more than a smaller gain


class Masking:
    """`Transform` of networks by masks; every config has its recipe."""

    def groups(self, dense: Dense) -> tuple[Group, ...]:
        """Return the layers that can be masked."""
        return mask_groups(dense.model)

    def source(self, dense: Dense, root: Path) -> Source:
        """Return the networks trained so far."""
        return TrainedNetworks(dense, root)

    def describe(
        self,
        model: nn.Module,
        config: Config,
        left: Mapping[Side, int],  # noqa: ARG002 - nothing comes before masks
    ) -> Mapping[str, LayerShape]:
        """Return how many weights of every layer are kept."""
        layers = maskable_layers(model)
        return {name: _shape(layers[name], kept) for name, kept in config.kept}

    def outline(
        self,
        model: nn.Module,
        config: Config,  # noqa: ARG002 - which neurons die shows in the weights alone
        *,
        find_layout: Callable[[], Layout],  # noqa: ARG002
        tensors: Mapping[str, Tensor],
    ) -> nn.Module:
        """Return the network with its linear layers as wide as their weights in `tensors`."""
        return narrowed(share_structure(model), tensors)

    def apply(
        self,
        model: nn.Module,  # noqa: ARG002 - networks are trained from their initial weights
        config: Config,
        source: Source,
        *,
        share_weights: bool,  # noqa: ARG002
        stays: Mapping[Side, Tensor],  # noqa: ARG002
    ) -> nn.Module:
        """Return the network trained under the config's masks, without the neurons that died."""
        return without_dead_neurons(cast("TrainedNetworks", source).network_of(config))

    def forms(self, dense: nn.Module, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the forms that skip pruned weights, where the network is sparse enough for them."""
        forms: dict[str, nn.Module] = {}
        if _parameters(model) < REMOVED_ENOUGH * _parameters(dense):
            forms[REMOVED] = model
        if any(_sparsity(layer) > SPARSE_ENOUGH for layer in model.modules() if isinstance(layer, nn.Linear)):
            forms[COMPRESSED_ROWS] = with_sparse_kernels(model, above=SPARSE_ENOUGH)
        return forms


def _shape(layer: Layer, kept: int) -> LayerShape:
    return LayerShape(weight=tuple(layer.weight.shape), kept=kept, weights_per_unit=weights_per_unit(layer))


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _sparsity(layer: nn.Linear) -> float:
    return float((layer.weight == 0).float().mean())
