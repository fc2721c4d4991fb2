"""The run's options: fields of a TOML file, overridden by the command line, become a StudySpec."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from api.cli.errors import input_error
from optimizer.errors import InputError, UnknownNameError
from optimizer.spec import CostName, CriterionName, Limits, MetricName, SamplerName, StructureName, StudySpec

LISTS = ("text_columns", "objectives", "keep", "batch_sizes")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sampler": get_args(SamplerName),
    "structure": get_args(StructureName),
    "criterion": get_args(CriterionName),
    "metric": get_args(MetricName),
    "objectives": get_args(CostName),
    "recover": ("none", "finetune"),
}


def spec_from(options: Mapping[str, Any], config: Path | None) -> StudySpec:
    """Return the spec of a run. `options` holds only what was given. Raises `InputError` naming the option."""
    fields = {**(_read_toml(config) if config else {}), **_fields(options)}
    for name in ("model", "task", "epsilon"):
        if name not in fields:
            raise InputError(f"--{name}", "is required; see `optimize --help`")
    _check_choices(fields)
    try:
        return StudySpec.model_validate(fields)
    except ValidationError as error:
        raise input_error(error) from error


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    limits = {
        name.removeprefix("max_"): v for name, v in options.items() if name.removeprefix("max_") in Limits.model_fields
    }
    plain = {name: value for name, value in options.items() if name.removeprefix("max_") not in Limits.model_fields}
    for name in LISTS:
        if name in plain and plain[name] and isinstance(plain[name][0], str):
            plain[name] = [part for value in plain[name] for part in value.split(",") if part]
    return {**plain, **({"limits": limits} if limits else {})}


def _check_choices(fields: Mapping[str, Any]) -> None:
    for name, known in CHOICES.items():
        given = fields.get(name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if value is not None and value not in known:
                raise UnknownNameError(f"--{name}", str(value), known)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("--config", f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("--config", f"{path} is not TOML: {error}") from error
