"""Teachers of a tiny checkpoint: models of another shape that answer as it does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification


def saved(model: Path, place: Path, change: Callable[[Path, Path], None]) -> Path:
    """Save a copy of a model with a change."""
    shutil.copytree(model, place)
    change(model, place)
    return place


def deeper(model: Path, place: Path) -> None:
    """Save the model with a third layer, which changes nothing."""
    config = BertConfig.from_pretrained(model, num_hidden_layers=3, attn_implementation="eager")
    twin = BertForSequenceClassification(config)
    stored = AutoModelForSequenceClassification.from_pretrained(model).state_dict()
    missing, _ = twin.load_state_dict(stored, strict=False)
    for name, parameter in twin.named_parameters():
        if name in missing and "LayerNorm" not in name:
            torch.nn.init.zeros_(parameter)
    twin.save_pretrained(place)


def wider(model: Path, place: Path) -> None:
    """Save the model with as many neurons again in each FFN, which write nothing."""
    known = AutoModelForSequenceClassification.from_pretrained(model)
    config = BertConfig.from_pretrained(model, intermediate_size=96, attn_implementation="eager")
    twin = BertForSequenceClassification(config)
    for name, parameter in twin.state_dict().items():
        stored = known.state_dict()[name]
        parameter.zero_()[tuple(map(slice, stored.shape))] = stored
    twin.save_pretrained(place)
