"""The command line as a user types it, with a database and a cache of its own.

A call runs in the process of the tests, which spares seconds of imports; `process=True` and `start` take a whole one,
where signals, file systems or the environment are the point.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import torch

from api.cli.app import run
from api.logs import ACCESS

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOGGERS = ("api", ACCESS, "transformers", "uvicorn")  # whose levels commands set
IN_TURN = """
import json, sys
from api.cli.app import main, run
sys.argv, then = json.loads(sys.argv[1])
if not (code := run()):
    sys.argv = then
    main()
sys.exit(code)
"""
Done = subprocess.CompletedProcess[str]


class Cli:
    """Runs `optimize` with its own database and cache."""

    def __init__(self, root: Path, assets: Path) -> None:
        self.root, self.assets = root, assets
        self.shared = ["--storage", f"sqlite:///{root}/s.sqlite", "--cache-dir", str(root / "cache")]
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(root / "hub")}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", "from api.cli.app import main; main()", *self.shared, *arguments]

    def __call__(self, *arguments: str, process: bool = False) -> Done:
        if process:
            return subprocess.run(
                self.command(*arguments),
                env=self.environment,
                cwd=self.root,
                text=True,
                capture_output=True,
                check=False,
            )
        return run_here([*self.shared, *arguments], environment=self.environment, directory=self.root)

    def start(self, *arguments: str, then: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start it as a terminal does: an interrupt is heard, even where whoever runs the tests ignores it.

        What it is told to do `then` comes after a success, in the same process: so all is imported once.
        """
        turns = [["optimize", *self.shared, *each] for each in (arguments, then)]
        in_turn = [sys.executable, "-W", "ignore", "-c", IN_TURN, json.dumps(turns)]
        return subprocess.Popen(
            in_turn if then else self.command(*arguments),
            env=self.environment,
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE if then else None,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def study(self, *more: str, trials: int = 9) -> list[str]:
        options = {"model": self.assets / "model", "task": "colours", "data": self.assets / "data", "epsilon": "0.2"}
        given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return [
            *given,
            "--trials",
            str(trials),
            "--batch-size",
            "1",
            "--calibration-examples",
            "64",
            "--measure-seconds",
            "0.02",
            "--threads",
            "1",
            *more,
        ]


def run_here(
    arguments: Sequence[str], *, environment: Mapping[str, str], directory: Path, encoding: str = "utf-8"
) -> Done:
    """Run the command line in this process, at a terminal of this encoding; nothing that it sets outlives the call."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2)]
    with (
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
        chdir(directory),
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["optimize", *arguments]),
        warnings.catch_warnings(action="ignore"),
        _as_before(),
    ):
        try:
            code = run()
        except Exception:
            traceback.print_exc()
            code = 1
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    return subprocess.CompletedProcess(arguments, code, out, err)


@contextmanager
def _as_before() -> Iterator[None]:
    threads, handlers = torch.get_num_threads(), {number: signal.getsignal(number) for number in SIGNALS}
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        torch.set_num_threads(threads)
