"""Adam under masks is Adam with the masks applied behind it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from search_spaces.masks.adam import MaskedAdam
from search_spaces.masks.choose import random_scores, without_weakest
from search_spaces.masks.masks import PIECE, Masks
from search_spaces.masks.target import Target


def network() -> nn.Sequential:
    """A layer of more than a piece, a small one, and a convolution with one mask entry per filter."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(64, PIECE // 50), nn.ReLU(), nn.Linear(PIECE // 50, 3)
    )


def masked(model: nn.Module) -> Masks:
    masks = Masks(model)
    scores = random_scores(masks.layers, torch.Generator().manual_seed(1))
    masks.set(without_weakest(masks.layers, scores, Target(ratio=0.5)))
    return masks


def train(model: nn.Module, optimizer: torch.optim.Optimizer, masks: Masks) -> None:
    torch.manual_seed(2)
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.randn(3, 1, 6, 6)).square().sum().backward()
        optimizer.step()
        masks.apply()


def test_steps_are_those_of_adam_with_the_masks_behind_it() -> None:
    ours, theirs = network(), network()
    optimizer = MaskedAdam(masked(ours), lr=1e-2)
    train(ours, optimizer, optimizer.masks)
    train(theirs, torch.optim.Adam(theirs.parameters(), lr=1e-2, fused=True), masked(theirs))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_every_step_ends_with_exactly_the_masked_weights_at_zero() -> None:
    model = network()
    optimizer = MaskedAdam(masked(model), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(3, 1, 6, 6)).square().sum().backward()
        optimizer.step()
        for name in optimizer.masks.masked:
            zero = optimizer.masks.layers[name].weight == 0
            assert torch.equal(zero, ~optimizer.masks.kept(name).expand_as(zero))
        assert optimizer.state[model[2].weight]["step"] == optimizer.state[model[4].weight]["step"]


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="closure"):
        MaskedAdam(Masks(network()), lr=1e-2).step(lambda: 0.0)
