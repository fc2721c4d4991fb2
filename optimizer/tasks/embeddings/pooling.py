"""Pooling: how a sentence-transformers folder makes one vector of an encoder's outputs, read from its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizer.errors import InputError, listed

MODULES = "modules.json"
MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}
KINDS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
FOLDER = re.compile(r"\w[\w.-]*")  # 1_Pooling
NAMES: Mapping[type, str] = {list: "array", dict: "object"}
SETTINGS = ("sentence_bert_config.json", "config_sentence_transformers.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """`mode` is mean, cls, max or mean_sqrt_len_tokens. `files` are what describes it, by path in the folder."""

    mode: str
    is_normalised: bool
    files: Mapping[str, bytes]


def read_pooling(directory: Path) -> Pooling:
    """Return the pooling of a folder. Raises `InputError` for other modules than encoder, pooling and normalisation."""
    if not (directory / MODULES).exists():
        raise InputError("model", f"{directory} has no {MODULES}; embeddings need a sentence-transformers folder")
    modules = _modules(directory)
    kinds = _kinds(modules)
    if kinds not in KINDS or modules[0]["path"]:
        raise InputError(
            "model",
            f"{directory / MODULES} has modules {listed(kinds)}; only an encoder in the folder itself, pooling and "
            "normalisation are supported",
        )
    place = f"{modules[1]['path']}/config.json"
    _refuse_other_inputs(directory)
    return Pooling(
        mode=_mode(directory, place),
        is_normalised="Normalize" in kinds,
        files=_contents(directory, MODULES, place, *SETTINGS),
    )


def cross_encoder_files(directory: Path) -> Mapping[str, bytes]:
    """Return the files by which sentence-transformers loads a classifier as a `CrossEncoder`, none in other folders.

    Raises `InputError` for a folder that changes texts before they are tokenised.
    """
    if not (directory / MODULES).exists() or _kinds(_modules(directory)) != ["Transformer"]:
        return {}
    _refuse_other_inputs(directory)
    return _contents(directory, MODULES, *SETTINGS)


def refuse_prompts(directory: Path) -> None:
    """Raise `InputError` for a folder that puts prompts before queries or documents."""
    found = _json(directory, SETTINGS[1], dict) if (directory / SETTINGS[1]).exists() else {}
    if named := [name for name, prompt in (found.get("prompts") or {}).items() if prompt]:
        remedy = "which are not added here: write them into the texts, and empty `prompts` in that file"
        raise InputError("model", f"{directory / SETTINGS[1]} has prompts {listed(named)}, {remedy}")


def _contents(directory: Path, *names: str) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in names if (directory / name).exists()}


def _kinds(modules: list[dict[str, str]]) -> list[str]:
    return [module["type"].rpartition(".")[2] for module in modules]


def _modules(directory: Path) -> list[dict[str, str]]:
    """Return type and path of every module. Raises `InputError` for other contents, and for paths out of the folder."""
    modules: list[dict[str, str]] = _json(directory, MODULES, list)
    fields = [module.get(name) if isinstance(module, dict) else None for module in modules for name in ("type", "path")]
    paths = [str(path) for path in fields[1::2]]
    if not all(isinstance(each, str) for each in fields) or any(FOLDER.fullmatch(path) is None for path in paths[1:]):
        remedy = "needs a type and a folder of its own as path for every module; download the model again"
        raise InputError("model", f"{directory / MODULES} {remedy}")
    return modules


def _mode(directory: Path, place: str) -> str:
    config = _json(directory, place, dict)
    chosen = [MODES.get(key, key) for key, value in config.items() if key.startswith("pooling_mode_") and value]
    chosen = [str(config["pooling_mode"])] if "pooling_mode" in config else chosen
    if len(chosen) != 1 or chosen[0] not in MODES.values():
        known = listed(tuple(MODES.values()))
        raise InputError("model", f"{directory / place} pools by {listed(chosen)}; one of {known} is supported")
    return str(chosen[0])


def _refuse_other_inputs(directory: Path) -> None:
    """Raise `InputError` for a folder that changes texts before they are tokenised."""
    settings = {name: _json(directory, name, dict) for name in SETTINGS if (directory / name).exists()}
    for name, option in ((SETTINGS[0], "do_lower_case"), (SETTINGS[1], "default_prompt_name")):
        if settings.get(name, {}).get(option):
            raise InputError("model", f"{directory / name} sets {option}, which is not supported")


def _json(directory: Path, name: str, kind: type) -> Any:  # Any: JSON data
    try:
        found = json.loads((directory / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("model", f"{directory / name} cannot be read: {error}") from error
    if not isinstance(found, kind):
        raise InputError("model", f"{directory / name} must hold a JSON {NAMES[kind]}; download the model again")
    return found
