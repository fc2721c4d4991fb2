"""Resident: a program that tells how much memory ONNX Runtime takes to answer a request.

    python resident.py '{"graph": "model.onnx", "request": "request.npz", "threads": 1, "config": {}}'

The graph is run once for what the library keeps for itself, then, freed again, once more. It prints the bytes by which
the resident memory is at most larger than before that second session was made, while it answers. The program needs
Linux, and of Python's packages ONNX Runtime alone.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PEAK = "5"  # written to CLEAR: the peak begins anew


def main() -> None:
    """Print the bytes that the graph takes."""
    sys.stdout.write(str(resident(**json.loads(sys.argv[1]))))


def resident(*, graph: str, request: str, threads: int, config: Mapping[str, str]) -> int:
    """Return the bytes that a session takes at most while it answers a request."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    for name, value in config.items():
        options.add_session_config_entry(name, value)
    held = dict(np.load(request))

    def asked(session: Any) -> Any:  # Any: onnxruntime is untyped
        inputs = {each.name for each in session.get_inputs()}
        session.run(None, {name: values for name, values in held.items() if name in inputs})
        return session

    def made() -> Any:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    asked(made())
    give_back()
    before = status("VmRSS")
    session = asked(made())
    give_back()
    CLEAR.write_text(PEAK)
    asked(session)
    return status("VmHWM") - before


def give_back() -> None:
    """Return freed memory to the system: glibc keeps it."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def status(name: str) -> int:
    """Return an entry of this process's status in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
