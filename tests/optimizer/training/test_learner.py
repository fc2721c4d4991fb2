from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import tiny, tokens
from torch import nn

from optimizer.errors import MachineError
from optimizer.tasks.classification import Classification
from optimizer.training.finetune import FinetuneSettings, learner_of
from optimizer.training.learner import Learner, linear_schedule, rung_schedule


@given(total=st.integers(1, 400), warmup=st.floats(0.0, 1.0))
def test_the_schedule_rises_to_one_and_falls(total: int, warmup: float) -> None:
    shares = [linear_schedule(step, total=total, warmup=warmup) for step in range(total)]
    peak = shares.index(max(shares))
    assert max(shares) == 1.0
    assert min(shares) > 0.0
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


def test_the_schedule_ends_at_nothing() -> None:
    assert linear_schedule(100, total=100, warmup=0.06) == 0.0


def learn(*, weight_decay: float = 0.0, learning_rate: float = 1e-3, labels: tuple[int, ...] = (0, 1)) -> nn.Module:
    """Return a tiny encoder after one step."""
    model = tiny("bert")
    learner = learner_for(model, learning_rate=learning_rate, weight_decay=weight_decay)
    learner.step({**tokens(len(labels), 5), "labels": torch.tensor(labels)})
    assert learner.steps == 1
    return model


def learner_for(model: nn.Module, *, learning_rate: float = 1e-2, weight_decay: float = 0.1) -> Learner:
    settings = FinetuneSettings(learning_rate=learning_rate, weight_decay=weight_decay, warmup=0.0)
    return learner_of(model, Classification(), None, settings, total=2)


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    pairs = zip(learn(weight_decay=0.5).named_parameters(), learn(weight_decay=0.0).parameters(), strict=True)
    for (name, decayed), plain in pairs:
        assert torch.equal(decayed, plain) == (decayed.ndim == 1), name


def test_frozen_weights_stay() -> None:
    model = tiny("bert")
    model.bert.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learner = learner_for(model)
    learner.step({**tokens(2, 5), "labels": torch.tensor([0, 1])})
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("bert."), name


def test_a_gradient_that_is_no_number_changes_nothing() -> None:
    model = tiny("bert")
    with torch.no_grad():
        model.classifier.weight[0, 0] = float("nan")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learner = learner_for(model)
    with pytest.raises(MachineError, match="the training loss is NaN or infinite; check inputs"):
        learner.step({**tokens(2, 5), "labels": torch.tensor([0, 1])})
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.nan_to_num(7.0), before[name].nan_to_num(7.0)), name
    assert learner.steps == 0


def test_every_rung_has_the_schedule_of_a_training_of_its_own() -> None:
    shares = [rung_schedule(step, ends=(5, 25), warmup=0.1) for step in range(26)]
    first, second = ([linear_schedule(step, total=n, warmup=0.1) for step in range(n)] for n in (5, 20))
    assert shares == [*first, *second, 0.0]
