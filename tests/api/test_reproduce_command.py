"""`optimize reproduce` refuses what cannot work, in words and with the exit code of bad input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import run_here


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
    ended = run_here(["reproduce", *arguments], environment=os.environ, directory=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not ended.stdout
