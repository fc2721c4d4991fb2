"""Files of tensors: who may read them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from search_spaces.transforms.entries import write_tensors


def test_tensors_have_the_mode_of_any_new_file(tmp_path: Path) -> None:
    plain, weights = tmp_path / "plain", tmp_path / "weights.safetensors"
    plain.touch()
    write_tensors(weights, {"a": torch.ones(2)}, {"format": "pt"})
    assert weights.stat().st_mode == plain.stat().st_mode
    assert load_file(weights)["a"].tolist() == [1.0, 1.0]
