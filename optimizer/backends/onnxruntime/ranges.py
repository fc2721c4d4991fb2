"""Ranges: between which values the tensors lie that a graph holds as integers of fixed scales.

A network of convolutions has its activations in 8 bits throughout, each tensor with a scale that a few calibration
examples gave; the answer to an image then does not depend on its neighbours. Rare extremes are cut off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from search_spaces.layouts.requests import Inputs
from search_spaces.layouts.stored import stored_of

CUT = 1e-4  # share of the values on either side that may lie beyond a range
LOOKED_AT = 100_000  # values of a tensor


@dataclass(frozen=True, slots=True)
class Range:
    """From `low`, at most 0, to `high`, at least 0, in 256 steps."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """The size of a step; 1 for a tensor of zeros."""
        return (self.high - self.low) / 255 or 1.0

    @property
    def zero(self) -> int:
        """The step that stands for 0."""
        return round(-self.low / self.scale)

    def above_zero(self) -> Range:
        """Return the range of what ReLU leaves."""
        return Range(0.0, self.high)

    def rounded(self, values: Tensor) -> Tensor:
        """Return values as the steps that stand for them."""
        return ((values / self.scale).round() + self.zero).clamp(0, 255).sub(self.zero).mul(self.scale)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges by the path of a module: of what it reads, and of what it writes."""

    read: dict[str, Range] = field(default_factory=dict)
    written: dict[str, Range] = field(default_factory=dict)


def is_fixed(model: nn.Module) -> bool:
    """Whether a model's integers have fixed scales: where most layers with 8-bit weights are convolutions."""
    of_eight = [layer for layer in model.modules() if (stored := stored_of(layer)) and stored.bits == 8]
    linear = sum(isinstance(layer, nn.Linear) for layer in of_eight)
    return sum(isinstance(layer, nn.Conv2d) for layer in of_eight) > linear


@torch.inference_mode()
def ranges_of(model: nn.Module, batches: Iterable[Inputs]) -> Ranges:
    """Return the ranges in a model on a few examples."""
    seen, handles = Ranges(), []
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            handles.append(layer.register_forward_hook(_note(seen, path)))
    try:
        for batch in batches:
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _note(seen: Ranges, path: str):  # type: ignore[no-untyped-def]  # a hook of torch
    def note(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        for known, tensor in ((seen.read, inputs[0]), (seen.written, output)):
            low, high = _extremes(tensor)
            before = known.get(path, Range(0.0, 0.0))
            known[path] = Range(min(low, before.low), max(high, before.high))

    return note


def _extremes(tensor: Tensor) -> tuple[float, float]:
    values = tensor.flatten()
    some = values[:: max(1, len(values) // LOOKED_AT)].float()
    low, high = some.quantile(torch.tensor([CUT, 1 - CUT], device=some.device)).tolist()
    return low, high
