"""What a spec takes at the doors, and that what was stored before a bound was drawn is still read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from optimizer.errors import BrokenSpecError
from optimizer.spec import StudySpec

LEAST = {"model": "bert-base", "task": "sst2", "epsilon": 0.01}
BEYOND = {
    "trials": 10**6 + 1,
    "seed": 2**63,
    "threads": 1025,
    "epochs": 10**5 + 1,
    "round_to": 2**16 + 1,
    "timeout": 1e10,
    "max_length": 2**20 + 1,
    "sequence_length": 2**20 + 1,
    "batch_sizes": [2**16 + 1],
    "calibration_examples": 10**9 + 1,
    "search_examples": 10**9 + 1,
    "verification_examples": 10**9 + 1,
    "model": "m" * 4097,
    "data": "d" * 4097,
    "weights": "w" * 4097,
    "task": "t" * 301,
    "label_column": "l" * 301,
    "keep": ["layer"] * 1001,
    "text_columns": ["a"] * 17,
}


@pytest.mark.parametrize("field", BEYOND)
def test_every_number_text_and_list_has_an_end_but_what_is_stored_is_read(field: str) -> None:
    given = LEAST | {field: BEYOND[field]}
    with pytest.raises(ValidationError, match=f"{field}(.|\n)*at most"):
        StudySpec.model_validate(given)
    assert StudySpec.stored(given).model_dump(mode="json")[field] == BEYOND[field]


@pytest.mark.parametrize("text", ["a\0", "a\ud83d", "a\n", "\x1b[2J", "\x7f", "\x85", "a\u2028", ""], ids=ascii)
@pytest.mark.parametrize("field", ["model", "task", "data", "weights", "label_column", "text_columns", "keep"])
def test_no_text_holds_what_cannot_be_stored_or_printed(field: str, text: str) -> None:
    value = [text] if field in ("text_columns", "keep") else text
    with pytest.raises(ValidationError, match=field):
        StudySpec.model_validate(LEAST | {field: value})


def test_every_field_that_could_be_endless_has_a_bound() -> None:
    schema = StudySpec.model_json_schema()
    fields = {**schema["properties"], **schema["$defs"]["Limits"]["properties"]}
    assert [name for name, field in fields.items() if any(map(is_endless, branches(field)))] == []


def branches(field: dict) -> list[dict]:
    found = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    return [*found, *(part for one in found if "items" in one for part in branches(one["items"]))]


def is_endless(field: dict) -> bool:
    ends = {
        "string": {"maxLength", "enum", "const", "pattern"},
        "array": {"maxItems"},
        "integer": {"maximum", "exclusiveMaximum"},
        "number": {"maximum", "exclusiveMaximum"},
    }
    wanted = ends.get(field.get("type", ""))
    is_of_words = field.get("type") == "array" and "enum" in field["items"]  # each once
    return wanted is not None and not is_of_words and not wanted & set(field)


GUESSED = [
    {"trials": True},
    {"trials": "5"},
    {"epsilon": "0.5"},
    {"seed": False},
    {"timeout": "60"},
    {"batch_sizes": ["1"]},
    {"limits": {"flops_ratio": "0.5"}},
    {"search_examples": "100"},
    {"reconstruct": 0},
    {"allow_untrained": "yes"},
]


@pytest.mark.parametrize("field", GUESSED, ids=str)
def test_numbers_and_truth_values_are_taken_as_they_are_written(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"must be (a number|true or false), not "):
        StudySpec.model_validate(LEAST | field)
    assert StudySpec.stored(LEAST | field)  # as they were taken before


def test_a_whole_number_may_be_written_as_a_float_and_the_other_way_round() -> None:
    spec = StudySpec.model_validate(LEAST | {"trials": 5.0, "timeout": 60})
    assert (spec.trials, spec.timeout) == (5, 60.0)


def test_names_of_all_languages_are_names() -> None:
    names = {"task": "意見", "label_column": "Ärger 😀", "keep": ("слой.0",)}
    spec = StudySpec.model_validate(LEAST | names)
    assert spec.model_dump(include=set(names)) == names


def test_a_stored_spec_that_is_none_says_which_field() -> None:
    with pytest.raises(BrokenSpecError, match=r"study: .*\(recover: "):
        StudySpec.stored(LEAST | {"recover": "gone"})


def test_structure_and_transforms_say_the_same() -> None:
    assert StudySpec.model_validate(LEAST).applied == ("units",)
    assert StudySpec.model_validate(LEAST | {"structure": "weights"}).applied == ("masks",)
    masked = StudySpec.model_validate(LEAST | {"transforms": ["masks"]})
    assert (masked.structure, masked.objectives, masked.criterion) == ("weights", ("parameters",), "magnitude-l1")
    with pytest.raises(ValidationError, match="transforms units are not of structure 'weights'"):
        StudySpec.model_validate(LEAST | {"transforms": ["units"], "structure": "weights"})
    with pytest.raises(ValidationError, match="'masks' cannot follow 'units'"):
        StudySpec.model_validate(LEAST | {"transforms": ["units", "masks"]})
    with pytest.raises(ValidationError, match="transforms"):
        StudySpec.model_validate(LEAST | {"transforms": 3})
