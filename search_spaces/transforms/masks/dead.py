"""Exact removal of dead neurons: hidden neurons of an MLP without inputs or without outputs.

A neuron without outputs has no effect. One without inputs is the constant `activation(bias)`, which moves
into the biases of the next layer. So the smaller model computes the same function, up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.masks.layers import MaskError

PLAIN = (nn.Linear, nn.Flatten, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Dropout)


@dataclass(frozen=True, slots=True)
class Removal:
    """The smaller model and how many neurons of each hidden layer went."""

    model: nn.Sequential
    removed: tuple[int, ...]


@torch.no_grad()
def remove_dead_neurons(mlp: nn.Sequential) -> Removal:
    """Return a copy of `mlp` without its dead hidden neurons; `mlp` stays as it is.

    `mlp` alternates linear layers with activations that act on each value alone; a flatten may come first. Neurons
    die in chains, so layers are checked until none dies. At least one neuron of a layer stays.
    """
    smaller = copy.deepcopy(mlp)
    linears = _linear_layers(smaller)
    widths = [layer.out_features for layer in linears[:-1]]
    while any(_shrink(smaller, linears, index) for index in range(len(linears) - 1)):
        pass
    removed = tuple(width - layer.out_features for width, layer in zip(widths, linears, strict=False))
    return Removal(smaller, removed)


def without_dead_neurons(network: nn.Module) -> nn.Module:
    """Return `network` with every plain MLP inside it freed of its dead hidden neurons; other weights are shared.

    Filters stay where they are: after padding or a norm, the output of a filter without weights is not constant.
    """
    smaller = share_structure(network)
    for path, module in network.named_modules():
        if path and isinstance(module, nn.Sequential) and _is_plain_mlp(module):
            smaller.set_submodule(path, remove_dead_neurons(module).model)
    return smaller


def narrowed(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Make, in place, the linear layers of `network` as wide as their weights in `tensors`, still to be loaded."""
    for path, layer in list(network.named_modules()):
        weight = tensors.get(f"{path}.weight") if isinstance(layer, nn.Linear) else None
        if weight is not None and weight.shape != layer.weight.shape:
            rows, columns = weight.shape
            network.set_submodule(path, nn.Linear(columns, rows, bias=f"{path}.bias" in tensors, device="meta"))
    return network


def _is_plain_mlp(module: nn.Sequential) -> bool:
    linears = sum(isinstance(child, nn.Linear) for child in module)
    return linears > 1 and all(isinstance(child, PLAIN) for child in module)


def _linear_layers(mlp: nn.Sequential) -> list[nn.Linear]:
    for name, module in mlp.named_children():
        if not isinstance(module, PLAIN):
            raise MaskError(
                f"{name}: dead neurons are removed from plain MLPs only, not past a {type(module).__name__}"
            )
    return [module for module in mlp if isinstance(module, nn.Linear)]


def _shrink(mlp: nn.Sequential, linears: list[nn.Linear], index: int) -> bool:
    """Remove the dead neurons between two linear layers; return whether there were any."""
    first, second = linears[index], linears[index + 1]
    fed, used = (first.weight != 0).any(dim=1), (second.weight != 0).any(dim=0)
    alive = fed & used
    if not alive.any():
        alive[0] = True
    if alive.all():
        return False
    constant = _activation_after(mlp, first)(_bias(first)) * ~fed
    constant[alive] = 0
    second.bias = nn.Parameter(_bias(second) + second.weight @ constant)
    first.bias = nn.Parameter(_bias(first)[alive])
    first.weight, second.weight = nn.Parameter(first.weight[alive]), nn.Parameter(second.weight[:, alive])
    first.out_features = second.in_features = int(alive.sum())
    return True


def _bias(layer: nn.Linear) -> Tensor:
    return layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.out_features)


def _activation_after(mlp: nn.Sequential, layer: nn.Linear) -> nn.Sequential:
    """Return the modules between `layer` and the next linear layer; dropout does nothing in inference."""
    modules = list(mlp)
    rest = modules[modules.index(layer) + 1 :]
    until = next((i for i, module in enumerate(rest) if isinstance(module, nn.Linear)), len(rest))
    return nn.Sequential(*(module for module in rest[:until] if not isinstance(module, nn.Dropout)))
