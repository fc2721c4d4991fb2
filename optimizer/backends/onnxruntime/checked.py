"""Checked: a session answers as torch does."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from optimizer.backends.onnxruntime.fixed import Fixed
from optimizer.backends.onnxruntime.session import SessionModel, answers
from search_spaces.layouts.requests import Inputs, logits_of
from search_spaces.layouts.stored import stored_of
from search_spaces.layouts.surgery import share_structure

ABSOLUTE, RELATIVE = 1e-4, 1e-4  # tolerated differences of logits
OF_INTEGERS = 0.05  # of the largest logit: a value between two integers is rounded to one here and to the other there


def difference(session: SessionModel, model: nn.Module, request: Inputs, fixed: Fixed | None = None) -> float:
    """Return the largest difference of a session's logits from torch's on the CPU, 0 where it is tolerated.

    Where the session makes integers of activations, torch rounds them in the same way.
    """
    here = share_structure(model) if next(model.parameters()).is_cpu else copy.deepcopy(model).cpu()
    if fixed:
        _round_as(here, fixed)
    for layer in [] if fixed else here.modules():
        stored = stored_of(layer)
        if isinstance(layer, nn.Linear) and stored and stored.bits == 8:
            layer.register_forward_pre_hook(_as_integers)
    with torch.inference_mode():
        wanted = answers(lambda inputs: logits_of(here(**inputs)), request, one_by_one=session.one_by_one).numpy()
        got = session(**request).logits.numpy()
    loose = OF_INTEGERS * np.abs(wanted).max() if session.one_by_one or fixed else 0.0
    close = got.shape == wanted.shape and np.allclose(got, wanted, atol=max(ABSOLUTE, loose), rtol=RELATIVE)
    return 0.0 if close else float(np.abs(got - wanted).max()) if got.shape == wanted.shape else float("inf")


def _round_as(model: nn.Module, fixed: Fixed) -> None:
    """Have layers, in place, read and write the integers that a graph has there."""
    for path, within in fixed.read.items():
        hook = partial(lambda within, _layer, inputs: (within.rounded(inputs[0]), *inputs[1:]), within)
        model.get_submodule(path).register_forward_pre_hook(hook)
    for path, within in fixed.written.items():
        behind = partial(lambda within, _layer, _inputs, output: within.rounded(output), within)
        model.get_submodule(path).register_forward_hook(behind)


def _as_integers(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Round a layer's input as ONNX Runtime does: to 256 values from its least to its largest, and zero."""
    values, *others = inputs
    low, high = values.min().clamp(max=0), values.max().clamp(min=0)
    scale = (high - low) / 255
    if scale == 0:
        return inputs
    zero = (-low / scale).round()
    return ((values / scale).round() + zero).clamp(0, 255).sub(zero).mul(scale), *others
