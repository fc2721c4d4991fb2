"""Backends by name: one for a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from objectives.device import device_of
from optimizer.backends.backend import Backend, OnnxInputs
from optimizer.backends.captured import captured
from optimizer.backends.compiled import ForShapes, Make, Timed, compiled
from optimizer.backends.names import CAPTURED, COMPILED, TORCH, check_backend
from optimizer.backends.pytorch import PyTorch

FOR_SHAPES: Mapping[str, Make] = {COMPILED: compiled, CAPTURED: captured}
"""What makes code or graphs of torch's modules, for each shape of a request."""


def backend_of(name: str, *, dense: nn.Module, inputs: OnnxInputs, timed: Timed, cache_dir: Path) -> Backend:
    """Return a backend for `dense` and the models that compression makes of it; `inputs` are `family.onnx_inputs()`.

    What it computes once for the dense model, it keeps below `cache_dir`. Raises as `check_backend`.
    """
    if name == TORCH:
        return PyTorch()
    check_backend(name, device_of(dense))
    if name in FOR_SHAPES:
        return ForShapes(name, FOR_SHAPES[name], dense, timed)
    from optimizer.backends.onnxruntime.backend import OnnxRuntime

    return OnnxRuntime(dense, inputs, cache_dir)
