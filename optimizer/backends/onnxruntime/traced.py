"""Traced: a model as a graph of its own, by torch's exporter, which takes seconds."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from optimizer.backends.backend import OnnxInputs
from optimizer.errors import InputError
from search_spaces.layouts.requests import logits_of

OUTPUT = "logits"


class _Logits(nn.Module):
    """The classifier as a function of plain tensors, in the order of `names`."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the logits `(batch, labels)`, of questions `(batch, tokens, 2)`."""
        return logits_of(self.model(**dict(zip(self.names, tensors, strict=True))))


def traced(model: nn.Module, inputs: OnnxInputs) -> Any:  # Any: onnx is untyped
    """Return a model's graph, an `onnx.ModelProto`. Raises `InputError` where torch cannot write it."""
    request = on_cpu(inputs.requests[0])
    try:
        return _exported(copy.deepcopy(model).cpu().eval(), request, inputs.free).model_proto
    except torch.onnx.OnnxExporterError as error:
        raise InputError("backend", f"torch cannot write this model as onnx ({error})") from error


def on_cpu(request: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a request on the CPU."""
    return {name: tensor.cpu() for name, tensor in request.items()}


def _exported(model: nn.Module, request: Mapping[str, Tensor], names: Sequence[str]) -> Any:
    free: dict[int, Any] = {index: torch.export.Dim(name) for index, name in enumerate(names)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        return torch.onnx.export(
            _Logits(model, tuple(request)),
            tuple(request.values()),
            input_names=list(request),
            output_names=[OUTPUT],
            dynamic_shapes={"tensors": tuple(free for _ in request)},
            dynamo=True,
            verbose=False,
        )
