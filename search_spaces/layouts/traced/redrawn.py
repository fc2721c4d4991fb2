"""Redrawn: weights under which every layer counts, so that a proof does not depend on those of a checkpoint.

A layer scale of 1e-6, a norm that starts at zero or a small first draw hides whatever is behind it from the outputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from search_spaces.layouts.layers import CONVOLUTIONS, row_dim
from search_spaces.layouts.surgery import share_structure


def redrawn(model: nn.Module) -> nn.Module:
    """Return a twin of the model with other weights, the same for every checkpoint of an architecture.

    Scales, shifts and statistics are around one, and linear layers and convolutions keep the size of their inputs (He
    et al. 2015), so that deep networks neither vanish nor overflow.
    """
    twin, generator = share_structure(model), torch.Generator().manual_seed(0)
    drawn: dict[nn.Parameter, nn.Parameter] = {}  # tied ones stay tied
    for module in twin.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter not in drawn:
                new = _redrawn(module, parameter.detach(), generator)
                drawn[parameter] = nn.Parameter(new, requires_grad=False)
            module._parameters[name] = drawn[parameter] if parameter is not None else None
        if isinstance(module, _NormBase) and module.track_running_stats:
            for name in ("running_mean", "running_var"):
                module._buffers[name] = _around_one(module.get_buffer(name), generator)
    return twin


def _redrawn(owner: nn.Module, parameter: Tensor, generator: torch.Generator) -> Tensor:
    if isinstance(owner, (nn.Linear, *CONVOLUTIONS)) and parameter.ndim > 1:
        inputs = parameter.numel() / parameter.shape[row_dim(owner)]
        return torch.randn(parameter.shape, generator=generator).mul_(math.sqrt(2 / inputs)).to(parameter)
    is_of_channels = sum(size > 1 for size in parameter.shape) < 2
    return _around_one(parameter, generator) if is_of_channels else parameter


def _around_one(old: Tensor, generator: torch.Generator) -> Tensor:
    return (0.5 + torch.rand(old.shape, generator=generator)).to(old)
