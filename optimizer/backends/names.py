"""Names of backends and of their figures, and whether they can run here. Nothing of theirs is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from optimizer.errors import InputError
from optimizer.spec import TORCH, BackendName, StudySpec

PACKAGES: Mapping[BackendName, tuple[str, ...]] = {TORCH: (), "onnxruntime": ("onnxruntime", "onnx", "onnxscript")}

TO_TORCH = "latency_ratio_torch"  # the quantity of a ratio to the dense model in torch, of what another backend runs
FASTEST = "fastest"  # the condition of a figure: whether its backend is the fastest of several


def check_backends(spec: StudySpec) -> None:
    """Raise `InputError` for a backend whose packages are not installed, or that cannot run on the device."""
    for name in spec.backends:
        if any(find_spec(package) is None for package in PACKAGES[name]):
            raise InputError("backends", f"{name} needs more packages: pip install 'pruning-optimizer[onnx]'")
        if name != TORCH and spec.device != "cpu":
            raise InputError("backends", f"{name} runs models on the CPU; leave it out, or give `device=cpu`")
