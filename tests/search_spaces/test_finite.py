from __future__ import annotations

import pytest
import torch
from torch import Tensor

from search_spaces.finite import is_finite

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
