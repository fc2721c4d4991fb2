"""The run's options: one for every field of a spec. What is given, over the fields of a TOML file, becomes a spec."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from inspect import Parameter, Signature
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, cast

import typer
from pydantic import ValidationError

from api.cli.errors import input_error
from api.cli.wording import in_flags
from optimizer.errors import InputError, UnknownNameError
from optimizer.fields.distribution_files import read_distributions
from optimizer.fields.fields import LIMITS, Offered, offered
from optimizer.spec import Limits, StudySpec

FIELDS: Mapping[str, Offered] = {one.flag[2:].replace("-", "_"): one for one in offered(StudySpec)}  # by parameter
RATIOS = {name: field for name, field in FIELDS.items() if field.section == LIMITS}
TYPES: Mapping[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool, "object": Path}

FILES = "object"  # a value of several fields, which is read from a file
SEVERAL = {"string": "; commas separate several", FILES: ", from a TOML, JSON or CSV file; may repeat"}


def limits_of(**options: float | None) -> dict[str, float]:
    """Return the limits that were given, by cost. This is a bundle. Raises `InputError` for one that is no ratio."""
    given = {RATIOS[name].path.split(".")[1]: limit for name, limit in options.items() if limit is not None}
    try:
        Limits.model_validate(given)
    except ValidationError as error:
        raise input_error(error, "limits") from error
    return {name.removesuffix("_ratio"): limit for name, limit in given.items()}


def given_of(**options: Any) -> dict[str, Any]:  # Any: one type per option
    """Return the options that were given, by the path of their field. This is a bundle: `taking` spreads it."""
    return {FIELDS[name].path: value for name, value in options.items() if value is not None and value != []}


def spec_from(given: Mapping[str, Any], config: Path | None) -> StudySpec:
    """Return the spec of a run. `given` holds values by the path of their field. Raises `InputError`."""
    fields = _read_toml(config) if config else {}
    for field in FIELDS.values():
        if field.path in given:
            _put(fields, field.path, _value(field, given[field.path]))
    for field in FIELDS.values():
        _check(field, fields)
    try:
        return StudySpec.model_validate(fields)
    except ValidationError as error:
        raise input_error(error) from error


def _parameter(name: str, field: Offered) -> Parameter:
    one = TYPES[field.kind]
    kind: Any = GenericAlias(list, one) if field.is_list else one
    flag = f"{field.flag}/--no-{field.flag[2:]}" if field.default is True else field.flag
    metavar = "FILE" if field.kind == FILES else None
    option = typer.Option(flag, help=_help(field), rich_help_panel=field.section, metavar=metavar)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _help(field: Offered) -> str:
    """Return a field's text with its choices, its default and how several values are given."""
    *most, last = field.choices or ("",)
    choices = f": {', '.join(most)} or {last}" if most else ""
    default = ", ".join(map(str, field.default)) if isinstance(field.default, list) else field.default
    kept = f" ({default:g})" if isinstance(default, float) else f" ({default})"
    shown = "" if isinstance(default, bool) or default in (None, "") else kept
    several = SEVERAL.get(field.kind, "; may repeat") if field.is_list else ""
    return f"{in_flags(field.text).removesuffix('.')}{choices}{shown}{several}."


def _put(fields: dict[str, Any], path: str, value: object) -> None:
    *above, name = path.split(".")
    for part in above:
        fields = fields.setdefault(part, {})
        if not isinstance(fields, dict):
            raise InputError("config", f"{part} must be a table, not {fields!r}")
    fields[name] = value


def _value(field: Offered, given: Any) -> Any:  # Any: what an option holds, JSON data
    if field.kind == FILES:
        return [one for path in given for one in read_distributions(path)]
    return _parts(given) if field.is_list else given


def _parts(values: list[Any]) -> list[Any]:
    return [part for value in values for part in (value.split(",") if isinstance(value, str) else [value]) if part]


def _check(field: Offered, fields: Mapping[str, Any]) -> None:
    """Raise `InputError` for a field that is missing, and for an unknown choice with the nearest ones."""
    value = fields.get(field.path)
    if value is None and field.is_required:
        raise InputError(field.path, "is required; see `optimize --help`")
    for one in value if isinstance(value, list) else [value]:
        if field.choices and one is not None and one not in field.choices:
            raise UnknownNameError(field.path, str(one), field.choices)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("config", f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("config", f"{path} is not TOML: {error}") from error


cast("Any", given_of).__signature__ = Signature([_parameter(name, field) for name, field in FIELDS.items()])
cast("Any", limits_of).__signature__ = Signature([_parameter(name, field) for name, field in RATIOS.items()])
