"""Steps of a layer's time: found where every width of a block costs the same, and priced so."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
import pytest
from torch import nn

from objectives.rounds import Run
from optimizer.latency.layers import LayerTimes
from optimizer.latency.steps import end_of, step_of
from search_spaces.layouts.layout import Axis

LEVELS = (*range(8, 64, 8), 64)
CONVOLUTION = nn.Conv2d(64, 64, 3)


def found(seconds: Callable[[int], float], *, noise: float = 0.005, layer: nn.Module = CONVOLUTION) -> int:
    """What is said of a layer that takes so many seconds at a width, each round a little more or less."""
    rng, asked = np.random.default_rng(0), list[int]()

    def run_at(width: int) -> Run:
        asked.append(width)
        return lambda: None

    def times(runs: dict[int, Run]) -> dict[int, np.ndarray]:
        assert [*runs] == asked
        return {width: seconds(width) * np.exp(noise * rng.standard_normal(20)) for width in runs}

    return step_of(layer, LEVELS, run_at, times)


def test_blocks_of_channels_are_found() -> None:
    assert found(lambda width: ceil(width / 16)) == 16
    assert found(lambda width: 3 + ceil(width / 16)) == 16


@pytest.mark.parametrize(
    "seconds",
    [
        lambda width: width,
        lambda width: width**0.5,
        lambda width: 1.0,
        lambda width: ceil(width / 8),
        lambda width: ceil(width / 32),
        lambda width: ceil(width / 16) if width > 40 else width / 16,  # in one place alone
    ],
)
def test_no_blocks_are_found_in_other_times(seconds: Callable[[int], float]) -> None:
    assert found(seconds) == 1


def test_noise_shows_no_blocks() -> None:
    assert found(lambda width: ceil(width / 16), noise=1.0) == 1


def test_what_has_no_width_inside_a_block_is_not_timed() -> None:
    def never(_: object) -> Run:
        raise AssertionError

    for layer, widths in (
        (nn.Linear(64, 64), LEVELS),
        (nn.Conv2d(64, 64, 1), (16, 32, 48, 64)),
        (nn.Conv2d(24, 24, 1), (8, 16, 24)),
    ):
        assert step_of(layer, widths, never, lambda _: {}) == 1


def test_a_width_costs_what_the_end_of_its_step_does() -> None:
    assert [end_of(width, 16, 40) for width in (8, 16, 17, 33)] == [16, 16, 32, 40]
    times = LayerTimes(axes=(Axis.ROWS,), counts=((16, 48, 64),), steps=(16,), seconds=(1.0, 3.0, 4.0))
    assert [times.at((width,)) for width in (8, 16, 24, 32, 40, 48, 56)] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]
