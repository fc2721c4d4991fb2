"""What a built model computes and moves in a backend: few bits are integers where a backend multiplies integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from objectives.energy.computed import Computed, Traffic
from optimizer.backends.names import ONNXRUNTIME
from search_spaces.layouts.stored import stored_of

INT8 = "int8"


@runtime_checkable
class Telling(Protocol):
    """A model that tells what a pass computes and moves, since torch does not see it."""

    def computed(self, inputs: Mapping[str, Tensor]) -> Computed:
        """Return it of a pass over a batch."""


def computed_of(model: nn.Module, flops: float, traffic: Traffic, *, backend: str) -> Computed:
    """Return what a pass of a model computes and moves.

    `flops` and `traffic` are as torch counts them: there weights of few bits are floats again. ONNX Runtime reads them
    as they are stored, and multiplies those of 8 bits as integers; the share of the operations is taken to be that of
    the weights.
    """
    precision = str(next(model.parameters()).dtype).removeprefix("torch.")
    found = [(layer.get_parameter("weight"), stored) for layer in model.modules() if (stored := stored_of(layer))]
    if backend != ONNXRUNTIME or not found:
        return Computed.of(flops, traffic, precision)
    weights = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1)
    of_eight = sum(weight.numel() for weight, stored in found if stored.bits == 8) / weights
    saved = min(traffic.outside, sum(weight.nbytes - stored.nbytes for weight, stored in found))
    moved = replace(traffic, outside=traffic.outside - saved, footprint=traffic.footprint - saved)
    return Computed({precision: flops * (1 - of_eight), INT8: flops * of_eight}, moved)
