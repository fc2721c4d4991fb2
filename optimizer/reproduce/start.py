"""Start: the one call that runs any preset, by the kind of experiment that it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optimizer.reproduce.asked import Asked
from optimizer.reproduce.encoders.plan import EncoderRequest
from optimizer.reproduce.encoders.preset import KIND, load_encoder_preset
from optimizer.reproduce.encoders.reproduce import EncoderReproduction, reproduce_encoders
from optimizer.reproduce.images.plan import Request
from optimizer.reproduce.images.preset import load_preset
from optimizer.reproduce.images.reproduce import Reproduction, reproduce
from optimizer.reproduce.presets import read_preset


def start(
    name: str, asked: Asked, output: Path, *, cache_dir: Path, progress: Callable[[str], None]
) -> Reproduction | EncoderReproduction:
    """Run a preset into `output`. Raises `InputError` for what cannot be run."""
    if read_preset(name).get("kind") == KIND:
        encoders = EncoderRequest(preset=load_encoder_preset(name), **vars(asked))
        return reproduce_encoders(encoders, output, cache_dir=cache_dir, progress=progress)
    return reproduce(Request(preset=load_preset(name), **vars(asked)), output, progress=progress)
