"""Weights: the names, types and shapes of the tensors of a safetensors checkpoint, read without loading one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from optimizer.errors import InputError, listed

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor as it is stored: its safetensors type (`F32`, `BF16`, `I8`, …) and its shape."""

    dtype: str
    shape: tuple[int, ...]


def stored_tensors(directory: Path) -> dict[str, Stored]:
    """Return the tensors of a checkpoint by name, of all its parts.

    Raises `InputError` where a part is missing or damaged, or is not what the index says.
    """
    if (directory / WHOLE).exists():
        return _read(directory / WHOLE)
    places = _places(directory / INDEX)
    found: dict[str, Stored] = {}
    for part in sorted(set(places.values())):
        if not (directory / part).exists():
            raise InputError("model", f"{directory} lacks {part}, which {INDEX} names; copy it there")
        found |= _read(directory / part)
    if lost := sorted(set(places) - set(found)):
        raise InputError("model", f"{INDEX} names tensors that its files do not contain: {listed(lost)}")
    return found


def check_float(tensors: Mapping[str, Stored]) -> None:
    """Raise `InputError` naming a weight that needs a scale: integers and 8-bit floats."""
    for name, tensor in tensors.items():
        if name.endswith((".weight", ".bias")) and tensor.dtype not in FLOATS:
            raise InputError(
                "model",
                f"tensor {name!r} is stored as {tensor.dtype}: quantized weights are not supported yet. "
                "Give the checkpoint they were made from, in float32, float16 or bfloat16",
            )


def _places(index: Path) -> dict[str, str]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(part) for name, part in places.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("model", f"{index} is damaged ({error}); copy the checkpoint again") from error


def _read(path: Path) -> dict[str, Stored]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return {name: Stored(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (OSError, SafetensorError) as error:
        raise InputError("model", f"{path} is damaged: {error}") from error
