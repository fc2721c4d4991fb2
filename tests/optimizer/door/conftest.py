"""One tiny model, its data, and one finished study, shared by the tests of the front door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from door_studies import QUICK
from tiny_checkpoints import save_data, save_tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from optimizer import Front, optimize


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a model and with data in one file."""
    root = tmp_path_factory.mktemp("door")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", {"train": 300})
    return root


@pytest.fixture(scope="session")
def loaded(place: Path) -> tuple[Any, Any]:
    """The model and its tokenizer."""
    model = AutoModelForSequenceClassification.from_pretrained(place / "model")
    return model, AutoTokenizer.from_pretrained(place / "model")


@pytest.fixture(scope="session")
def frame(place: Path) -> pd.DataFrame:
    """The data."""
    return pd.read_csv(place / "data" / "train.csv")


@pytest.fixture(scope="session")
def front(place: Path) -> Front:
    """The front of a study that names a directory and a file."""
    return optimize(place / "model", place / "data" / "train.csv", **QUICK)
