from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.transforms.masks.packed import pack, unpack


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.integers(0, 99))
def test_packed_tensors_come_back_as_they_were(rows: int, columns: int, kept: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, 2, generator=generator)
    weight *= torch.rand(weight.shape, generator=generator) < kept
    tensors = {"a.weight": weight, "a.bias": torch.zeros(columns), "n": torch.tensor(3)}
    back = unpack(pack(tensors))
    assert set(back) == set(tensors)
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == tensors[name].dtype for name in tensors)


def test_a_sparse_weight_takes_its_values_and_an_eighth_of_a_byte_each() -> None:
    weight = torch.zeros(100, 80)
    weight[:10] = 1.0
    packed = pack({"w": weight})
    assert sum(tensor.nbytes for tensor in packed.values()) == 800 * 4 + 1000 + 2 * 8
