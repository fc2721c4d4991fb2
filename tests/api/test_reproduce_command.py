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


def test_a_dry_run_shows_the_plan_of_the_paper_and_loads_nothing(tmp_path: Path) -> None:
    command = ["reproduce", "pretrained-energy", "--scale", "paper", "--dry-run"]
    ended = run_here(command, environment=os.environ, directory=tmp_path)
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    assert "convnext_base on imagenet-1k: baseline, pretrained, bits-once" in said
    assert "learning_rate 0.01" in said and "reading absolute" in said
    assert said.endswith("81 runs, of which 0 are finished.")
    assert not list(tmp_path.iterdir())
