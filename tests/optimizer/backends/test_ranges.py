"""Ranges: activations that are constant, or that a layer never writes, have a scale as any others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from optimizer.backends.onnxruntime.ranges import Range, least_error, ranges_of


class Constant(nn.Module):
    """A convolution that writes one number everywhere, whatever it reads."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3)
        nn.init.zeros_(self.layer.weight)
        nn.init.constant_(self.layer.bias, number)  # type: ignore[arg-type]  # it has one

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.layer(pixel_values))


@pytest.mark.parametrize("number", [0.0, 3.0, -0.25])
def test_constant_activations_are_rounded_to_themselves(number: float) -> None:
    seen = ranges_of(Constant(number), [{"pixel_values": torch.ones(2, 1, 5, 5)}])
    found = seen.written("layer", above_zero=False)
    assert found.scale > 0
    assert found.rounded(torch.full((4,), number)).tolist() == pytest.approx([number] * 4)


def test_a_range_cuts_off_what_is_rare_and_far_where_its_error_is_least() -> None:
    normal = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    far = torch.cat([normal.abs(), torch.tensor([7.0])])
    found = least_error(far)
    errors = [float((Range(0, high).rounded(far) - far).square().sum()) for high in (0.6 * found.high, found.high, 7.0)]
    assert min(errors) == errors[1]
    assert found.low == 0
    assert found.high < 7
    assert least_error(torch.linspace(-1, 2, 5_000)) == Range(-1.0, 2.0)


def test_the_range_behind_relu_is_that_of_what_relu_leaves() -> None:
    seen = ranges_of(Constant(-0.25), [{"pixel_values": torch.ones(2, 1, 5, 5)}])
    assert seen.written("layer", above_zero=True) == Range(0.0, 0.0)
