"""The examples of docs/embedding.md, run in order, with cheap studies of a tiny model."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from door_studies import QUICK

PAGE = Path(__file__).parents[3] / "docs" / "embedding.md"
ASKED = "epsilon=0.01"
OF_ESTIMATORS = {name: value for name, value in QUICK.items() if name not in ("epsilon", "trials", "progress")}
CHEAP = ", ".join(f"{name}={value!r}" for name, value in {**QUICK, "trials": 2, "epsilon": 0.4}.items())


def examples() -> list[str]:
    """The page's blocks of Python, their studies made cheap."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    cheap = [block.replace(ASKED, CHEAP) for block in blocks]
    return [
        block.replace(
            f'my-model", {CHEAP}, limits', f'my-model", epsilon=0.4, trials=2, options={OF_ESTIMATORS!r}, limits'
        )
        for block in cheap
    ]


@pytest.fixture(scope="module")
def names(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples leave behind."""
    root = tmp_path_factory.mktemp("embedding")
    shutil.copytree(place / "model", root / "my-model")
    shutil.copy(place / "data" / "train.csv", root / "reviews.csv")
    found: dict[str, Any] = {"__name__": "example"}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a member that is verified only
        patch.chdir(root)
        for number, block in enumerate(examples()):
            exec(compile(block, f"{PAGE} block {number}", "exec"), found)
            found.setdefault("first_front", found["front"])
    return found


def test_eight_lines_lead_from_a_csv_to_a_smaller_loaded_model(names: dict[str, Any]) -> None:
    first = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    assert len([line for line in first.splitlines() if line]) <= 8
    assert names["logits"].shape == (2, 3)
    best = min(names["first_front"], key=lambda member: member.verification.drop)
    assert sum(parameter.numel() for parameter in names["model"].parameters()) == best.parameters
    assert best.flops_ratio < 0.9


def test_the_examples_do_what_the_page_says(names: dict[str, Any]) -> None:
    assert isinstance(names["front"].table(), pd.DataFrame)
    assert len(names["answers"]) == 2
    assert isinstance(names["small"].model, torch.nn.Module)
    assert names["result"].state == "complete"
    assert names["classifier"].front_.result.candidates_evaluated == 2
    assert len(names["trials"].trials) == 2
    assert 0 < names["outer"].best_value < 1
