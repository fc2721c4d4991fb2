"""Positions: at how many places of one example a layer is applied, by which its weights' cost is multiplied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from objectives.device import device_of
from objectives.flops import COUNTED
from objectives.guard import measuring


def positions_in(model: nn.Module, paths: Iterable[str], inputs: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the positions that layers write, by path, in one call; the first dimension of the inputs is 1."""
    counts = dict.fromkeys(paths, 0.0)

    def note(path: str, layer: nn.Module, _inputs: object, output: Tensor) -> None:
        counts[path] += output.numel() // output.shape[1 if isinstance(layer, nn.Conv2d) else -1]

    handles = [model.get_submodule(path).register_forward_hook(partial(note, path)) for path in counts]
    try:
        with measuring(model), torch.inference_mode():
            model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return counts


def positions_of_texts(model: nn.Module, paths: Iterable[str], lengths: ArrayLike) -> dict[str, float]:
    """Return the same as a mean over texts of `lengths` `(n,)` in tokens.

    A layer is applied to every token, once or several times, or to a number of positions that no length changes.
    """
    paths, device, mean = list(paths), device_of(model), float(np.mean(np.asarray(lengths)))
    short, longer = (
        positions_in(model, paths, {"input_ids": torch.ones(1, length, dtype=torch.long, device=device)})
        for length in COUNTED[:2]
    )
    per_token = {path: (longer[path] - short[path]) / (COUNTED[1] - COUNTED[0]) for path in paths}
    return {path: short[path] + per_token[path] * (mean - COUNTED[0]) for path in paths}
