"""The smallest storage of a sparse network, and compressed rows under every count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from objectives.energy.traffic import count_traffic
from objectives.memory import peak_memory_bytes
from objectives.networks import count_network_flops
from objectives.size import count_parameters, size_bytes
from objectives.sparse_size import measure_sparse_size, stored_bytes
from objectives.tensors import tensor_bytes
from search_spaces.transforms.masks.csr import SparseLinear, with_sparse_kernels


@pytest.mark.parametrize(
    ("kept", "smallest"),
    [
        (8000, 32000),  # dense
        (4000, 1000 + 16000),  # a bit each, and the values
        (100, 101 * 4 + 800),  # compressed rows: an index for each value and for each row
    ],
)
def test_the_smallest_storage_is_taken(kept: int, smallest: int) -> None:
    assert stored_bytes((100, 80), kept, weights_per_unit=1, bytes_each=4) == smallest


def test_a_network_without_zeros_is_as_large_as_its_file() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 5))
    parameters, size = measure_sparse_size(model)
    assert (parameters.value, size.value) == (count_parameters(model), size_bytes(model))


def test_zeros_of_connections_and_of_whole_filters_are_saved() -> None:
    model = nn.Sequential(nn.Conv2d(1, 64, 3), nn.Flatten(), nn.Linear(256, 50))
    with torch.no_grad():
        model[0].weight[:32] = 0
        model[2].weight[:, ::2] = 0
    parameters, size = measure_sparse_size(model)
    assert parameters.value == count_parameters(model) - 32 * 9 - 128 * 50
    assert size.value == size_bytes(model) - (32 * 9 * 4 - 8) - (128 * 50 * 4 - 256 * 50 // 8)


def test_compressed_rows_compute_move_and_hold_what_is_not_zero() -> None:
    layer = nn.Linear(40, 30)
    with torch.no_grad():
        layer.weight[:, 8:] = 0
    rows, inputs = SparseLinear(layer), torch.randn(5, 40)
    assert count_network_flops(rows, inputs) == 2 * 30 * 8
    held = 30 * 8 * (4 + 8) + 31 * 8  # torch's indices are of 8 bytes
    assert tensor_bytes(rows.weight) == held
    with torch.inference_mode():
        assert held < count_traffic(lambda: rows(inputs)).total < held + 20 * inputs.nbytes
        assert peak_memory_bytes(lambda: rows(inputs), rows) > held


def test_only_what_is_sparse_enough_becomes_rows() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    with torch.no_grad():
        model[0].weight[:, 1:] = 0
    kinds = [type(layer) for layer in with_sparse_kernels(model, above=0.7)]
    assert kinds == [SparseLinear, nn.Linear]
