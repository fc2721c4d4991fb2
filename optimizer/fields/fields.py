"""The fields of a study as every door offers them: heading, label, text, choices, flag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Schema = Mapping[str, Any]  # Any: JSON data

MODEL, DATA, SEARCH = "Model and tolerance", "Data", "Search"
LIMITS, SPACE, MEASURE = "Limits", "Search space", "Measuring"
SECTIONS = (MODEL, DATA, SEARCH, LIMITS, SPACE, MEASURE)  # in the order in which they are shown


def label(name: str, _: object = None) -> str:
    """Return a field's name in words: its title, unless it has its own."""
    return name.replace("_", " ").capitalize()


class Frozen(BaseModel):
    """A frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, field_title_generator=label)


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a field is shown. `option` names its option if the field's name does not.

    For a field that is itself a model, `option` is a template for the options of the model's fields.
    """

    section: str
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A field that a user may set. `path` is its place in a request, such as `limits.flops_ratio`."""

    path: str
    section: str
    flag: str
    schema: Schema  # with what holds of a value that is not null
    label: str
    text: str
    default: Any  # Any: JSON data
    is_required: bool

    @property
    def is_list(self) -> bool:
        """Whether the field takes several values."""
        return bool(self.schema["type"] == "array")

    @property
    def kind(self) -> str:
        """JSON Schema's type of one value: string, integer, number, boolean, or object for one of several fields."""
        return str(self.schema["items"].get("type", "object") if self.is_list else self.schema["type"])

    @property
    def choices(self) -> Sequence[str]:
        """The values to choose from; none where every value of the kind may be given."""
        return tuple((self.schema["items"] if self.is_list else self.schema).get("enum", ()))


@cache
def offered(model: type[BaseModel]) -> tuple[Offered, ...]:
    """Return the fields of a model, section by section. Each field carries `Shown` as metadata."""
    found = _offered(model.model_fields, model.model_json_schema())
    return tuple(sorted(found, key=lambda one: SECTIONS.index(one.section)))


def _offered(fields: Mapping[str, FieldInfo], schema: Schema) -> Iterator[Offered]:
    for name, info in fields.items():
        shown = _shown(info)
        option = shown.option or name.replace("_", "-")
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            inner = schema["$defs"][info.annotation.__name__]
            for part, field in inner["properties"].items():
                flag = option.format(part.replace("_", "-"))
                yield _field(f"{name}.{part}", shown.section, flag, field, is_required=False)
        else:
            required = name in schema["required"]
            yield _field(name, shown.section, option, schema["properties"][name], is_required=required)


def _shown(info: FieldInfo) -> Shown:
    return next(one for one in info.metadata if isinstance(one, Shown))


def _field(path: str, section: str, option: str, schema: Schema, *, is_required: bool) -> Offered:
    inner: Schema = next((one for one in schema.get("anyOf", ()) if one["type"] != "null"), {})
    text, default = schema["description"], schema.get("default")
    return Offered(path, section, f"--{option}", {**inner, **schema}, schema["title"], text, default, is_required)
