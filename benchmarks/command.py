"""Run the project's own commands as a user would, each in a process of its own, and measure what they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OPTIMIZE = "from api.cli.app import main; main()"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed as JSON, how long it took, in CPU time too, and how much memory it held at most."""

    output: Any
    seconds: float
    cpu_s: float
    peak_bytes: int


def optimize(*arguments: str) -> Ran:
    """Run `optimize … --json`. Raises `SystemExit` with its exit code where it fails."""
    return _run([sys.executable, "-c", OPTIMIZE, *arguments, "--json"])


def module(name: str, *arguments: str) -> Ran:
    """Run a module that prints one JSON object."""
    return _run([sys.executable, "-m", name, *arguments])


def _run(command: Sequence[str]) -> Ran:
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None  # it was asked for
    with process.stdout as stream:
        printed = stream.read()
    _, status, usage = os.wait4(process.pid, 0)  # the memory of this child alone
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: nothing was feasible, which is an answer
        raise SystemExit(process.returncode)
    unit = 1 if sys.platform == "darwin" else 1024
    cpu_s = usage.ru_utime + usage.ru_stime
    return Ran(json.loads(printed), time.monotonic() - started, cpu_s, usage.ru_maxrss * unit)
