"""The form for a new study, made from the fields of the request, so that pages and API cannot differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from api.http.models import StudyRequest
from optimizer.families.names import MODELS, TASK_NAMES
from optimizer.fields.bounds import PATTERN
from optimizer.fields.fields import MODEL, SEARCH, Offered, offered

SEVERAL = {"json": " A list as in the HTTP API, in JSON.", "list": " Separate several by commas."}
OPEN = (MODEL, SEARCH)  # sections that are shown unfolded
SUGGESTIONS: Mapping[str, Sequence[str]] = {
    "model": tuple(MODELS),
    "task": TASK_NAMES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of the form. `path` is its place in the request; `attributes` are those that browsers check by."""

    name: str
    path: str
    kind: str  # text, number, choice, choices, flag, list or json
    label: str
    hint: str
    default: Any  # Any: JSON data
    options: Sequence[str]
    suggestions: Sequence[str]
    attributes: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form under one heading."""

    title: str
    inputs: Sequence[Input]
    is_open: bool


def sections() -> list[Section]:
    """Return the form: every field of a request, under its heading."""
    return [
        Section(title, [_input(one) for one in fields], is_open=title in OPEN)
        for title, fields in groupby(offered(StudyRequest), key=lambda one: one.section)
    ]


def _input(field: Offered) -> Input:
    name, kind = field.path.rsplit(".", maxsplit=1)[-1], _kind(field)
    return Input(
        name=name,
        path=field.path,
        kind=kind,
        label=field.label,
        hint=field.text.replace("`", "") + SEVERAL.get(kind, ""),
        default=field.default,
        options=field.choices,
        suggestions=SUGGESTIONS.get(name, ()),
        attributes=_attributes(field),
    )


def _kind(field: Offered) -> str:
    if field.choices:
        return "choices" if field.is_list else "choice"
    if field.is_list:
        return "json" if field.kind == "object" else "list"
    return {"boolean": "flag", "integer": "number", "number": "number"}.get(field.kind, "text")


def _attributes(field: Offered) -> dict[str, str | int | float]:
    """Return HTML's own constraints; what lies above an excluded bound is said with `data-above` and `data-below`."""
    named = {
        "minimum": "min", "maximum": "max", "exclusiveMinimum": "data-above", "exclusiveMaximum": "data-below",
        "minLength": "minlength", "maxLength": "maxlength",
    }  # fmt: skip
    found: dict[str, str | int | float] = {
        html: field.schema[key] for key, html in named.items() if key in field.schema
    }
    if field.is_list:
        found["data-items"] = field.kind
    elif field.kind in ("number", "integer"):
        found["step"] = 1 if field.kind == "integer" else "any"
    elif field.schema.get("pattern", PATTERN) != PATTERN:
        found |= {"pattern": field.schema["pattern"], "title": field.text}
    return found | ({"required": "required"} if field.is_required else {})
