"""Tiny checkpoints on disk, tokenizer included, and small labelled data to go with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tiny_encoders import tiny
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

WORDS = [f"w{i}" for i in range(40)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LABELS = ("red", "green", "blue")
DISTILLED: Mapping[str, Any] = {  # fields of a short study of such data whose lean configs are trained
    "task": "colours",
    "batch_sizes": (1,),
    "measure_seconds": 0.02,
    "calibration_examples": 64,
    "threads": 1,
    "recover": "distill",
}


def tokenizer(*, gives_types: bool = False) -> PreTrainedTokenizerFast:
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ["input_ids", "token_type_ids", "attention_mask"] if gives_types else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_input_names=names,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def save_tiny(directory: Path, family: str = "bert", labels: tuple[str, ...] = LABELS) -> Path:
    """Save a tiny random classifier whose answers are spread over its labels."""
    model = tiny(family, len(labels))
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {name: index for index, name in enumerate(labels)}
    _spread_answers(model)
    model.save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory


def _spread_answers(model: torch.nn.Module) -> None:
    """Scale random weights until answers depend on the words, and centre them so that every label is given."""
    texts = tokenizer()(sentences(200, seed=99), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.mul_(12)
        logits = model(**texts).logits
        linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
        last = [module for module in linears if module.out_features == logits.shape[1]][-1]
        last.bias.sub_(logits.median(dim=0).values)
        last.weight.div_(logits.std())
        last.bias.div_(logits.std())


def sentences(n: int, seed: int, words: int = 6) -> list[str]:
    """Return different sentences of words that the tokenizer knows."""
    rng = np.random.default_rng(seed)
    made: dict[str, None] = {}
    while len(made) < n:
        made[" ".join(rng.choice(WORDS, size=rng.integers(2, words + 1)))] = None
    return list(made)


def save_data(
    directory: Path,
    model_directory: Path,
    sizes: dict[str, int],
    *,
    noise: float = 0.1,
    labels: tuple[str, ...] = LABELS,
    pairs: bool = False,
) -> Path:
    """Save splits labelled by the model itself, some labels changed, so that it is a good baseline.

    With `pairs` each sentence has an `other`.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    directory.mkdir(parents=True, exist_ok=True)
    model = AutoModelForSequenceClassification.from_pretrained(model_directory).eval()
    encode = AutoTokenizer.from_pretrained(model_directory)
    for seed, (split, n) in enumerate(sizes.items()):
        columns = {"sentence": sentences(n, seed)} | ({"other": sentences(n, seed + 50)} if pairs else {})
        with torch.inference_mode():
            answers = model(**encode(*columns.values(), padding=True, return_tensors="pt")).logits.argmax(dim=1).numpy()
        rng = np.random.default_rng(seed)
        chosen = np.where(rng.random(n) < noise, rng.integers(0, len(labels), n), answers)
        pd.DataFrame({**columns, "label": [labels[i] for i in chosen]}).to_csv(directory / f"{split}.csv", index=False)
    return directory
