"""Memory: what sessions take to answer a request, each counted in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import Tensor

from optimizer.backends.backend import Graph
from optimizer.backends.onnxruntime import resident
from optimizer.backends.onnxruntime.session import entries, filled_in
from optimizer.errors import MachineError


def peak_bytes(sessions: Sequence[Graph], inputs: Mapping[str, Tensor], *, threads: int) -> list[int]:
    """Return the bytes that each session takes at most while it answers a request, its weights among them.

    They are resident memory of Linux, whole pages, without what the library takes for itself. Raises `MachineError`
    where they cannot be counted.
    """
    with TemporaryDirectory() as place:
        request = Path(place) / "request.npz"
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in filled_in(inputs).items()}
        np.savez(request, **arrays)
        asked = {"request": str(request), "threads": threads, "config": entries()}
        return [_peak_of(session, asked) for session in sessions]


def _peak_of(session: Graph, asked: Mapping[str, object]) -> int:
    with TemporaryDirectory() as place:
        graph = str(session.save(Path(place) / "model.onnx"))
        command = [sys.executable, "-P", str(resident.__file__), json.dumps({"graph": graph, **asked})]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise MachineError(f"memory: {(ran.stderr.strip() or 'no answer').splitlines()[-1]}")
    return int(ran.stdout)


def is_countable() -> bool:
    """Whether this system tells the peak of a process's memory."""
    return resident.CLEAR.exists()
