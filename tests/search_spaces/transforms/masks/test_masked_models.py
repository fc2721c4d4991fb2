"""Masks on a model: memory, swaps, N:M, dead neurons and sparse rows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search_spaces.transforms.masks.choose import drop_lowest, n_of_m, random_scores, swap, without_weakest
from search_spaces.transforms.masks.csr import SparseLinear, with_sparse_kernels
from search_spaces.transforms.masks.dead import remove_dead_neurons, without_dead_neurons
from search_spaces.transforms.masks.layers import MaskError
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.target import Target


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3))


def masked(model: nn.Module, ratio: float, seed: int = 0) -> Masks:
    masks = Masks(model)
    scores = random_scores(masks.layers, torch.Generator().manual_seed(seed))
    masks.set(without_weakest(masks.layers, scores, Target(ratio=ratio)))
    return masks


def test_random_scores_are_where_the_layers_are() -> None:
    layers = Masks(mlp().to("meta")).layers
    assert {scores.device.type for scores in random_scores(layers, torch.Generator()).values()} == {"meta"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("scope", ["uniform", "one-ranking"])
def test_a_gpu_masks_what_the_cpu_masks(scope: str) -> None:
    models, target = (mlp(), mlp().cuda()), Target(scope=scope, ratio=0.5)
    for model in models:
        masks = Masks(model)
        scores = random_scores(masks.layers, torch.Generator().manual_seed(0))
        masks.set(without_weakest(masks.layers, scores, target))
    for here, there in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(here, there.cpu())


def test_masks_take_at_most_one_byte_per_weight_and_none_where_all_is_kept() -> None:
    masks = masked(mlp(), 0.5)
    assert masks.mask_bytes == 20 * 12 + 12 * 8 + 8 * 3
    assert masked(mlp(), 0.0).mask_bytes == 0


def test_applying_puts_what_a_step_moved_back_to_zero() -> None:
    model = mlp()
    masks = masked(model, 0.5)
    with torch.no_grad():
        model[1].weight += 1
    masks.apply()
    assert torch.equal(model[1].weight != 0, masks.kept("1"))


def test_masks_can_be_opened_again() -> None:
    masks = masked(mlp(), 0.5)
    masks.set({name: torch.ones_like(masks.kept(name)) for name in masks.layers})
    assert masks.pruned_weights == 0


@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.integers(0, 99))
def test_a_swap_never_changes_how_much_is_kept(ratio: float, share: float, signed: bool, seed: int) -> None:
    model = mlp(seed)
    kept = masked(model, ratio, seed).kept("1")
    after, fresh = swap(model[1], kept, torch.Generator().manual_seed(seed), share=share, signed=signed)
    assert after.sum() == kept.sum()
    assert not (fresh & kept).any()
    assert torch.equal(fresh, after & ~kept)


def test_set_removes_the_smallest_positive_and_the_largest_negative_weights() -> None:
    layer = nn.Linear(10, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10], [-1, -2, -3, -4, -5, 0, 0, 0, 0, 0]]))
    kept = layer.weight != 0
    after, _ = swap(layer, kept, torch.Generator().manual_seed(0), signed=True)
    lost = layer.weight[kept & ~after]
    assert sorted(lost.tolist()) == [-1, 1, 2]


@given(st.integers(0, 30))
def test_exactly_the_lowest_scores_go(count: int) -> None:
    scores = torch.randperm(30).view(5, 6)
    assert torch.equal(drop_lowest(scores, count), scores >= count)


def test_two_of_four_neighbours_are_kept() -> None:
    kept = n_of_m(nn.Linear(16, 4))
    assert (kept.view(-1, 4).sum(dim=1) == 2).all()


def test_a_pattern_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MaskError, match="2:4 needs"):
        n_of_m(nn.Linear(6, 4))


@given(st.integers(0, 50))
def test_removing_dead_neurons_changes_no_output(seed: int) -> None:
    model = mlp(seed)
    masked(model, 0.9, seed)
    removal = remove_dead_neurons(model)
    inputs = torch.randn(5, 20)
    torch.testing.assert_close(removal.model(inputs), model(inputs))


def test_a_neuron_that_nothing_enters_moves_into_the_next_biases() -> None:
    model = mlp()
    with torch.no_grad():
        model[1].weight[3] = 0
        model[1].bias[3] = 2.0
    removal = remove_dead_neurons(model)
    assert removal.removed == (1, 0)
    assert removal.model[1].weight.shape == (11, 20)
    assert model[1].weight.shape == (12, 20)


def test_dead_neurons_are_not_looked_for_past_what_mixes_them() -> None:
    with pytest.raises(MaskError, match="not past a BatchNorm1d"):
        remove_dead_neurons(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))


def test_sparse_rows_compute_the_same() -> None:
    model = mlp()
    masked(model, 0.8)
    sparse = with_sparse_kernels(model, above=0.7)
    inputs = torch.randn(5, 20)
    assert any(isinstance(module, SparseLinear) for module in sparse.modules())
    torch.testing.assert_close(sparse(inputs), model(inputs))


def test_every_plain_mlp_inside_a_network_loses_its_dead_neurons_and_the_network_answers_as_before() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
            self.classifier = mlp()[1:]

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.classifier(self.features(images).flatten(1)[:, :20])
            return logits

    network = Network().eval()
    with torch.no_grad():
        network.classifier[0].weight[:5] = 0
        network.features[0].weight[0] = 0
    smaller, images = without_dead_neurons(network), torch.randn(4, 1, 7, 7)
    assert smaller.classifier[0].out_features == 7
    assert network.classifier[0].out_features == 12
    assert smaller.features[0].weight is network.features[0].weight
    assert torch.allclose(smaller(images), network(images), atol=1e-6)
