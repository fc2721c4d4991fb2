"""Batches: all examples, in their order, none alone."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.tasks.cutting import batch_count, in_batches


@pytest.mark.parametrize(
    ("examples", "size", "wanted"),
    [(64, 64, [64]), (65, 64, [65]), (66, 64, [64, 2]), (129, 64, [64, 65]), (3, 1, [1, 1, 1]), (1, 64, [1])],
)
def test_no_example_is_left_alone(examples: int, size: int, wanted: list[int]) -> None:
    batches = in_batches(np.arange(examples), size)
    assert [len(batch) for batch in batches] == wanted
    assert batch_count(examples, size) == len(wanted)
    assert np.concatenate(batches).tolist() == list(range(examples))
