"""Predictions: in the examples' order, the same to the last bit on any number of threads, with little padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from objectives.guard import on_threads
from optimizer.predict import SHARED, TOKENS, predict
from optimizer.tasks.classification import Classification
from optimizer.tasks.texts.examples import Examples
from tests.tiny_encoders import ARCHITECTURES, tiny


def examples(number: int, *, longest: int) -> Examples:
    rng = np.random.default_rng(0)
    texts = tuple(rng.integers(5, 50, size=rng.integers(2, longest)) for _ in range(number))
    return Examples(role="search", token_ids=texts, labels=np.zeros(number, dtype=np.int64), hash="")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_threads_answer_as_one_does(architecture: str) -> None:
    model, asked = tiny(architecture), examples(90, longest=40)
    with on_threads(1):
        wanted = predict(model, asked, Classification())
    with on_threads(2):
        assert np.array_equal(predict(model, asked, Classification()), wanted)
        assert torch.get_num_threads() == 2
    alone = [predict(model, asked.subset([place]), Classification())[0] for place in (0, 44, 89)]
    np.testing.assert_allclose(wanted[[0, 44, 89]], alone, atol=1e-4)


def test_batches_have_equally_many_tokens_and_little_padding() -> None:
    model, asked, sizes = tiny("bert"), examples(300, longest=40), []
    model.register_forward_pre_hook(
        lambda _model, _inputs, named: sizes.append(named["attention_mask"]), with_kwargs=True
    )
    predict(model, asked, Classification())
    tokens = [int(mask.sum()) for mask in sizes]
    assert len(sizes) % SHARED == 0
    assert max(tokens) <= TOKENS
    assert max(tokens) - min(tokens) < 2 * 40
    assert sum(mask.numel() for mask in sizes) < 1.1 * sum(tokens)


def test_a_network_of_another_kind_runs_one_batch_at_a_time() -> None:
    class Stateful(nn.Module):
        running = 0

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, **named: torch.Tensor) -> Any:
            assert not self.running
            self.running = 1
            torch.randn(300, 300) @ torch.randn(300, 300)
            self.running = 0
            return type("Output", (), {"logits": named["input_ids"].sum(dim=1, keepdim=True) * self.weight})

    with on_threads(2):
        assert predict(Stateful(), examples(90, longest=40), Classification()).shape == (90, 3)


def test_a_fault_in_one_batch_ends_the_prediction_and_leaves_the_threads_as_they_were() -> None:
    model = tiny("bert")
    model.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(ValueError("broken")))
    with on_threads(2):
        with pytest.raises(ValueError, match="broken"):
            predict(model, examples(90, longest=40), Classification())
        assert torch.get_num_threads() == 2
