"""Checked: a session answers as torch does."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from optimizer.backends.onnxruntime.graph import GraphBuilder
from optimizer.backends.onnxruntime.session import SessionModel
from optimizer.backends.onnxruntime.weights import STEPS
from search_spaces.layouts.requests import Inputs, logits_of
from search_spaces.layouts.stored import stored_of

TOLERATED, OF_INTEGERS = 1e-4, 0.01  # differences of logits, in floats and where activations are integers


def difference(session: SessionModel, model: nn.Module, requests: Sequence[Inputs], graph: GraphBuilder) -> float:
    """Return the difference of a session's logits from torch's on the CPU, 0 where it is tolerated.

    It is a share of one more than the largest logit, of the row that differs most. Where the session makes integers of
    activations, torch rounds them in the same way; a value between two integers may be rounded to one here and to the
    other there, which layers behind it multiply. So there the median over the rows counts: a graph that is wrong is
    wrong for all of them.
    """
    here = model if next(model.parameters()).is_cpu else copy.deepcopy(model).cpu()
    with _rounding_as(graph, here):
        apart = np.concatenate([_by_row(session, here, request) for request in requests])
    has_integers = bool(graph.integers or graph.fixed)
    found = float(np.median(apart) if has_integers else apart.max())
    return 0.0 if found <= (OF_INTEGERS if has_integers else TOLERATED) else found


def _by_row(session: SessionModel, model: nn.Module, request: Inputs) -> NDArray[np.float64]:
    """Return the largest difference of each row, as a share of one more than the largest logit: `(rows,)`."""
    with torch.inference_mode():
        wanted = logits_of(model(**request)).numpy()
        got = session(**request).logits.numpy()
    if got.shape != wanted.shape:
        return np.full(len(wanted), np.inf)
    rows = np.abs(got - wanted).reshape(len(wanted), -1).astype(np.float64)
    return np.asarray(rows.max(axis=1) / (1 + np.abs(wanted).max()))


@contextmanager
def _rounding_as(graph: GraphBuilder, model: nn.Module) -> Iterator[None]:
    """Have layers read and write the integers that a graph has there, inside."""
    read, written = (graph.fixed.read, graph.fixed.written) if graph.fixed else ({}, {})
    with ExitStack() as hooks:
        for path, within in read.items():
            hook = partial(lambda within, _layer, inputs: (within.rounded(inputs[0]), *inputs[1:]), within)
            hooks.callback(model.get_submodule(path).register_forward_pre_hook(hook).remove)
        for path, within in written.items():
            behind = partial(lambda within, _layer, _inputs, output: within.rounded(output), within)
            hooks.callback(model.get_submodule(path).register_forward_hook(behind).remove)
        for layer in model.modules() if graph.integers else []:
            stored = stored_of(layer)
            if isinstance(layer, nn.Linear) and stored and stored.bits == 8:
                hooks.callback(layer.register_forward_pre_hook(_as_integers).remove)
        yield


def _as_integers(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Round a layer's input as ONNX Runtime does: every token to whole steps, as many as its largest value has."""
    values, *others = inputs
    largest = values.abs().amax(dim=-1, keepdim=True)
    step = torch.where(largest > 0, largest, 1) / STEPS
    return (values / step).round() * step, *others
