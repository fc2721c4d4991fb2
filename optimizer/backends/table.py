"""Backends by name: one for a study."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from optimizer.backends.backend import Backend, OnnxInputs
from optimizer.backends.names import TORCH, check_backend
from optimizer.backends.pytorch import PyTorch


def backend_of(name: str, *, dense: nn.Module, inputs: OnnxInputs, cache_dir: Path) -> Backend:
    """Return a backend for `dense` and the models that compression makes of it; `inputs` are `family.onnx_inputs()`.

    What it computes once for the dense model, it keeps below `cache_dir`. Raises as `check_backend`.
    """
    check_backend(name)
    if name == TORCH:
        return PyTorch()
    from optimizer.backends.onnxruntime.backend import OnnxRuntime

    return OnnxRuntime(dense, inputs, cache_dir)
