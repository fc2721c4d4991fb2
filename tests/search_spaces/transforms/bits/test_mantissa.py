from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search_spaces.transforms.bits import mantissa
from search_spaces.transforms.bits.mantissa import (
    largest,
    packed,
    packed_bytes,
    spare_bits,
    unpacked,
    zero_bits,
    zeroed,
)

BITS = st.integers(0, 31)
WEIGHTS = st.lists(st.floats(allow_nan=False, width=32), max_size=40)


def words(weights: torch.Tensor) -> list[int]:
    return weights.numpy().view(np.uint32).tolist()


@given(WEIGHTS, BITS)
def test_zeroed_bits_are_zero_and_the_others_as_they_were(weights: list[float], bits: int) -> None:
    expected = [struct.unpack("=I", struct.pack("=f", weight))[0] >> bits << bits for weight in weights]
    assert words(zeroed(torch.tensor(weights, dtype=torch.float32), bits)) == expected


@given(WEIGHTS, BITS)
def test_what_is_packed_comes_back_bit_for_bit(weights: list[float], bits: int) -> None:
    tensor = zeroed(torch.tensor(weights, dtype=torch.float32), bits)
    content = packed(tensor, bits)
    assert len(content) == packed_bytes(len(weights), bits)
    assert 0 <= 8 * len(content) - len(weights) * (32 - bits) < 8
    assert words(unpacked(content, bits, tensor.shape)) == words(tensor)


def test_large_tensors_are_packed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = zeroed(torch.randn(7, 13, generator=torch.Generator().manual_seed(0)), 19)
    whole = packed(tensor, 19)
    monkeypatch.setattr(mantissa, "AT_ONCE", 16)
    assert np.array_equal(packed(tensor, 19), whole)
    assert torch.equal(unpacked(whole, 19, tensor.shape), tensor)


@given(WEIGHTS, BITS)
def test_zeroing_more_bits_includes_fewer_and_is_done_once(weights: list[float], bits: int) -> None:
    tensor = torch.tensor(weights, dtype=torch.float32)
    once = zeroed(tensor, bits)
    assert words(zeroed(once, bits)) == words(once)
    assert words(zeroed(zeroed(tensor, bits // 2), bits)) == words(once)
    assert spare_bits([once]) >= bits


def test_a_whole_model_is_zeroed_but_for_its_buffers() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    before = model.get_buffer("1.running_mean").clone()
    zero_bits(model, 20)
    assert spare_bits(model.parameters()) == 20
    assert torch.equal(model.get_buffer("1.running_mean"), before)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in model.parameters())


def test_twenty_four_bits_leave_powers_of_four_of_every_weight() -> None:
    assert zeroed(torch.tensor([1.0, 3.99, -0.7, 0.0]), 24).tolist() == [0.5, 2.0, -0.5, 0.0]


@given(st.integers(0, 31), st.integers(0, 31))
def test_the_largest_that_holds_is_found_in_five_questions(boundary: int, most: int) -> None:
    asked: list[int] = []

    def holds(bits: int) -> bool:
        asked.append(bits)
        return bits <= boundary

    assert largest(holds, most) == min(boundary, most)
    assert len(asked) <= 5
    assert all(1 <= bits <= most for bits in asked)


@pytest.mark.parametrize("bits", [-1, 32])
def test_bits_outside_the_word_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits: of 32 bits 0 to 31 can be zeroed, got {bits}"):
        zeroed(torch.ones(1), bits)


def test_what_would_be_lost_or_misread_is_refused() -> None:
    with pytest.raises(ValueError, match="the lowest 4 of some weight are not zero"):
        packed(torch.tensor([0.1]), 4)
    with pytest.raises(ValueError, match="3 bytes are not 2 weights of 8 bits"):
        unpacked(np.zeros(3, np.uint8), 24, (2,))
    with pytest.raises(ValueError, match=r"float32 weights, got torch\.float16"):
        zeroed(torch.ones(1, dtype=torch.float16), 3)
