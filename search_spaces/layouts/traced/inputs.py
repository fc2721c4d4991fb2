"""Inputs: how a network is called with one batch of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-3  # of the largest output: what float32 may lose in a deep network when sums are taken in another order
Inputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def class_of(model: nn.Module) -> str:
    """Return the name of the model's class, of the model inside where it wraps but one."""
    inside = [*model.children()]
    is_wrapper = len(inside) == 1 and any(inside[0].children())
    return type(inside[0] if is_wrapper else model).__name__


def call(model: nn.Module, inputs: Inputs) -> Any:
    """Return `model`'s outputs: a tensor is its one argument, a sequence its arguments, a mapping its keywords."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(inputs) if isinstance(inputs, Tensor) else model(*inputs)


def doubled(inputs: Inputs) -> Inputs:
    """Return the inputs with their floats in float64."""
    if isinstance(inputs, Mapping):
        return {name: _doubled(each) for name, each in inputs.items()}
    return _doubled(inputs) if isinstance(inputs, Tensor) else [_doubled(each) for each in inputs]


def _doubled(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def answers(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Return all tensors of the model's outputs, however they are nested. Raises `TypeError` where there is none."""
    outputs = call(model, inputs)
    found = list(_tensors(outputs))
    if not found:
        raise TypeError(f"the model returned a {type(outputs).__name__} without a tensor")
    return found


@contextmanager
def started(model: nn.Module) -> Iterator[list[str]]:
    """Record, inside the block, the paths of the model's modules in the order in which they start to run."""
    paths: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda *_, path=path: paths.append(path))
        for path, module in model.named_modules()
        if path
    ]
    try:
        yield paths
    finally:
        for handle in handles:
            handle.remove()


def agree(one: Tensor, other: Tensor) -> bool:
    """Return whether two answers are equal up to the order of summation."""
    tolerance = max(TOLERANCE, 16 * torch.finfo(other.dtype).eps)
    return one.shape == other.shape and bool((one - other).abs().max() <= tolerance * other.abs().max())


def _tensors(outputs: object) -> Iterator[Tensor]:
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from _tensors(list(outputs.values()))
    elif isinstance(outputs, list | tuple):
        for output in outputs:
            yield from _tensors(output)
