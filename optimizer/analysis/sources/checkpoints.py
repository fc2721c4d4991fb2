"""Hugging Face folders: a directory with config.json and safetensors, of any architecture that transformers has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optimizer.analysis.inputs import Inputs, image, text
from optimizer.analysis.sources.exports import MASK, TOKENS
from optimizer.analysis.sources.source import Described, Loaded, of_module, undescribed
from optimizer.errors import InputError, listed
from optimizer.families.encoders.weights import INDEX, WHOLE
from optimizer.manifest import FILE as MANIFEST
from optimizer.torchvision_ops import admit_torchvision

CONFIG = "config.json"


class Checkpoints:
    """A directory that `save_pretrained` wrote."""

    name = "checkpoint"

    def takes(self, place: Path) -> bool:
        """Whether it has a configuration, and is no export of ours."""
        return (place / CONFIG).is_file() and not (place / MANIFEST).is_file()

    def load(self, place: Path, described: Described) -> Loaded:
        """Return the model of the class that its configuration names."""
        from optimizer.families.encoders.loading import check_finite, pretrained  # which loads transformers

        if not ((place / WHOLE).exists() or (place / INDEX).exists()):
            raise InputError("model", f"{place} has no {WHOLE}; save it with safe_serialization=True")
        model, loaded = pretrained(_class_of(place), place)
        if missing := sorted(loaded["missing_keys"]):
            raise InputError("model", f"{place} lacks the weights {listed(missing)}; save the whole model again")
        check_finite(model)
        return of_module(model, described.inputs or _inputs(model.config, place, described), described)


def _class_of(place: Path) -> Any:  # Any: a class of transformers
    config = _read_config(place)
    if config.get("quantization_config"):
        raise InputError("model", f"{place} is quantized, which is not supported; give the checkpoint it was made from")
    named = config.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else ""
    admit_torchvision()
    from search_spaces.layouts import modeling_pruned

    if "pruned" in config and hasattr(modeling_pruned, name):
        return getattr(modeling_pruned, name)
    import transformers

    known = getattr(transformers, name, None)
    if not (isinstance(known, type) and issubclass(known, transformers.PreTrainedModel)):
        raise InputError("model", f"{place / CONFIG} names {name or 'no class'}, which transformers does not have")
    return known


def _read_config(place: Path) -> dict[str, Any]:
    try:
        found = json.loads((place / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("model", f"{place / CONFIG} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise InputError("model", f"{place / CONFIG} must hold an object")
    return found


def _inputs(config: Any, place: Path, described: Described) -> Inputs:
    side, channels = getattr(config, "image_size", None), getattr(config, "num_channels", None)
    if isinstance(channels, int) and side is not None:
        height, width = (side, side) if isinstance(side, int) else side
        return image((channels, height, width))
    if getattr(config, "vocab_size", None):
        return text([TOKENS, MASK], described.length)
    raise undescribed(place)
