"""Fields: each is declared once, with its heading and texts, and found by its place in a request."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from optimizer.fields.fields import DATA, LIMITS, MODEL, SEARCH, Shown, offered
from optimizer.spec import StudySpec


class Bounds(BaseModel):
    cost_ratio: float | None = Field(default=None, description="A bound.")


class Request(BaseModel):
    ways: Annotated[tuple[Literal["a", "b"], ...], Shown(SEARCH, option="way")] = Field(("a",), description="Ways.")
    bounds: Annotated[Bounds, Shown(LIMITS, option="max-{}")] = Bounds()
    name: Annotated[str, Shown(MODEL)] = Field(description="A name.")
    size: Annotated[Annotated[int, Field(ge=1)] | None, Shown(DATA)] = Field(
        None, title="How many", description="Size."
    )


def test_fields_come_by_section_with_all_that_a_door_shows() -> None:
    name, size, ways, bound = offered(Request)
    assert [one.path for one in (name, size, ways, bound)] == ["name", "size", "ways", "bounds.cost_ratio"]
    assert [one.flag for one in (name, size, ways, bound)] == ["--name", "--size", "--way", "--max-cost-ratio"]
    assert (name.is_required, size.is_required, bound.is_required) == (True, False, False)
    assert (size.label, size.text, size.kind, size.schema["minimum"]) == ("How many", "Size.", "integer", 1)
    assert (ways.is_list, ways.kind, ways.choices, ways.default) == (True, "string", ("a", "b"), ["a"])


def test_every_field_of_a_study_has_a_text_that_is_a_sentence() -> None:
    for field in offered(StudySpec):
        assert field.text.endswith("."), field.path
        assert field.label[0].isupper() or field.label.startswith("ε"), field.path
