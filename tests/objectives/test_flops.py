from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import FAMILIES, prune_heads, prune_neurons, remove_blocks, tiny, tokens
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from objectives.flops import EveryLength, FlopLaw, count_flops, flop_count
from objectives.networks import UncountableModelError


def torch_count(model: nn.Module, batch: int, length: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(**tokens(batch, length))
    return counter.get_total_flops()


def pruned(family: str) -> nn.Module:
    model = tiny(family)
    prune_heads(model, 0, 1)
    prune_neurons(model, 0, 5)
    remove_blocks(model, 1)
    return model.requires_grad_(False)  # torch's counter trips over outputs that are parameters


@pytest.mark.parametrize("make", [tiny, pruned], ids=["dense", "pruned"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 7), (1, 64), (4, 25)])
def test_count_equals_torchs_own_counter_exactly(make, family: str, batch: int, length: int) -> None:
    model = make(family)
    assert count_flops(model, [length]) * batch == torch_count(model, batch, length)


@pytest.mark.parametrize("family", FAMILIES)
def test_mean_over_lengths_is_the_mean_of_single_counts(family: str) -> None:
    model = pruned(family)
    lengths = [3, 11, 11, 64]
    assert count_flops(model, lengths) == np.mean([torch_count(model, 1, length) for length in lengths])


@given(st.lists(st.integers(1, 512), min_size=1, max_size=20), st.integers(0, 10**9), st.integers(0, 10**9))
def test_mean_is_exact_whatever_the_lengths(lengths: list[int], per_token: int, per_pair: int) -> None:
    law = FlopLaw(per_sequence=7, per_token=per_token, per_token_pair=per_pair)
    total = sum(7 + per_token * s + per_pair * s * s for s in lengths)
    assert law.mean(np.array(lengths)) == total / len(lengths)


def test_a_removed_unit_is_no_longer_paid_for() -> None:
    model = tiny("bert")
    dense = count_flops(model, [1])
    prune_neurons(model, 0, 47)
    assert dense - count_flops(model, [1]) == 2 * 2 * 32


@pytest.mark.parametrize("lengths", [[], [4, 0]])
def test_no_length_and_no_token_are_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="lengths"):
        count_flops(tiny("bert"), lengths)


def test_a_layer_that_hides_its_arithmetic_is_named_never_zero() -> None:
    class Packed(nn.Module):
        in_features = 4

    model = tiny("bert")
    model.bert.encoder.layer[1].extra = Packed()
    with pytest.raises(UncountableModelError, match=r"encoder\.layer\.1\.extra.*Packed"):
        count_flops(model, [4])


def test_where_the_law_does_not_hold_every_length_is_counted() -> None:
    class AFewTokensMore(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner, self.config = inner, inner.config

        def forward(self, input_ids: torch.Tensor) -> object:
            for _ in range(len(input_ids[0]) // 10 + 1):  # as local attention does, it works in steps
                answer = self.inner(input_ids=input_ids)
            return answer

    model = tiny("bert")
    assert isinstance(flop_count(AFewTokensMore(model)), EveryLength)
    expected = (count_flops(model, [5]) + 3 * count_flops(model, [25])) / 2
    assert count_flops(AFewTokensMore(model), [5, 25]) == expected


def test_counting_leaves_attention_as_it_was() -> None:
    model = tiny("bert")
    model.config._attn_implementation = "sdpa"
    count_flops(model, [4])
    assert model.config._attn_implementation == "sdpa"
