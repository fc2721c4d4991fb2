from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from objectives.energy.traffic import count_traffic

FLOAT = 4


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_linear_reads_input_weight_and_bias_and_writes_its_output(mode) -> None:
    linear, x = nn.Linear(10, 6), torch.randn(3, 10)
    with mode():
        assert count_traffic(lambda: linear(x)) == FLOAT * (3 * 10 + 10 * 6 + 6 + 3 * 6)


@torch.inference_mode()
def test_weights_are_charged_once_per_pass_whatever_the_batch() -> None:
    linear = nn.Linear(100, 100)
    one, many = (count_traffic(partial(linear, torch.randn(batch, 100))) for batch in (1, 32))
    assert many - one == FLOAT * 31 * 200


@torch.inference_mode()
def test_a_lookup_reads_its_rows_and_not_the_table() -> None:
    table, ids = nn.Embedding(30_000, 8), torch.tensor([[1, 2, 3]])
    assert count_traffic(lambda: table(ids)) == 2 * FLOAT * 3 * 8


@torch.inference_mode()
def test_views_move_nothing() -> None:
    x = torch.randn(4, 6)
    assert count_traffic(lambda: x.view(2, 12).transpose(0, 1)) == 0
