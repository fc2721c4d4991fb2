"""The three forms of a curve: as measured with its band, smoothed by a spline, and as a moving average."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.interpolate import make_interp_spline

from optimizer.charts.chart import Series

DEGREE, DRAWN, WINDOW = 3, 100, 3


def measured(series: Series) -> Series:
    """Return a curve as it is."""
    return series


def smoothed(series: Series) -> Series:
    """Return a spline of degree 3, or less for fewer points, through the points; those of one x are averaged."""
    x, y = _without_repeats(series.x, series.y)
    if len(x) < 2:
        return replace(series, low=(), high=())
    places = np.linspace(x[0], x[-1], DRAWN)
    drawn = make_interp_spline(x, y, k=min(DEGREE, len(x) - 1))(places)
    return replace(series, x=tuple(places.tolist()), y=tuple(drawn.tolist()), low=(), high=(), has_marks=False)


def averaged(series: Series) -> Series:
    """Return the mean of every point and its neighbours; the first point, of the unpruned model, stays as it is."""
    y, reach = np.asarray(series.y), WINDOW // 2
    means = [float(y[max(0, at - reach) : at + reach + 1].mean()) for at in range(len(y))]
    return replace(series, y=(series.y[0], *means[1:]), low=(), high=())


FORMS: Mapping[str, Callable[[Series], Series]] = {
    "with intervals": measured,
    "smoothed": smoothed,
    "moving average": averaged,
}


def _without_repeats(x: Sequence[str | float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    at: dict[float, list[float]] = {}
    for place, value in zip(x, y, strict=True):
        at.setdefault(float(place), []).append(value)
    places = sorted(at)
    return places, [sum(at[place]) / len(at[place]) for place in places]
