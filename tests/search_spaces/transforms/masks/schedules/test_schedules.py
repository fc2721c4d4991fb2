"""The laws of masks, at every epoch, over every schedule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_spaces.transforms.masks.choose import magnitude_scores
from search_spaces.transforms.masks.schedules.schedule import SparseTraining
from search_spaces.transforms.masks.schedules.table import SCHEDULES
from search_spaces.transforms.masks.target import Target

NAMES = sorted(SCHEDULES)
NESTED = ("pre-training", "post-training", "gradual", "imp")


def model(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    first = [nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*first, nn.Linear(96, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 4))


class Trained:
    """A training of random steps, stopped after every epoch."""

    def __init__(self, name: str, target: Target, epochs: int, seed: int) -> None:
        self.schedule, self.epochs = SCHEDULES[name](), epochs
        self.model = model(seed)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        generator = torch.Generator().manual_seed(seed)
        self.sparse = SparseTraining(self.model, target, generator=generator, optimizer=self.optimizer)
        self.schedule.start(self.sparse)

    def epoch(self, number: int) -> None:
        for _ in range(2):
            self.optimizer.zero_grad()
            self.model(torch.randn(8, 1, 6, 6)).square().sum().backward()
            self.optimizer.step()
            self.sparse.keep_masks()
        self.schedule.end_epoch(self.sparse, number, self.epochs)

    def kept(self) -> torch.Tensor:
        masks = self.sparse.masks
        return torch.cat([masks.kept(name).flatten() for name in masks.layers]).clone()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8)
@given(ratio=st.floats(0, 1), epochs=st.integers(2, 5), seed=st.integers(0, 99))
def test_every_epoch_ends_with_exactly_the_sparsity_of_its_law(name: str, ratio: float, epochs: int, seed: int) -> None:
    target = Target(ratio=ratio)
    training = Trained(name, target, epochs, seed)
    for number in range(epochs + 1):
        if number:
            training.epoch(number)
        masks, share = training.sparse.masks, training.schedule.share_after(number, epochs)
        assert masks.pruned_units == target.counts(masks.layers, magnitude_scores(masks.layers), share=share)
        for layer_name, layer in masks.layers.items():
            assert not layer.weight[~masks.kept(layer_name).expand_as(layer.weight)].any()
    assert training.schedule.share_after(epochs, epochs) == 1


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_masks(name: str) -> None:
    one, other = (Trained(name, Target(ratio=0.5), 3, seed=4) for _ in range(2))
    for number in range(1, 4):
        for training in (one, other):
            torch.manual_seed(number)
            training.epoch(number)
        assert torch.equal(one.kept(), other.kept())


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("scope", ["uniform", "one-ranking"])
def test_what_a_shrinking_schedule_removed_stays_removed(name: str, scope: str) -> None:
    training, before = Trained(name, Target(scope=scope, ratio=0.7), 4, seed=0), None
    for number in range(1, 5):
        training.epoch(number)
        assert before is None or not (training.kept() & ~before).any()
        before = training.kept()


@pytest.mark.parametrize("name", ["in-training", "set"])
def test_an_evolving_schedule_changes_its_masks_but_not_after_the_last_epoch(name: str) -> None:
    training = Trained(name, Target(ratio=0.5), 2, seed=0)
    start = training.kept()
    training.epoch(1)
    between = training.kept()
    training.epoch(2)
    assert not torch.equal(start, between)
    assert torch.equal(between, training.kept())


@pytest.mark.parametrize("name", ["in-training", "set"])
def test_regrown_weights_are_drawn_anew_and_have_no_momentum(name: str) -> None:
    training = Trained(name, Target(ratio=0.5), 2, seed=0)
    before = training.sparse.masks.kept("3").clone()
    training.epoch(1)
    weight, fresh = training.model[3].weight, training.sparse.masks.kept("3") & ~before
    assert fresh.any()
    assert weight[fresh].abs().max() <= 96**-0.5
    assert (weight[fresh] != 0).all()
    assert not training.optimizer.state[weight]["exp_avg"][fresh].any()
    assert not training.optimizer.state[weight]["exp_avg_sq"][fresh].any()


def test_set_under_erdos_renyi_starts_with_the_formula_and_keeps_it() -> None:
    training = Trained("set", Target(scope="erdos-renyi", ratio=0.6), 3, seed=0)
    start = training.sparse.masks.pruned_units
    for number in range(1, 4):
        training.epoch(number)
        assert training.sparse.masks.pruned_units == start


def test_the_lottery_rewinds_to_the_initial_weights() -> None:
    training = Trained("imp", Target(ratio=0.5), 3, seed=0)
    initial = training.model[3].weight.detach().clone()
    training.epoch(1)
    kept = training.sparse.masks.kept("3")
    assert torch.equal(training.model[3].weight.detach(), initial * kept)
    assert not training.optimizer.state
