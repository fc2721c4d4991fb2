"""ONNX: write the pruned model as a graph, and check onnxruntime's logits against torch's."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from optimizer.backends.backend import OnnxInputs
from optimizer.backends.names import ONNXRUNTIME, check_backend
from optimizer.errors import about

FILE = "model.onnx"


def write_onnx(model: nn.Module, directory: Path, inputs: OnnxInputs) -> Path:
    """Write `model.onnx` and check that onnxruntime gives torch's logits.

    Raises `InputError` where the onnx extra is missing or the model cannot be traced, `MachineError` where the logits
    differ.
    """
    with about("format", instead_of="backend"):
        check_backend(ONNXRUNTIME)
        from optimizer.backends.onnxruntime.backend import own_session

        session = own_session(model, inputs)
    path = directory / FILE
    path.write_bytes(session.graph)
    return path
