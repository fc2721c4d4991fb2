"""Start: the experiment of any preset, by the kind that it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from optimizer.reproduce.encoders.experiment import EncoderExperiment
from optimizer.reproduce.encoders.preset import KIND as ENCODERS
from optimizer.reproduce.encoders.preset import EncoderPreset
from optimizer.reproduce.images.experiment import ImageExperiment
from optimizer.reproduce.images.preset import ImagePreset
from optimizer.reproduce.listed.experiment import ListedExperiment
from optimizer.reproduce.listed.preset import KIND as LISTED
from optimizer.reproduce.listed.preset import ListedPreset
from optimizer.reproduce.presets import read_preset
from optimizer.reproduce.pretrained.experiment import PretrainedExperiment
from optimizer.reproduce.pretrained.preset import KIND as PRETRAINED
from optimizer.reproduce.pretrained.preset import PretrainedPreset
from optimizer.reproduce.reproduce import Asked, Experiment


def experiment_of(name: str, asked: Asked, *, cache_dir: Path, progress: Callable[[str], None]) -> Experiment[Any, Any]:
    """Return the experiment of a preset. Raises `InputError`."""
    content = read_preset(name)
    if content.get("kind") == PRETRAINED:
        pretrained = PretrainedPreset.model_validate(content)
        return PretrainedExperiment(preset=pretrained, asked=asked, cache_dir=cache_dir, progress=progress)
    if content.get("kind") == LISTED:
        of_lists = ListedPreset.model_validate(content)
        return ListedExperiment(preset=of_lists, asked=asked, cache_dir=cache_dir, progress=progress)
    if content.get("kind") == ENCODERS:
        encoders = EncoderPreset.model_validate(content)
        return EncoderExperiment(preset=encoders, asked=asked, cache_dir=cache_dir, progress=progress)
    images = ImagePreset.model_validate(content)
    return ImageExperiment(preset=images, asked=asked, cache_dir=cache_dir, progress=progress)
