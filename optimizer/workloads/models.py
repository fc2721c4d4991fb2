"""Models: a short name, hub id or local directory becomes a checkpoint that was looked at before it is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizer.errors import InputError, UnknownNameError
from optimizer.workloads.hub import fetch_model

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
    "electra-small": "google/electra-small-discriminator",
    "electra-base": "google/electra-base-discriminator",
    "electra-large": "google/electra-large-discriminator",
    "minilm": "microsoft/MiniLM-L12-H384-uncased",
}
FAMILIES = ("bert", "roberta", "distilbert", "electra")
HEADS: Mapping[str, str] = {  # a tensor that only a trained classification head has
    "bert": "classifier.weight",
    "roberta": "classifier.out_proj.weight",
    "distilbert": "classifier.weight",
    "electra": "classifier.out_proj.weight",
}
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint on this machine, looked at but not loaded."""

    name: str
    directory: Path
    model_type: str
    config: Mapping[str, Any]  # Any: JSON data
    has_head: bool

    @property
    def label_names(self) -> dict[int, str]:
        """The checkpoint's own label names by id."""
        return {int(index): str(name) for index, name in self.config.get("id2label", {}).items()}

    @property
    def outputs(self) -> int:
        """The number of outputs of the head."""
        return len(self.label_names) or int(self.config.get("num_labels", 2))


def check_model_name(name: str) -> None:
    """Raise `InputError` for a name that can be none of short name, directory and hub id; looks at no network."""
    if name in SHORT_NAMES or name == BUILT_IN:
        return
    if Path(name).is_dir():
        check_directory(Path(name))
    elif Path(name).is_absolute() or name.startswith((".", "~")):
        raise InputError("--model", f"there is no directory {name}")
    elif name.count("/") != 1:
        known = [*SHORT_NAMES, BUILT_IN]
        raise UnknownNameError("--model", name, known, remedy="A hub id looks like owner/name, a directory must exist.")


def locate(name: str) -> Path:
    """Return the directory of a model, fetched from the hub where it is not one. Raises `InputError`."""
    if Path(name).is_dir():
        return Path(name)
    return fetch_model(SHORT_NAMES.get(name, name))


def inspect_checkpoint(name: str, directory: Path) -> Checkpoint:
    """Look at a directory without loading weights. Raises `InputError` for what cannot be pruned or must not be run."""
    config = check_directory(directory)
    model_type = str(config.get("model_type"))
    keys = _tensor_names(directory)
    return Checkpoint(
        name=name,
        directory=directory,
        model_type=model_type,
        config=config,
        has_head=HEADS[model_type] in keys,
    )


def check_directory(directory: Path, families: Sequence[str] = FAMILIES) -> dict[str, Any]:
    """Return the configuration.

    Raises `InputError` unless the place holds a safetensors model of one of the families, without own code.
    """
    try:
        config: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("--model", f"{directory} has no config.json; give the directory of a saved model") from None
    except (OSError, ValueError) as error:
        raise InputError("--model", f"{directory / 'config.json'} cannot be read: {error}") from error
    if "auto_map" in config:
        raise InputError("--model", f"{directory} wants to run its own code, which is never done here")
    if config.get("model_type") not in families:
        raise InputError(
            "--model",
            f"models of type {config.get('model_type')!r} are not supported; families are {', '.join(families)}",
        )
    if not any((directory / name).exists() for name in ("model.safetensors", "model.safetensors.index.json")):
        raise InputError("--model", _without_weights(directory))
    return config


def _without_weights(directory: Path) -> str:
    pickles = sorted(path.name for pattern in PICKLES for path in directory.glob(pattern))
    if not pickles:
        return f"{directory} has no model.safetensors"
    return (
        f"{directory} holds pickles only ({', '.join(pickles)}), which can run code when loaded; load it where you "
        "trust it and save it again with save_pretrained(…), which writes safetensors"
    )


def _tensor_names(directory: Path) -> set[str]:
    from safetensors import SafetensorError, safe_open

    index = directory / "model.safetensors.index.json"
    if index.exists():
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    try:
        with safe_open(directory / "model.safetensors", framework="pt") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise InputError("--model", f"{directory / 'model.safetensors'} is damaged: {error}") from error
