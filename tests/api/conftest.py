"""Shared by the tests of the front doors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

LOOKING = ("api.client.buying", "api.client.exporting", "api.http.feed", "api.runner.worker")


@pytest.fixture(scope="module", autouse=True)
def looks_often() -> Iterator[None]:
    """What this process looks at now and then, it looks at often: no test is about the pauses in between."""
    with pytest.MonkeyPatch.context() as patch:
        for module in LOOKING:
            patch.setattr(f"{module}.POLL_S", 0.05)
        yield
