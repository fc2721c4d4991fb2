"""Start: the one call that runs any preset, by the kind of experiment that it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optimizer.reproduce.encoders.plan import EncoderRequest
from optimizer.reproduce.encoders.preset import KIND, load_encoder_preset
from optimizer.reproduce.encoders.reproduce import EncoderReproduction, reproduce_encoders
from optimizer.reproduce.plan import Request
from optimizer.reproduce.preset import ScaleName, load_preset, read_preset
from optimizer.reproduce.reproduce import Reproduction, reproduce


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What can be asked of any preset; None means what the preset says."""

    name: str
    scale: ScaleName = "quick"
    dataset: str | None = None
    directory: Path | None = None
    model: str | None = None
    runs: int | None = None


def start(
    asked: Asked, output: Path, *, cache_dir: Path, progress: Callable[[str], None]
) -> Reproduction | EncoderReproduction:
    """Run a preset into `output`. Raises `InputError` for what cannot be run."""
    if read_preset(asked.name).get("kind") == KIND:
        request = EncoderRequest(
            preset=load_encoder_preset(asked.name),
            scale=asked.scale,
            dataset=asked.dataset,
            directory=asked.directory,
            model=asked.model,
            runs=asked.runs,
        )
        return reproduce_encoders(request, output, cache_dir=cache_dir, progress=progress)
    images = Request(
        preset=load_preset(asked.name),
        scale=asked.scale,
        dataset=asked.dataset,
        directory=asked.directory,
        model=asked.model,
        runs=asked.runs,
    )
    return reproduce(images, output, progress=progress)
