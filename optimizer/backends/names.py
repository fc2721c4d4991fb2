"""Names of backends and of their figures, and whether they can run here. Nothing of theirs is imported."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import get_args

from optimizer.errors import InputError, UnknownNameError, about
from optimizer.spec import BackendName, StudySpec

TORCH: BackendName = "torch"
ONNXRUNTIME: BackendName = "onnxruntime"
COMPILED: BackendName = "torch-compile"
CAPTURED: BackendName = "cuda-graph"
OF_TORCH = (COMPILED, CAPTURED)  # made of torch's modules, for each shape of a request
BACKENDS = get_args(BackendName)
COMPILES = 2, 13  # the first torch here whose compile() bounds the compilations of each model by itself
PROPOSES = (ONNXRUNTIME,)  # beside torch: a table of 32 networks, which takes too long where each is compiled
NEEDED = ("onnx", "onnxruntime", "onnxscript")  # by ONNX Runtime; the extra `onnx` installs them

GRAPHS = 5  # raise when the graphs of the same models take other times or answer otherwise
INTEGER_SCALES, BY_TOKEN = "integer_scales", "by-token"  # the condition of what gives integers their scales, and how

TO_TORCH = "latency_ratio_torch"  # the quantity of a ratio to the dense model in torch, of what another backend runs
BACKEND = "backend"  # the condition of a figure: what ran the model; torch where it is not named
BATCH = 32  # of the padded batches in which answers may change
CHANGED = "answers_changed"  # the quantity of the share of verified answers that change in padded batches
ACTIVATIONS, ANSWERS = "activations", "answers"  # conditions of a drop whose layers of 8 bits runtimes answer otherwise
INTEGERS, FLOATS, ONE_BY_ONE = "int8", "float32", "one by one"
FASTEST = "fastest"  # the condition of a figure: whether its backend is the fastest of several


def check_backends(spec: StudySpec) -> None:
    """Raise `InputError` for a backend of a study that cannot run here, before anything is loaded.

    Where the transforms are open, backends that cannot run are left out, unless that is all of them.
    """
    if spec.is_open and backends_here(spec)[0]:
        return
    with about("backends", instead_of="backend"):
        for name in spec.backends:
            check_backend(name, spec.device)


def backends_here(spec: StudySpec) -> tuple[tuple[BackendName, ...], list[str]]:
    """Return the backends of a study that can run on this machine, and why others cannot."""
    found, lacking = list[BackendName](), []
    for name in spec.backends:
        try:
            check_backend(name, spec.device)
            found.append(name)
        except InputError as error:
            lacking.append(str(error).removeprefix("backend: "))
    return tuple(found), lacking


def check_backend(name: str, device: object = "cpu") -> None:
    """Raise `InputError`, field "backend", for a name that is none, a missing package or a device it does not run on.

    It loads no model, so it is asked before one is.
    """
    if name not in BACKENDS:
        raise UnknownNameError("backend", name, BACKENDS)
    if name == TORCH:
        return None
    if name == COMPILED:
        return _check_compiler(str(device))
    if name == CAPTURED:
        return _check_captures(str(device))
    if str(device) != "cpu":
        raise InputError("backend", f"{name} runs on the CPU here, and `device` is {device}; use cpu, or torch alone")
    for package in NEEDED:
        if find_spec(package) is None:
            raise InputError("backend", f"{name} needs {package}: pip install 'pruning-optimizer[onnx]'")
    return None


def _check_captures(device: str) -> None:
    if not device.startswith("cuda"):
        raise InputError("backend", f"{CAPTURED} replays what an NVIDIA GPU runs, and `device` is {device}; use torch")


def compiler() -> str | None:
    """Return the path of the C++ compiler that torch.compile takes on this system, None where there is none."""
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))


def _check_compiler(device: str) -> None:
    if not device.startswith(("cpu", "cuda")):
        raise InputError("backend", f"{COMPILED} runs on the CPU and on CUDA here, and `device` is {device}; use torch")
    if tuple(map(int, version("torch").split(".")[:2])) < COMPILES:
        raise InputError("backend", f"{COMPILED} needs torch {'.'.join(map(str, COMPILES))} or later")
    if compiler() is None:
        raise InputError(
            "backend",
            f"{COMPILED} needs a C++ compiler, and {os.environ.get('CXX', 'g++')} is not here: install g++, or name "
            "one in the variable CXX",
        )
    if device.startswith("cuda") and find_spec("triton") is None:
        raise InputError("backend", f"{COMPILED} on CUDA needs triton: pip install triton")
