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
        assert count_traffic(lambda: linear(x)).total == FLOAT * (3 * 10 + 10 * 6 + 6 + 3 * 6)


@torch.inference_mode()
def test_weights_are_charged_once_per_pass_whatever_the_batch() -> None:
    linear = nn.Linear(100, 100)
    one, many = (count_traffic(partial(linear, torch.randn(batch, 100))).total for batch in (1, 32))
    assert many - one == FLOAT * 31 * 200


@torch.inference_mode()
def test_a_lookup_reads_its_rows_and_not_the_table() -> None:
    table, ids = nn.Embedding(30_000, 8), torch.tensor([[1, 2, 3]])
    assert count_traffic(lambda: table(ids)).total == 2 * FLOAT * 3 * 8


@torch.inference_mode()
def test_views_move_nothing() -> None:
    x = torch.randn(4, 6)
    assert count_traffic(lambda: x.view(2, 12).transpose(0, 1)).total == 0


@torch.inference_mode()
def test_what_the_pass_made_is_told_from_what_was_there() -> None:
    layers = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    x = torch.randn(1, 10)
    traffic = count_traffic(lambda: layers(x))
    weights = sum(parameter.nbytes for parameter in layers.parameters())
    assert traffic.outside == weights + x.nbytes
    assert sum(traffic.inside.values()) == FLOAT * (20 + 20 + 20 + 20 + 5)
    assert traffic.footprint == weights + x.nbytes + FLOAT * 40


@torch.inference_mode()
def test_a_layer_that_is_used_twice_is_read_twice_and_touched_once() -> None:
    layer = nn.Linear(8, 8)
    x = torch.randn(1, 8)
    once, twice = count_traffic(lambda: layer(x)), count_traffic(lambda: layer(layer(x)))
    weights = sum(parameter.nbytes for parameter in layer.parameters())
    assert twice.outside - once.outside == weights
    assert twice.footprint - once.footprint < weights


def test_passes_move_more_and_touch_the_same() -> None:
    ten = count_traffic(lambda: torch.ones(4) + 1).times(10)
    assert (ten.total, ten.footprint) == (10 * FLOAT * 12, FLOAT * 8)
