"""Tiny random embedders, saved as sentence-transformers folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_checkpoints import tokenizer
from tiny_encoders import BERT_LIKE
from transformers import BertConfig, BertModel

MODULES = ["Transformer", "Pooling", "Normalize"]


def save_folder(place: Path, kinds: list[str] = MODULES, **pooling: bool) -> Path:
    """Save a tiny random encoder as a sentence-transformers folder."""
    torch.manual_seed(0)
    shape = {name: value for name, value in BERT_LIKE.items() if name != "num_labels"}
    BertModel(BertConfig(**shape, initializer_range=0.08), add_pooling_layer=False).save_pretrained(place)
    tokenizer().save_pretrained(place)
    paths = ["", *(f"{i}_{kind}" for i, kind in enumerate(kinds[1:], start=1))]
    types = [f"sentence_transformers.models.{kind}" for kind in kinds]
    modules = [{"path": path, "type": kind} for path, kind in zip(paths, types, strict=True)]
    (place / "modules.json").write_text(json.dumps(modules))
    (place / "1_Pooling").mkdir()
    (place / "1_Pooling" / "config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))
    return place


def embedded(model: Any, encode: Any, texts: list[str]) -> np.ndarray:
    with torch.inference_mode():
        return model(**encode(texts, padding=True, return_tensors="pt", return_token_type_ids=False)).logits.numpy()
