"""Models: a short name, hub id or local directory becomes the directory of a checkpoint on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from optimizer.errors import InputError, UnknownNameError
from optimizer.families.encoders.checkpoint import Checkpoint, inspect_checkpoint
from optimizer.families.encoders.saved import refuse_graph
from optimizer.families.encoders.vocabulary import check_tokenizer_files
from optimizer.hub import fetch_model

BUILT_IN = "phrases-mini"
SHORT_NAMES: Mapping[str, str] = {
    "bert-base": "google-bert/bert-base-uncased",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-large": "google-bert/bert-large-uncased",
    "distilbert": "distilbert/distilbert-base-uncased",
    "distilbert-sst2": "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "roberta-large-mnli": "FacebookAI/roberta-large-mnli",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "camembert-base": "almanach/camembert-base",
    "deberta-v3-small": "microsoft/deberta-v3-small",
    "deberta-v3-base": "microsoft/deberta-v3-base",
    "modernbert-base": "answerdotai/ModernBERT-base",
    "modernbert-large": "answerdotai/ModernBERT-large",
    "electra-small": "google/electra-small-discriminator",
    "electra-base": "google/electra-base-discriminator",
    "electra-large": "google/electra-large-discriminator",
    "albert-base": "albert/albert-base-v2",
    "mpnet-base": "microsoft/mpnet-base",
    "minilm": "microsoft/MiniLM-L12-H384-uncased",
}


def check_model_name(name: str) -> Checkpoint | None:
    """Return the checkpoint of a directory, None for a model to be fetched or trained; uses no network.

    Raises `InputError` for a name that can be none of short name, directory and hub id, and for a directory whose
    checkpoint cannot be pruned.
    """
    if name in SHORT_NAMES or name == BUILT_IN:
        return None
    if Path(name).is_dir():
        return checked_checkpoint(name, Path(name))
    refuse_graph(name)
    if Path(name).is_absolute() or name.startswith((".", "~")):
        raise InputError("model", f"there is no directory {name}")
    if name.count("/") != 1:
        known = [*SHORT_NAMES, BUILT_IN]
        raise UnknownNameError("model", name, known, remedy="A hub id looks like owner/name, a directory must exist.")
    return None


def checked_checkpoint(name: str, directory: Path) -> Checkpoint:
    """Inspect a directory's weights and tokenizer without loading either. Raises `InputError` for what cannot serve."""
    checkpoint = inspect_checkpoint(name, directory)
    check_tokenizer_files(checkpoint)
    return checkpoint


def locate(name: str) -> Path:
    """Return the directory of a model, fetched from the hub where it is not one. Raises `InputError`.

    A short name means its model, even where a directory is called so.
    """
    if name not in SHORT_NAMES and Path(name).is_dir():
        return Path(name)
    return fetch_model(SHORT_NAMES.get(name, name))
