"""The command line as a user types it: whole processes with a database and a cache of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Cli:
    """Runs `optimize` with its own database and cache."""

    def __init__(self, root: Path, assets: Path) -> None:
        self.root, self.assets = root, assets
        self.shared = ["--storage", f"sqlite:///{root}/s.sqlite", "--cache-dir", str(root / "cache")]
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(root / "hub")}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", "from api.cli import main; main()", *self.shared, *arguments]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, cwd=self.root, text=True, capture_output=True, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it as a terminal does: an interrupt is heard, even where whoever runs the tests ignores it."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            cwd=self.root,
            text=True,
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
            "0.2",
            "--threads",
            "1",
            *more,
        ]
