"""Soundness: what a network must be before it is pruned: its weights its own, finite, and its answers repeatable."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from search_spaces.finite import is_finite, is_sound
from search_spaces.layouts.layout import UnprunableModelError
from search_spaces.layouts.surgery import share_structure
from search_spaces.layouts.traced.inputs import Inputs, agree, answers

QUANTIZED = ("torch.ao.nn.quantized", "bitsandbytes.nn", "auto_gptq.", "gptqmodel.", "awq.")  # modules of such layers


def check_sound(model: nn.Module, example_inputs: Inputs) -> None:
    """Raise `UnprunableModelError` naming what is wrong; the model is left as it is."""
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if not is_sound(tensor):
            raise UnprunableModelError(f"tensor {name!r} contains NaN or infinity; train the model again")
    twin = share_structure(model).eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        first, second = (answers(twin, example_inputs) for _ in range(2))
    if not all(map(is_finite, first)):
        raise UnprunableModelError("the model's output is not finite, though its weights are; check its forward")
    if not all(map(agree, first, second)):
        raise UnprunableModelError(
            "the model's output differs between two runs in evaluation mode; give every functional dropout "
            "training=self.training, and keep other randomness out of its forward"
        )


def check_own_weights(model: nn.Module) -> None:
    """Raise `UnprunableModelError` naming the first layer whose weight is quantized or computed from other tensors."""
    for path, module in model.named_modules():
        if type(module).__module__.startswith(QUANTIZED) or _has_integers(module):
            raise UnprunableModelError(f"{path} is quantized ({module}); give the network that it was made from")
        if parametrize.is_parametrized(module):
            name = next(iter(module.parametrizations))
            raise _computed(path, name, f'torch.nn.utils.parametrize.remove_parametrizations(layer, "{name}")')
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, prune.BasePruningMethod):
                name = str(hook._tensor_name)
                raise _computed(path, name, f'torch.nn.utils.prune.remove(layer, "{name}")')
            if isinstance(hook, WeightNorm | SpectralNorm):
                kind = "weight" if isinstance(hook, WeightNorm) else "spectral"
                raise _computed(path, hook.name, f'torch.nn.utils.remove_{kind}_norm(layer, "{hook.name}")')


def _has_integers(module: nn.Module) -> bool:
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and not (weight.is_floating_point() or weight.is_complex())


def _computed(path: str, name: str, remedy: str) -> UnprunableModelError:
    return UnprunableModelError(f"{path}: its {name} is computed from other tensors at every call; first call {remedy}")
