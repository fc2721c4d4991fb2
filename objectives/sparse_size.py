"""How large a network with zeros is: the weights that are not zero, and the bytes of their smallest storage.

Each layer is stored dense, as kept values with a bitmask, or in compressed sparse rows, whichever is smallest. A
convolution loses whole filters, so its bitmask has one bit per filter.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from objectives.measurement import Measurement, Source
from objectives.size import count_parameters, size_bytes

INDEX_BYTES = 4  # of a column index or a row's beginning in compressed rows
STORAGE = "smallest of dense, bitmask with values, compressed rows, per layer"


def stored_bytes(weight_shape: tuple[int, ...], kept: int, *, weights_per_unit: int, bytes_each: int) -> int:
    """Return the bytes of a layer's weights `weight_shape` (rows first) of which `kept` units are not zero."""
    weights, values = math.prod(weight_shape), kept * weights_per_unit
    dense = weights * bytes_each
    bitmask = math.ceil(weights / weights_per_unit / 8) + values * bytes_each
    compressed_rows = values * (bytes_each + INDEX_BYTES) + (weight_shape[0] + 1) * INDEX_BYTES
    return min(dense, bitmask, compressed_rows)


@torch.no_grad()
def measure_sparse_size(model: nn.Module) -> tuple[Measurement, Measurement]:
    """Return the measurements "parameters", zeros of linear and convolutional layers not counted, and "size"."""
    weights = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    parameters = count_parameters(model) - sum(int((weight == 0).sum()) for weight in weights)
    saved = sum(weight.nbytes - _stored(weight) for weight in weights)
    conditions = {"zeros": "not counted"}
    return (
        Measurement(
            quantity="parameters", value=parameters, unit="parameters", source=Source.COUNTED, conditions=conditions
        ),
        Measurement(
            quantity="size",
            value=size_bytes(model) - saved,
            unit="bytes",
            source=Source.COUNTED,
            conditions={"format": STORAGE},
        ),
    )


def _stored(weight: Tensor) -> int:
    units = weight != 0 if weight.dim() == 2 else (weight.flatten(1) != 0).any(dim=1)
    per_unit = weight.numel() // units.numel()
    shape = tuple(weight.shape)
    return stored_bytes(shape, int(units.sum()), weights_per_unit=per_unit, bytes_each=weight.element_size())
