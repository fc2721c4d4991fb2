"""Curves: where pruning more is shown to cost more, and where noise makes no turn."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.analysis.curves import Curve, Point, found_in
from optimizer.analysis.forms import averaged, smoothed
from optimizer.charts.chart import Series
from optimizer.measuring.ratios import Ratio


def curve(*costs: float, half: float = 0.01) -> Curve:
    known = [Ratio.alone(1.0), *(Ratio(value=c, lower=c - half, upper=c + half) for c in costs)]
    points = tuple(Point(f"m{10 * at}", 10.0 * at, cost) for at, cost in enumerate(known))
    return Curve("net", "", "PD1", "batch 1", "flops", "energy", points)


def gone(points: tuple[Point, ...]) -> list[float]:
    return [point.gone for point in points]


def test_the_published_shape_is_found() -> None:
    found = found_in(curve(1.19, 1.06, 0.94, 0.75, 0.77, 0.62, 0.39, 0.42, 0.35, half=0.005))
    assert gone(found.dearer) == [10, 20]
    assert [(each.start.gone, each.end.gone) for each in found.stretches] == [(0, 10), (40, 50), (70, 80)]
    assert gone(found.breaking_points) == [10, 40, 50, 70, 80]
    assert found.stretches[0].words.startswith("from 0.0 % gone to 10.0 % (m0 to m10) it rises from +0.0%")


def test_overlapping_intervals_show_nothing() -> None:
    found = found_in(curve(1.01, 0.97, 0.99, 0.95, 0.98, half=0.1))
    assert not (found.dearer or found.stretches or found.breaking_points)


def test_a_curve_that_falls_throughout_has_no_stretch() -> None:
    found = found_in(curve(0.9, 0.8, 0.805, 0.7))
    assert not (found.stretches or found.breaking_points)


@pytest.mark.parametrize("seed", range(3))
def test_a_flat_curve_with_honest_intervals_rarely_turns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turned = sum(bool(found_in(curve(*rng.normal(1, 0.01, 12), half=0.0196)).stretches) for _ in range(50))
    assert turned <= 15  # the largest of 66 pairs, each at some 0.6 %


def test_forms_keep_the_unpruned_point() -> None:
    series = Series(
        name="s", colour="red", x=(0.0, 10.0, 10.0, 30.0), y=(1.0, 2.0, 4.0, 1.0), low=(0.0,) * 4, high=(9.0,) * 4
    )
    assert averaged(series).y == pytest.approx((1.0, 7 / 3, 7 / 3, 2.5))
    drawn = smoothed(series)
    assert [drawn.x[0], drawn.y[0], len(drawn.low)] == pytest.approx([0.0, 1.0, 0])
    assert np.interp(10, np.asarray(drawn.x, dtype=float), drawn.y) == pytest.approx(3.0, abs=0.1)
