"""Backends by name: one for a study."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from optimizer.backends.backend import Backend, OnnxInputs
from optimizer.backends.compiled import Timed, TorchCompile
from optimizer.backends.names import COMPILED, TORCH, check_backend
from optimizer.backends.pytorch import PyTorch


def backend_of(name: str, *, dense: nn.Module, inputs: OnnxInputs, timed: Timed, cache_dir: Path) -> Backend:
    """Return a backend for `dense` and the models that compression makes of it; `inputs` are `family.onnx_inputs()`.

    What it computes once for the dense model, it keeps below `cache_dir`. Raises as `check_backend`.
    """
    if name == TORCH:
        return PyTorch()
    check_backend(name)
    if name == COMPILED:
        return TorchCompile(dense, timed)
    from optimizer.backends.onnxruntime.backend import OnnxRuntime

    return OnnxRuntime(dense, inputs, cache_dir)
