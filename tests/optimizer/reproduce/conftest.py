"""Shared by the tests of reproductions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def small_pictures() -> Iterator[None]:
    """Every reproduction draws its figures; how sharp they are is not asked here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.charts.pictures.DOTS_PER_INCH", 20)
        yield
