"""When a measured value agrees with a published one, and how both are written."""

from __future__ import annotations

import pytest

from optimizer.reproduce.images.quantities import agrees, in_words
from optimizer.reproduce.images.rows import PublishedValue


def published(metric: str, **bounds: float) -> PublishedValue:
    given = {"value": None, "at_least": None, "at_most": None, **bounds}
    return PublishedValue.model_validate({"metric": metric, "where": "section 1", **given})


@pytest.mark.parametrize(
    ("metric", "bounds", "inside", "outside"),
    [
        ("accuracy", {"value": 0.92}, 0.95, 0.88),
        ("accuracy", {"at_most": 0.2}, 0.2, 0.21),
        ("loss", {"value": 2.0}, 2.5, 2.51),
        ("time_change", {"value": -0.33}, -0.25, -0.24),
        ("time_change", {"value": 0.0}, 0.01, 0.011),
        ("inference_s", {"at_least": 0.002, "at_most": 0.008}, 0.002, 0.009),
        ("training_j", {"value": 2.7e6}, 2.1e6, 1.1e6),
    ],
)
def test_agreement_ends_where_it_is_said_to_end(
    metric: str, bounds: dict[str, float], inside: float, outside: float
) -> None:
    assert agrees(published(metric, **bounds), inside)
    assert not agrees(published(metric, **bounds), outside)


def test_bounds_are_written_with_their_units() -> None:
    assert in_words("inference_s", None, 0.002, 0.008) == "at least 0.002 s and at most 0.008 s"
    assert in_words("accuracy", 0.92, None, None) == "92.00%"
    assert in_words("time_change", None, None, 0.0) == "at most +0.00%"
    assert in_words("weights", 138e6, None, None) == "138,000,000"
