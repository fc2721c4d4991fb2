"""The presets by name, each a TOML file."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

from optimizer.errors import UnknownNameError

ScaleName = Literal["quick", "paper"]


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _toml_files()))


def read_preset(name: str) -> dict[str, Any]:
    """Return the content of a preset's file. Raises `UnknownNameError` for an unknown preset."""
    if name not in preset_names():
        raise UnknownNameError("name", name, preset_names())
    return tomllib.loads((files("studies.presets") / f"{name}.toml").read_text(encoding="utf-8"))


def _toml_files() -> list[Traversable]:
    return [entry for entry in files("studies.presets").iterdir() if entry.name.endswith(".toml")]
