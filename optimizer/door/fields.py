"""Fields: those of a spec as Python callers write them, one value where several may be, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from optimizer.errors import InputError, UnknownNameError
from optimizer.fields.distribution_files import FIELD, read_distributions
from optimizer.spec import Limits, StudySpec


def as_several(fields: Mapping[str, Any]) -> dict[str, Any]:  # Any: one type per field
    """Return the fields with a single text or number in a tuple where the spec takes several, as `batch_sizes=1`.

    A path in place of distributions is read. Raises `InputError` for a file that has none.
    """
    place = fields.get(FIELD)
    read = {FIELD: read_distributions(Path(place))} if isinstance(place, Path | str) else {}
    return {
        name: (each,) if _takes_several(name) and isinstance(each, str | int) else each
        for name, each in {**fields, **read}.items()
    }


def in_words(error: ValidationError) -> InputError:
    """Return the first error of a spec by its field, with the nearest name for one that is unknown."""
    first = error.errors()[0]
    *above, last = map(str, first["loc"]) if first["loc"] else ["study"]
    if first["type"] == "extra_forbidden":
        return UnknownNameError("limits", last, Limits.model_fields) if above else _unknown(last)
    said, given = first["msg"].removeprefix("Value error, "), f", got {first.get('input')!r:.200}"
    return InputError(".".join((*above, last)), said + ("" if first["type"] == "missing" else given))


def _unknown(argument: str) -> UnknownNameError:
    return UnknownNameError("argument", argument, StudySpec.model_fields)


def _takes_several(name: str) -> bool:
    field = StudySpec.model_fields.get(name)
    return field is not None and _is_of_tuples(field.annotation)


def _is_of_tuples(annotation: object) -> bool:
    return get_origin(annotation) is tuple or any(map(_is_of_tuples, get_args(annotation)))
