"""Ranges: activations that are constant, or that a layer never writes, have a scale as any others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from optimizer.backends.onnxruntime.ranges import ranges_of


class Constant(nn.Module):
    """A convolution that writes one number everywhere, whatever it reads."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3)
        nn.init.zeros_(self.layer.weight)
        nn.init.constant_(self.layer.bias, number)  # type: ignore[arg-type]  # it has one

    def forward(self, pixel_values: Tensor) -> Tensor:
        written: Tensor = self.layer(pixel_values)
        return written


@pytest.mark.parametrize("number", [0.0, 3.0, -0.25])
def test_constant_activations_are_rounded_to_themselves(number: float) -> None:
    found = ranges_of(Constant(number), [{"pixel_values": torch.ones(2, 1, 5, 5)}]).written["layer"]
    assert found.scale > 0
    assert found.rounded(torch.full((4,), number)).tolist() == pytest.approx([number] * 4)
