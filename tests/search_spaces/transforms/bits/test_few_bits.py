"""Weights in few bits: how they are rounded, which layers go together, and how a file holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prunable_models import batches, first_logit, summed_loss
from tiny_encoders import tiny
from torch import Tensor, nn

from search_spaces.layouts.layout import Layout
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.stored import bytes_in, is_code, packed, say_stored, store, stored_of, weights_of
from search_spaces.transforms.bits.layers import bit_groups, name_of, paths_of
from search_spaces.transforms.bits.rounding import MOST, rounded
from search_spaces.transforms.transform import Dense

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 70)) | st.tuples(
    st.integers(1, 5), st.integers(1, 4), st.just(3), st.just(3)
)


@settings(max_examples=40)
@given(shape=SHAPES, bits=st.sampled_from([4, 8, 16]), seed=st.integers(0, 99), power=st.sampled_from([-30, -3, 3]))
def test_a_file_gives_back_what_was_rounded_and_takes_the_bytes_that_were_said(
    shape: tuple[int, ...], bits: int, seed: int, power: int
) -> None:
    shape = shape[:2] if bits == 4 else shape  # convolutions have none
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 10.0**power
    weight[0] = 0
    made, layer = rounded(weight, bits), nn.Linear(1, 1)
    written = {f"net.{name}": tensor for name, tensor in packed(made).items()}
    assert sum(tensor.nbytes for tensor in written.values()) == bytes_in(shape, bits)
    assert all(map(is_code, written))
    ((name, read),) = weights_of(written)[1].items()
    assert (name, read.bits, read.block) == ("net.weight", bits, made.block)
    assert torch.equal(read.weight, made.weight)
    assert not made.weight[0].any()
    store(layer, read)
    assert torch.equal(layer.weight, made.weight)
    if bits < 16:
        assert int(read.codes.abs().max()) <= MOST[bits]
        step = read.scales.repeat_interleave(read.block, dim=1)[:, : weight.flatten(1).shape[1]]
        near = (weight - read.weight).flatten(1).abs() <= step * (0.5 if bits == 8 else 0.6)  # scales of 4 are rounded
        assert bool(near.all())


def test_weights_beyond_half_precision_stay_finite() -> None:
    made = rounded(torch.tensor([[1e9, -1e9, 0.5]]), 16)
    assert made.weight.tolist() == [[65504.0, -65504.0, 0.5]]


def encoder(name: str) -> Dense:
    model = tiny(name)
    return Dense(
        model=model,
        find_layout=lambda: named_layout(model),
        weights_hash="w",
        examples_hash="e",
        batches=batches,
        loss=summed_loss,
        answers=first_logit,
    )


class Beside(nn.Module):
    """Two convolutions that read one tensor, and a third that reads it after it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.third = (nn.Conv2d(16, 16, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        seen = x * 2
        return self.one(seen) + self.other(seen) + self.third(seen.relu_())


def network() -> Dense:
    model, images = Beside().eval(), torch.randn(8, 16, 4, 4)

    def answers(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return net(batch["x"])

    return Dense(
        model=model,
        find_layout=lambda: Layout((), {}, {}),
        weights_hash="w",
        examples_hash="e",
        batches=lambda: [{"x": images}],
        loss=answers,
        answers=answers,
    )


def names(dense: Dense) -> Iterator[str]:
    return (group.name for group in bit_groups(dense))


@pytest.mark.parametrize(
    ("family", "there"),
    [
        ("bert", "bert.encoder.layer.1.attention.self.(query+key+value).bits"),
        ("eurobert", "model.layers.1.mlp.(gate_proj+up_proj).bits"),
        ("albert", "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.(query+key+value).bits"),
        ("modernbert", "model.layers.0.attn.Wqkv.bits"),
        ("roberta", "classifier.dense.bits"),
        ("distilbert", "distilbert.embeddings.word_embeddings.bits"),
    ],
)
def test_layers_that_read_one_tensor_are_one_group(family: str, there: str) -> None:
    assert there in names(encoder(family))


def test_convolutions_go_together_unless_their_tensor_was_written_to_and_have_no_four_bits() -> None:
    groups = bit_groups(network())
    assert [group.name for group in groups] == ["(one+other).bits", "third.bits"]
    assert {group.levels for group in groups} == {(8, 16, 32)}


@given(st.lists(st.sampled_from(["a.1.q", "a.1.k.0", "a.1.v"]), min_size=1, unique=True))
def test_a_name_says_which_layers_there_are(paths: list[str]) -> None:
    assert paths_of(name_of(paths)) == paths


def test_what_the_file_holds_in_sixteen_bits_already_is_the_dense_level() -> None:
    dense = replace(encoder("bert"), written_as=lambda _name, _tensor: torch.bfloat16)
    assert {group.levels for group in bit_groups(dense)} == {(4, 8, 16)}


def test_a_weight_that_another_layer_uses_is_in_no_group() -> None:
    dense = encoder("bert")
    first, second = (layer.intermediate.dense for layer in dense.model.bert.encoder.layer)
    second.weight = first.weight
    assert not [name for name in names(dense) if "intermediate" in name]


def test_how_a_weight_is_stored_is_said_by_its_name() -> None:
    layers = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    made = rounded(layers[1].weight.detach(), 8)
    say_stored(layers, {"1.weight": made})
    assert [stored_of(layer) for layer in layers] == [None, made]
