"""Backends by name: whether this machine has one, and one for a study."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from optimizer.backends.backend import Backend, OnnxInputs
from optimizer.backends.pytorch import PyTorch
from optimizer.errors import InputError, UnknownNameError

TORCH, ONNXRUNTIME = PyTorch.name, "onnxruntime"
BACKENDS = (TORCH, ONNXRUNTIME)
NEEDED = ("onnx", "onnxruntime", "onnxscript")  # by ONNX Runtime; the extra `onnx` installs them


def check_backend(name: str, device: torch.device | str = "cpu") -> None:
    """Raise `InputError`, field "backend", for a name that is none, a missing package or a device it does not run on.

    It loads no model, so it is asked before one is.
    """
    if name not in BACKENDS:
        raise UnknownNameError("backend", name, BACKENDS)
    if name == TORCH:
        return
    if torch.device(device).type != "cpu":
        raise InputError("backend", f"{name} runs on the CPU here, and `device` is {device}; use cpu, or torch alone")
    for package in NEEDED:
        try:
            import_module(package)
        except ImportError as error:
            raise InputError("backend", f"{name} needs {package}: pip install 'pruning-optimizer[onnx]'") from error


def backend_of(name: str, *, dense: nn.Module, inputs: OnnxInputs, cache_dir: Path) -> Backend:
    """Return a backend for `dense` and the models that compression makes of it; `inputs` are `family.onnx_inputs()`.

    What it computes once for the dense model, it keeps below `cache_dir`. Raises as `check_backend`.
    """
    check_backend(name)
    if name == TORCH:
        return PyTorch()
    from optimizer.backends.onnxruntime.backend import OnnxRuntime

    return OnnxRuntime(dense, inputs, cache_dir)
