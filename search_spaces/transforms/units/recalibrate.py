"""Recalibrate: batch norms are measured again on the pruned network (He et al. 2017; Li et al. 2020, EagleEye)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from search_spaces.layouts.surgery import share_structure
from search_spaces.layouts.traced.inputs import Inputs, call

Model = TypeVar("Model", bound=nn.Module)
Rounded = Callable[[str, Tensor], Tensor]


def recalibrate(model: Model, batches: Iterable[Inputs], rounded: Rounded = lambda _name, tensor: tensor) -> Model:
    """Return `model` with the mean and variance of every batch norm averaged over `batches`; weights are shared.

    They are `rounded` to what the file of the model holds of a tensor of their name.

    `model` is left as it is, and a network without batch norms is returned itself. Batches of some dozens of examples
    or more serve best. Raises `ValueError` when there is no batch.
    """
    if not any(map(_counts, model.modules())):
        return model
    twin = share_structure(model)
    named = {name: module for name, module in twin.named_modules() if _counts(module)}
    norms = [*named.values()]
    modes = [(module, module.training) for module in twin.modules()]
    momenta = [norm.momentum for norm in norms]
    twin.eval()
    for norm in norms:
        _forget(norm)
    with torch.no_grad():
        seen = sum(1 for batch in batches if call(twin, batch) is not None)
    if not seen:
        raise ValueError("recalibrate: give at least one batch")
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for name, norm in named.items():
        norm.running_mean = rounded(f"{name}.running_mean", norm.running_mean)  # type: ignore[arg-type]
        norm.running_var = rounded(f"{name}.running_var", norm.running_var)  # type: ignore[arg-type]
    for module, mode in modes:
        module.training = mode
    return twin  # type: ignore[return-value]  # the copy has the model's type


def _counts(module: nn.Module) -> TypeGuard[_BatchNorm]:
    return isinstance(module, _BatchNorm) and module.track_running_stats


def _forget(norm: _BatchNorm) -> None:
    norm.running_mean = torch.zeros_like(norm.running_mean)  # type: ignore[arg-type]
    norm.running_var = torch.ones_like(norm.running_var)  # type: ignore[arg-type]
    norm.num_batches_tracked = torch.zeros_like(norm.num_batches_tracked)  # type: ignore[arg-type]
    norm.momentum = None  # a plain average over batches
    norm.train()
