"""Passes over calibration examples: the words they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

Batch = Mapping[str, Tensor]
Loss = Callable[[nn.Module, Batch], Tensor]  # the summed loss of a batch, a scalar
Answers = Callable[[nn.Module, Batch], Tensor]  # what the model says: (batch, outputs); only differences of it matter


@contextmanager
def frozen_weights(model: nn.Module) -> Iterator[None]:
    """Spare the weights their gradients, which cost as much as those of the activations, inside the block."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)  # noqa: FBT003 - torch takes it by position
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)  # noqa: FBT003
