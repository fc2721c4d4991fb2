from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from objectives.networks import UncountableModelError, count_network_flops, flops_by_layer


class OwnProducts(nn.Module):
    """Multiplies matrices without a layer: attention by hand and by torch, and a functional convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(8, 8)
        self.kernel = nn.Parameter(torch.randn(4, 8, 3))

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x)
        by_hand = (q @ x.transpose(1, 2)).softmax(dim=-1).matmul(x)
        mixed = F.scaled_dot_product_attention(by_hand[:, None], x[:, None], q[:, None])[:, 0]
        return F.conv1d(torch.bmm(mixed, mixed.transpose(1, 2)) @ mixed, self.kernel) if x.shape[1] == 8 else mixed


class Einsum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bi,bj->bij", self.inner(x), x)


class Packed(nn.Module):
    """Hides a matrix product from everybody who looks at functions: an extension would."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] * self.matrix).sum(dim=-1)


def torch_flops(model: nn.Module, inputs: Tensor) -> int:
    # torch's counter does not see the fused attention of the CPU, only the products it stands for
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(inputs)
    return counter.get_total_flops()


CONVOLUTIONS = nn.Sequential(
    nn.Conv2d(3, 8, 3, stride=2, padding=1),
    nn.BatchNorm2d(8),
    nn.Conv2d(8, 8, 5, groups=8, dilation=2, padding=4),
    nn.ConvTranspose2d(8, 6, 3, stride=2, output_padding=1),
    nn.Conv2d(6, 4, (1, 3), groups=2),
    nn.Flatten(),
    nn.LazyLinear(5),
)
CONVOLUTIONS(torch.zeros(1, 3, 12, 12))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (CONVOLUTIONS, (1, 3, 12, 12)),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.ConvTranspose1d(4, 3, 2, stride=2)), (1, 2, 9)),
        (nn.Sequential(nn.Conv3d(2, 4, 3), nn.ConvTranspose3d(4, 3, 2)), (1, 2, 5, 5, 5)),
        (OwnProducts(), (1, 8, 8)),
        (OwnProducts(), (1, 5, 8)),
        (Einsum(), (1, 4)),
    ],
)
def test_the_count_equals_the_one_of_torch(model: nn.Module, shape: tuple[int, ...]) -> None:
    inputs = torch.randn(shape)
    assert count_network_flops(model, inputs) == torch_flops(model, inputs) > 0


def test_flops_are_those_of_one_example_whatever_the_batch() -> None:
    one, many = torch.randn(1, 3, 12, 12), torch.randn(7, 3, 12, 12)
    assert count_network_flops(CONVOLUTIONS, one) == count_network_flops(CONVOLUTIONS, many)


def test_every_layer_is_charged_for_its_own_products_and_calls() -> None:
    shared = nn.Linear(4, 4)
    flops = flops_by_layer(nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, 2)), torch.randn(3, 4))
    assert flops == {"0": 2 * 2 * 16, "3": 2 * 8}


def test_a_product_outside_of_layers_is_charged_to_the_module_that_computes_it() -> None:
    assert set(flops_by_layer(OwnProducts(), torch.randn(1, 8, 8))) == {"", "query"}


@pytest.mark.parametrize(
    ("model", "inputs", "named"),
    [
        (nn.Sequential(Packed()), torch.randn(1, 4), "0 is a Packed"),
        (nn.LSTM(4, 4), torch.randn(1, 3, 4), "LSTM"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(model: nn.Module, inputs: Tensor, named: str) -> None:
    with pytest.raises(UncountableModelError, match=named):
        count_network_flops(model, inputs)


def test_layers_that_torch_fuses_in_evaluation_are_counted_part_by_part() -> None:
    flops = flops_by_layer(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(1, 3, 8))
    projections, products = 3 * 2 * 8 * 4 * 8, 2 * 2 * 3 * 3 * 8
    assert flops == {"self_attn": projections + products, "linear1": 3 * 2 * 8 * 16, "linear2": 3 * 2 * 8 * 16}


class Positions(nn.Module):
    """A table that is looked up in, and positions that are resized, sliced and added, as in Swin, PVT and ViT."""

    in_features = 4  # as heads of timm say, which leave the product to a layer of theirs

    def __init__(self) -> None:
        super().__init__()
        self.resized, self.drop = nn.Parameter(torch.ones(1, 4, 2, 2)), nn.Dropout()
        self.table, self.positions = nn.Parameter(torch.ones(9, 4)), nn.Parameter(torch.ones(1, 5, 4))
        self.tokens = nn.Parameter(torch.ones(1, 2, 4))

    def forward(self, x: Tensor) -> Tensor:
        placed = x + self.positions[:, 1:] + self.table[torch.arange(4)]
        placed = self.drop(placed) + F.interpolate(self.resized, (1, 4), mode="bilinear").flatten(2).transpose(1, 2)
        return torch.cat((self.tokens.expand(len(x), -1, -1), placed), dim=1)


def test_tables_and_positions_are_no_products() -> None:
    assert flops_by_layer(nn.Sequential(Positions(), nn.Linear(4, 2)), torch.zeros(1, 4, 4)) == {"1": 2 * 6 * 8}


def test_looked_up_matrices_cost_nothing() -> None:
    assert count_network_flops(nn.Sequential(nn.Embedding(10, 4), nn.LayerNorm((3, 4))), torch.zeros(1, 3).long()) == 0


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = model[1].running_mean.clone()
    count_network_flops(model, torch.randn(2, 1, 5, 5))
    assert model.training and torch.equal(model[1].running_mean, before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
