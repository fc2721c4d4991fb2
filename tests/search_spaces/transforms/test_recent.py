"""What was made last is kept within its room."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from search_spaces.transforms.recent import Recent


def test_the_one_used_longest_ago_goes_first_and_the_last_always_stays() -> None:
    made: list[str] = []

    def make(name: str, size: int) -> Tensor:
        made.append(name)
        return torch.zeros(size, dtype=torch.int8)

    recent: Recent[Tensor] = Recent(10)
    for name, size in (
        ("a", 4),
        ("b", 4),
        ("a", 4),
        ("c", 4),
        ("a", 4),
        ("b", 4),
        ("whole", 99),
        ("whole", 99),
        ("a", 4),
    ):
        recent.get(name, partial(make, name, size))
    assert made == ["a", "b", "c", "b", "whole", "a"]
