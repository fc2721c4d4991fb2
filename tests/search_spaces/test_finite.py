from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from search_spaces.finite import is_finite, is_sound
from search_spaces.layouts.layout import UnprunableModelError
from search_spaces.soundness import check_sound

NAN, INFINITY = float("nan"), float("inf")
KINDS = [torch.float32, torch.float16, torch.bfloat16, torch.complex64]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", [NAN, INFINITY, -INFINITY])
def test_one_broken_entry_is_found_wherever_it_is(broken: float, kind: torch.dtype) -> None:
    for place in (0, 20, 34):
        tensor = torch.randn(5, 7).to(kind)
        assert is_finite(tensor)
        tensor.view(-1)[place] = broken
        assert not is_finite(tensor)


def test_infinities_of_both_signs_and_the_largest_numbers_are_told_apart() -> None:
    assert not is_finite(torch.tensor([INFINITY, -INFINITY]))
    assert is_finite(torch.full((9,), torch.finfo(torch.float16).max, dtype=torch.float16))


@pytest.mark.parametrize("tensor", [torch.zeros(0, 3), torch.arange(4), torch.tensor([True]), torch.tensor(2.0)])
def test_tensors_without_room_for_either_are_finite(tensor: Tensor) -> None:
    assert is_finite(tensor)


class Masked(nn.Module):
    """Attention of a token to those before it; the mask is a buffer."""

    def __init__(self, hidden: float) -> None:
        super().__init__()
        self.mix = nn.Linear(4, 4)
        self.register_buffer("mask", torch.full((4, 4), hidden).triu(1))

    def forward(self, given: Tensor) -> Tensor:
        return (given @ self.mix(given).mT + self.get_buffer("mask")).softmax(-1) @ given


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_mask_may_hold_minus_infinity_and_a_weight_may_not(kind: torch.dtype) -> None:
    mask = torch.full((3, 3), -INFINITY).triu(1).to(kind)
    assert is_sound(mask)
    assert not is_sound(nn.Parameter(mask))
    assert not is_sound(mask.index_fill(0, torch.tensor(1), NAN))


def test_a_network_with_a_causal_mask_is_sound_and_one_with_a_damaged_mask_is_refused() -> None:
    check_sound(Masked(-INFINITY), (torch.randn(2, 4, 4),))
    for damage in (NAN, INFINITY):
        with pytest.raises(UnprunableModelError, match="'mask' contains NaN or infinity"):
            check_sound(Masked(damage), (torch.randn(2, 4, 4),))
