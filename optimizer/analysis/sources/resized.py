"""A dense module with the shapes and the values of a file's tensors: its layers become as narrow as they are there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from optimizer.errors import InputError, listed


def resized(model: nn.Module, tensors: Mapping[str, Tensor], place: Path) -> nn.Module:
    """Return `model` itself, in place, with the tensors. Raises `InputError` for those that do not fit its layers."""
    own = model.state_dict()
    lacking, strange = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if lacking or strange:
        told = f"lacks {listed(lacking)}" if lacking else f"holds {listed(strange)}, which the module does not have"
        raise InputError("module", f"{place.name} {told}; give the module whose state dict it is")
    for path, module in model.named_modules():
        named = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        stored = {name: tensors[full] for name, _ in named if (full := f"{path}.{name}".lstrip(".")) in tensors}
        differing = [name for name, tensor in stored.items() if tensor.shape != getattr(module, name).shape]
        if any(stored[name].ndim != getattr(module, name).ndim for name in differing):
            raise _unfit(path, place, "has a tensor")
        if differing:
            _count_again(module, stored, path, place)
    model.load_state_dict(dict(tensors), strict=True, assign=True)
    return model.float()


def _count_again(module: Any, stored: Mapping[str, Tensor], path: str, place: Path) -> None:
    """Set the numbers by which a layer knows its shapes to those of its tensors."""
    shape = tuple(stored["weight"].shape) if "weight" in stored else ()
    match module:
        case nn.Linear():
            module.out_features, module.in_features = shape
        case _ConvNd() if not isinstance(module, _ConvTransposeNd) and shape[2:] == tuple(module.kernel_size):
            is_depthwise = module.groups == module.in_channels > 1 and shape[1] == 1
            if module.groups > 1 and not is_depthwise:
                raise _unfit(path, place, "is a convolution of several groups")
            module.groups = shape[0] if is_depthwise else 1
            module.out_channels, module.in_channels = shape[0], shape[1] * module.groups
        case _NormBase() if shape:
            (module.num_features,) = shape
        case nn.LayerNorm():
            module.normalized_shape = shape
        case nn.Embedding():
            module.num_embeddings, module.embedding_dim = shape
        case _:
            raise _unfit(path, place, f"is a {type(module).__name__}")
    for name, tensor in stored.items():
        held = getattr(module, name)
        empty = torch.empty_like(tensor, device="meta")
        setattr(module, name, nn.Parameter(empty, held.requires_grad) if isinstance(held, nn.Parameter) else empty)


def _unfit(path: str, place: Path, why: str) -> InputError:
    return InputError(
        "module",
        f"{place.name}: {path} {why} of another shape than the module's; give a module of the shapes of the file",
    )
