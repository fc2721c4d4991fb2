"""ONNX Runtime as a backend of one study."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from optimizer.backends.backend import OnnxInputs
from optimizer.backends.onnxruntime.checked import check
from optimizer.backends.onnxruntime.session import SessionModel
from optimizer.backends.onnxruntime.traced import traced


class OnnxRuntime:
    """`Backend` of graphs on the CPU."""

    name = "onnxruntime"

    def __init__(self, dense: nn.Module, inputs: OnnxInputs, cache_dir: Path) -> None:
        self._dense, self._inputs, self._cache = dense, inputs, cache_dir

    def runs(self, model: nn.Module) -> SessionModel:
        """Return the model's session, whose answers are those of torch."""
        return own_session(model, self._inputs)


def own_session(model: nn.Module, inputs: OnnxInputs) -> SessionModel:
    """Return the session of a graph that was traced for this model alone, and checked.

    Raises `InputError` where torch cannot write the model as a graph, `MachineError` where the logits differ.
    """
    made = SessionModel(traced(model, inputs).SerializeToString())
    check(made, model, inputs.requests[1:])
    return made
