"""Tapped: what some layers of a model write while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def tapped(model: nn.Module, paths: Sequence[str]) -> Iterator[Mapping[str, Tensor]]:
    """Yield what the layers at `paths` write, in the order of their calls, filled by every call inside the block."""
    outputs: dict[str, Tensor] = {}

    def tap(path: str) -> torch.utils.hooks.RemovableHandle:
        layer = model.get_submodule(path)
        return layer.register_forward_hook(lambda _layer, _inputs, output: outputs.__setitem__(path, output))

    handles = [tap(path) for path in paths]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
