"""ONNX: write the pruned model as a graph, and check onnxruntime's logits against torch's."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from optimizer.errors import InputError, MachineError
from search_spaces.layouts.requests import logits_of

FILE = "model.onnx"
ABSOLUTE, RELATIVE = 1e-4, 1e-4  # tolerated differences of logits


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxInputs:
    """Requests of different sizes: a graph is traced with the first and checked on the others.

    `free` names the first dimensions of every input, which are dynamic in the graph.
    """

    requests: Sequence[dict[str, Tensor]]
    free: tuple[str, ...]


class _Logits(nn.Module):
    """The classifier as a function of plain tensors, in the order of `names`."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the logits `(batch, labels)`, of questions `(batch, tokens, 2)`."""
        return logits_of(self.model(**dict(zip(self.names, tensors, strict=True))))


def write_onnx(model: nn.Module, directory: Path, inputs: OnnxInputs) -> Path:
    """Write `model.onnx` and check that onnxruntime gives torch's logits.

    Raises `InputError` where the onnx extra is missing or the model cannot be traced, `MachineError` where the logits
    differ.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise InputError("format", "onnx needs more packages: pip install 'pruning-optimizer[onnx]'") from error
    path = directory / FILE
    model = copy.deepcopy(model).cpu().eval()  # a GPU rounds the inputs of convolutions, so its logits prove nothing
    first, *others = [{name: tensor.cpu() for name, tensor in request.items()} for request in inputs.requests]
    _trace(model, path, first, inputs.free)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for request in others:
        with torch.inference_mode():
            wanted = logits_of(model(**request)).numpy()
        (got,) = session.run(None, {name: tensor.numpy() for name, tensor in request.items()})
        if not np.allclose(got, wanted, atol=ABSOLUTE, rtol=RELATIVE):
            raise MachineError(
                f"onnxruntime differs from torch by {np.abs(got - wanted).max():.2g}; nothing was written"
            )
    return path


def _trace(model: nn.Module, path: Path, request: Mapping[str, Tensor], names: Sequence[str]) -> None:
    free: dict[int, Any] = {index: torch.export.Dim(name) for index, name in enumerate(names)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        try:
            torch.onnx.export(
                _Logits(model, tuple(request)),
                tuple(request.values()),
                str(path),
                input_names=list(request),
                output_names=["logits"],
                dynamic_shapes={"tensors": tuple(free for _ in request)},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise InputError(
                "format", f"torch cannot write this model as onnx ({error}); export it as safetensors"
            ) from error
