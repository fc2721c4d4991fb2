"""Further lengths of a study's requests: texts have them, images refuse them, and a model's positions bound them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError
from tiny_checkpoints import tokenizer
from tiny_encoders import tiny

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import check_lengths
from optimizer.families.encoders.texts import TextRequests
from optimizer.families.networks.images import ImageRequests
from optimizer.measuring.measure import further_shapes
from optimizer.spec import StudySpec

LEAST = {"model": "m", "task": "t", "epsilon": 0.1}


def spec(*lengths: int) -> StudySpec:
    return StudySpec.model_validate({**LEAST, "further_lengths": lengths})


def test_requests_of_texts_have_any_length_but_the_one_that_is_timed_anyway() -> None:
    requests = TextRequests(tokenizer(), tiny("distilbert", layers=1), length=8)
    shapes = further_shapes(cast("Any", SimpleNamespace(requests=requests)), spec(8, 16))
    (shape,) = shapes
    assert shape.request(2)["input_ids"].shape == (2, 16)
    assert (shape.conditions, requests.conditions()) == ({"sequence_length": 16}, {"sequence_length": 8})


def test_images_have_no_length() -> None:
    with pytest.raises(InputError, match="further_lengths: are of texts"):
        ImageRequests.at(cast("Any", None), 16)


def test_a_length_that_the_model_has_no_positions_for_is_refused() -> None:
    checkpoint = cast("Any", SimpleNamespace(longest=128, name="m"))
    assert check_lengths(checkpoint, spec(16, 128)) == 128
    with pytest.raises(InputError, match="further_lengths: must be at most 128"):
        check_lengths(checkpoint, spec(16, 129))


@pytest.mark.parametrize("wrong", [[16, 16], [1], ["16"]])
def test_lengths_are_whole_numbers_each_once(wrong: list[object]) -> None:
    with pytest.raises(ValidationError, match="further_lengths"):
        StudySpec.model_validate({**LEAST, "further_lengths": wrong})


def test_studies_from_before_have_none() -> None:
    assert StudySpec.stored(LEAST).further_lengths == ()
