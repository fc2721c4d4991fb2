"""Quantities: three digits and a fitting prefix."""

from __future__ import annotations

import pytest

from objectives.figures import scaled


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (2880, "", "2.88 k"), (999.7, "", "1 k"), (999_400, "", "999 k"), (0.244e9, "", "244 M"), (12, "", "12"),
        (1.5e9, "B", "1.5 GB"), (3.2e-8, "J", "32 nJ"), (0.0, "J", "0 J"), (-1500, "B", "-1.5 kB"), (1, "", "1"),
    ],
)  # fmt: skip
def test_a_quantity_is_shown_in_a_fitting_unit(value: float, unit: str, expected: str) -> None:
    assert scaled(value, unit) == expected
