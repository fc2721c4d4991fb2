"""`optimize reproduce` refuses what cannot work, in words and with the exit code of bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def optimize(*arguments: str, place: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", "from api.cli import main; main()", "reproduce", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, cwd=place, text=True, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mlp-layerwize",), "did you mean 'mlp-layerwise'"),
        (("mlp-layerwise", "--scale", "huge"), "--scale: unknown name 'huge'"),
        (("mlp-layerwise", "--dataset", "mnist", "--data", "nowhere"), "--data: nowhere is not a directory"),
        (("efficient-bert", "--scale", "paper", "--model", "bert-large"), "the hub cannot be reached for"),
    ],
)
def test_bad_input_is_said_in_words(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    ended = optimize(*arguments, place=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not ended.stdout
