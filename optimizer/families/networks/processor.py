"""Processor: how an image processor of transformers normalises pixels, read from its file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from optimizer.errors import InputError
from optimizer.tasks.images.data import Normalisation

FILE = "preprocessor_config.json"


def processor_normalisation(directory: Path) -> Normalisation | None:
    """Return how the processor saved in a directory normalises; None without a processor or without normalisation.

    Raises `InputError` for a file that is not what a processor writes.
    """
    file = directory / FILE
    try:
        return _as_said(json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, KeyError):
        return None
    except (OSError, ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError("model", f"{file} cannot be read: {error}") from error


def _as_said(said: dict[str, Any]) -> Normalisation:  # Any: JSON data
    factor = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
    mean, spread = (tuple(float(value) / factor for value in said[key]) for key in ("image_mean", "image_std"))
    if not said.get("do_normalize", True):
        mean, spread = (0.0,) * len(mean), (1 / factor,) * len(spread)
    if not all(map(math.isfinite, (*mean, *spread))) or 0.0 in spread:
        raise ValueError("image_mean, image_std and rescale_factor must be finite, the last two not 0")
    return Normalisation(mean, spread)
