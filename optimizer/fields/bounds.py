"""Bounds on the names, numbers and lists of a spec: checked when a spec is submitted, skipped for stored specs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sized
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

STORED = "stored"  # the validation context of stored specs
PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$"  # the same for JSON Schema
UNREADABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode categories: control characters, surrogates, line separators


@dataclass(frozen=True, slots=True)
class AtMost:
    """An upper bound on a number, on the characters of a text or on the entries of a collection."""

    most: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # Any: a type
        """Check the bound after everything else."""
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """State the bound."""
        found = handler(schema)
        keyword = {"string": "maxLength", "array": "maxItems"}.get(str(found.get("type")), "maximum")
        if found.get("type") == "integer" and self.most >= 2**53:  # not exact as a float
            return {**found, "exclusiveMaximum": self.most + 1}
        return {**found, keyword: self.most}

    def _checked(self, value: Any, info: ValidationInfo) -> Any:  # Any: a number, a text or a collection
        if info.context != STORED and (len(value) if isinstance(value, Sized) else value) > self.most:
            raise ValueError(self._refusal(value))
        return value

    def _refusal(self, value: object) -> str:
        if isinstance(value, str):
            return f"at most {self.most} characters, not {len(value)}"
        return f"at most {self.most} entries, not {len(value)}" if isinstance(value, Sized) else f"at most {self.most}"


@dataclass(frozen=True, slots=True)
class Readable:
    """A text that can be stored, sent and printed everywhere: no surrogate, no control character, not empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # Any: a type
        """Check the characters after everything else."""
        return core_schema.with_info_after_validator_function(_readable, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the length bounds to the JSON Schema."""
        return {**handler(schema), "minLength": 1, "pattern": PATTERN}


def _readable(text: str, info: ValidationInfo) -> str:
    if info.context != STORED:
        refuse_unreadable(text)
    return text


def refuse_unreadable(text: str) -> None:
    """Raise `ValueError` for an empty text and for one with a character that cannot be stored or printed."""
    if not text:
        raise ValueError("must not be empty")
    if text.isprintable():
        return
    for place, character in enumerate(text):
        if unicodedata.category(character) in UNREADABLE:
            raise ValueError(
                f"character {place + 1} is U+{ord(character):04X}, which cannot be stored or printed; "
                "remove control characters and lone surrogates"
            )


@dataclass(frozen=True, slots=True)
class AsWritten:
    """A number or a truth value that is given as such: no number as text or truth value, no truth value as a number."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # Any: a type
        """Compare what was given with what it was taken for."""
        return core_schema.with_info_wrap_validator_function(_as_written, handler(source))


def _as_written(given: Any, take: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:  # Any: JSON data
    taken = take(given)
    if info.context != STORED and (isinstance(given, str) or isinstance(given, bool) is not isinstance(taken, bool)):
        raise ValueError(f"must be {'true or false' if isinstance(taken, bool) else 'a number'}, not {given!r}")
    return taken


@dataclass(frozen=True, slots=True)
class OrOwn:
    """A choice of names, to which the context of the validation adds those of objects that Python code gives."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # Any: a type
        """Take a name of the context as it is; a stored spec may have any."""
        written = core_schema.to_string_ser_schema()  # an own name is none of the choices
        return core_schema.with_info_wrap_validator_function(_or_own, handler(source), serialization=written)


def _or_own(given: Any, take: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:  # Any: JSON data
    is_own = info.context == STORED or given in (info.context or ())
    return given if is_own and isinstance(given, str) else take(given)


Name = Annotated[str, Readable(), AtMost(300)]
"""A name of a task, a column, a layer or a group."""
Place = Annotated[str, Readable(), AtMost(4096)]
"""A hub id or a path."""
Examples = Annotated[int, Field(ge=1), AtMost(10**9), AsWritten()]
