"""Networks as the published tool prunes them: outputs at random, with what their biases leave behind.

The tool sets the weights of a filter to zero and keeps its bias, so a removed channel holds one number everywhere. The
layer behind adds it up: a linear layer into its bias, a convolution into a map, since there is nothing beyond the
padding. The smaller network computes what the one with the zeros does.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from objectives.networks import count_network_flops
from optimizer.families.networks.models import new_model
from optimizer.reproduce.listed.preset import AT, Network, Pruning

SHAPE, CLASSES = (3, 224, 224), 1000
Steps = list[tuple[str, nn.Module]]


class MappedConvolution(nn.Conv2d):
    """A convolution that adds a bias of its own at every place: `(out, height, width)`."""

    bias_map: nn.Parameter

    def forward(self, inputs: Tensor) -> Tensor:
        """Convolve and add."""
        return super().forward(inputs) + self.bias_map


def unpruned(name: str, *, device: str = "cpu") -> nn.Module:
    """Return a network of torchvision for ImageNet, with fresh weights."""
    with torch.device(device):
        return new_model(name, SHAPE, CLASSES, seed=0, from_torchvision=True).eval()


def removals(network: Network, pruning: Pruning, widths: Sequence[int]) -> list[int]:
    """Return how many outputs each layer of these widths loses: convolutions by the list, hidden layers by the ratio.

    Shares are whole percents, cut off; counts are rounded, halves to the even one. The last layer loses nothing.
    """
    listed = network.of(pruning.distribution).removed_at_50
    percents = [share * pruning.ratio // AT for share in listed]
    percents += [pruning.ratio] * (len(widths) - len(listed) - 1)
    return [*(round(percent / 100 * width) for percent, width in zip(percents, widths, strict=False)), 0]


def kept_widths(dense: nn.Module, network: Network, pruning: Pruning) -> list[int]:
    """Return how many outputs every layer but the last keeps."""
    widths = [len(layer.weight) for layer in dense.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    removed = removals(network, pruning, widths)
    return [width - lost for width, lost in zip(widths, removed, strict=True)][:-1]


def count_macs(model: nn.Module) -> int:
    """Return the multiply-accumulates of one image as fvcore counts them: with one for every value of the pooling."""
    values: list[int] = []
    pooling = model.get_submodule("avgpool").register_forward_hook(lambda *given: values.append(given[-1].numel()))
    try:
        flops = count_network_flops(model, torch.empty(1, *SHAPE, device=next(model.parameters()).device))
    finally:
        pooling.remove()
    return int(flops) // 2 + sum(values)


@torch.no_grad()
def pruned(dense: nn.Module, network: Network, pruning: Pruning, *, seed: int) -> nn.Module:
    """Return an AlexNet or a VGG of torchvision that a pruning made smaller; `seed` draws what goes of each layer."""
    steps = _steps(dense)
    layers = {path: layer for path, layer in steps if isinstance(layer, nn.Conv2d | nn.Linear)}
    lost = dict(zip(layers, removals(network, pruning, [len(layer.weight) for layer in layers.values()]), strict=True))
    model = copy.deepcopy(dense, {id(each): _shape(each) for each in dense.parameters()})
    mapped = _mapped(layers, next(iter(lost.values())), network.mapless)
    kept = torch.arange(SHAPE[0])  # of the channels
    constant = torch.zeros(1, *SHAPE, device=next(dense.parameters()).device)  # what the removed ones hold
    for path, step in steps:
        answer = step(constant)
        if path in layers:
            order = torch.randperm(len(layers[path].weight), generator=torch.Generator().manual_seed(seed))
            going, staying = order[: lost[path]], order[lost[path] :].sort().values
            smaller = _smaller(layers[path], staying, kept, answer[0, staying], is_mapped=path in mapped)
            model.set_submodule(path, smaller)
            kept, constant = staying, _biases(layers[path], going, answer)
        else:
            kept = _flattened(kept, constant) if isinstance(step, nn.Flatten) else kept
            constant = answer
    return model


def _steps(dense: nn.Module) -> Steps:
    """Return the layers in their order, with their paths."""
    parts = {part: cast("nn.Sequential", dense.get_submodule(part)) for part in ("features", "classifier")}
    before, behind = ([(f"{part}.{name}", layer) for name, layer in parts[part].named_children()] for part in parts)
    return [*before, ("avgpool", dense.get_submodule("avgpool")), ("", nn.Flatten()), *behind]


def _mapped(layers: Iterable[str], removed: int, mapless: int) -> list[str]:
    """Return the paths of the convolutions that have a map."""
    convolutions = [path for path in layers if path.startswith("features")]
    return convolutions[2:] if removed <= mapless else convolutions[1:]


def _smaller(
    layer: nn.Conv2d | nn.Linear, staying: Tensor, kept: Tensor, bias: Tensor, *, is_mapped: bool
) -> nn.Module:
    """Return the layer with the outputs `staying` of the inputs `kept`. `bias` has all that the removed inputs add."""
    weight = nn.Parameter(layer.weight[staying][:, kept])
    if isinstance(layer, nn.Linear):
        smaller: nn.Module = nn.Linear(len(kept), len(staying), device="meta")
        smaller.weight, smaller.bias = weight, nn.Parameter(bias.clone())
        return smaller
    kind = MappedConvolution if is_mapped else nn.Conv2d
    size, stride, padding = (cast("tuple[int, int]", each) for each in (layer.kernel_size, layer.stride, layer.padding))
    smaller = kind(len(kept), len(staying), size, stride, padding, bias=not is_mapped, device="meta")
    smaller.weight = weight
    if isinstance(smaller, MappedConvolution):
        smaller.bias_map = nn.Parameter(bias.clone())
    else:
        smaller.bias = nn.Parameter(cast("Tensor", layer.bias)[staying])
    return smaller


def _biases(layer: nn.Conv2d | nn.Linear, going: Tensor, answer: Tensor) -> Tensor:
    """Return what is left of a layer's answer: the biases of the outputs `going`, and zeros."""
    left = torch.zeros_like(answer)
    left[:, going] += cast("Tensor", layer.bias)[going].reshape(-1, *[1] * (answer.dim() - 2))
    return left


def _shape(parameter: nn.Parameter) -> nn.Parameter:
    """Return what stands for a parameter that is never read."""
    return nn.Parameter(torch.empty_like(parameter, device="meta"))


def _flattened(kept: Tensor, values: Tensor) -> Tensor:
    """Return the places of the kept channels among the values of all of them, one after the other."""
    places = values[0, 0].numel()
    return (kept[:, None] * places + torch.arange(places)).flatten()
