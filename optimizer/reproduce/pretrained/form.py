"""Forms: what a compressed network is made of, and what stays true of its weights while it is trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from search_spaces.layouts.modeling_pruned import give_rank
from search_spaces.transforms.bits.mantissa import packed_bytes, spare_bits, zero_bits
from search_spaces.transforms.masks.choose import drop_lowest
from search_spaces.transforms.masks.layers import maskable_layers
from search_spaces.transforms.rank.layers import can_split, pays, weights_per_rank
from search_spaces.transforms.rank.split import Split, plain_split


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Weights without their lowest `bits`, zero where their layer's mask does not keep them, computed in `dtype`."""

    bits: int = 0
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32

    @torch.no_grad()
    def impose(self, model: nn.Module) -> None:
        """Make it true of a model's weights, in place."""
        for path, kept in self.kept.items():
            model.get_parameter(f"{path}.weight").mul_(kept)
        if self.bits:
            zero_bits(model, self.bits)


@torch.no_grad()
def strongest(model: nn.Module, rate: float) -> dict[str, Tensor]:
    """Return per layer a mask of its weights without the smallest share of all: one pool, by absolute value.

    The pool is that of `torch.nn.utils.prune.global_unstructured` with `L1Unstructured` over all linear layers and
    convolutions; of equal weights the first go.
    """
    weights = {path: layer.weight for path, layer in maskable_layers(model).items()}
    pool = torch.cat([weight.abs().flatten() for weight in weights.values()])
    parts = torch.split(drop_lowest(pool, round(rate * len(pool))), [weight.numel() for weight in weights.values()])
    return {path: part.view_as(weight) for (path, weight), part in zip(weights.items(), parts, strict=True)}


class Splits:
    """The plain decompositions of a dense network's layers, each made when it is first asked for."""

    def __init__(self, dense: nn.Module) -> None:
        self._dense, self._made = dense, dict[str, Split]()
        layers = {path: layer for path, layer in dense.named_modules() if can_split(layer)}
        shapes = {path: tuple(layer.get_parameter("weight").shape) for path, layer in layers.items()}
        self.shapes: dict[str, tuple[int, ...]] = {path: shape for path, shape in shapes.items() if pays(1, shape)}

    def full_rank(self, path: str) -> int:
        """Return the rank from which on a layer is whole."""
        shape = self.shapes[path]
        return min(shape[0], math.prod(shape[1:]))

    def pay(self, ranks: Mapping[str, int]) -> dict[str, int]:
        """Return the ranks that save weights; a layer of any other rank stays whole."""
        return {path: rank for path, rank in ranks.items() if pays(rank, self.shapes[path])}

    def lowered(self, ranks: Mapping[str, int]) -> nn.Module:
        """Return a copy of the dense network whose layers have these ranks: k×k with few filters, then 1×1."""
        model = copy.deepcopy(self._dense)
        for path, rank in ranks.items():
            layer = model.get_submodule(path)
            outer, inner = self._split(path).at(rank)
            bias = getattr(layer, "bias", None)
            taps = self.shapes[path][1:]
            give_rank(layer, inner.reshape(rank, *taps), outer, None if bias is None else bias.detach())
        return model

    def saving(self, ranks: Mapping[str, int]) -> float:
        """Return the share of weights that ranks save: 1 − Σ r(m + n) / Σ mn over all layers that could have one."""
        sizes = {path: math.prod(shape) for path, shape in self.shapes.items()}
        left = {path: rank * weights_per_rank(self.shapes[path]) for path, rank in ranks.items()}
        return 1 - sum((sizes | left).values()) / sum(sizes.values())

    def _split(self, path: str) -> Split:
        if path not in self._made:
            self._made[path] = plain_split(self._dense.get_parameter(f"{path}.weight").detach().flatten(1))
        return self._made[path]


@torch.no_grad()
def stored_bytes(model: nn.Module) -> int:
    """Return the bytes of the parameters without the lowest bits that are zero in all of them.

    Where that is smaller, a tensor is stored as its weights other than zero and a bit for each.
    """
    bits = spare_bits(model.parameters())
    sizes = ((weight.numel(), int(torch.count_nonzero(weight))) for weight in model.parameters())
    return sum(min(packed_bytes(all_, bits), packed_bytes(some, bits) + -(-all_ // 8)) for all_, some in sizes)
