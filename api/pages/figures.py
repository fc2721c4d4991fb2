"""Figures: numbers as people read them, with their unit and no more digits than they deserve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from objectives import figures
from objectives.measurement import Interval, Measurement
from optimizer.backends.names import TORCH
from optimizer.views.latencies import change_of, latency_at, place_of, places_of, times, title_of
from optimizer.views.member import Costs, LatencyView

NONE = "–"
SCALED_UNITS = {"FLOP": "FLOPs", "B": "B", "s": "s", "J": "J"}
COUNTS = {"parameters"}


def fixed(value: float | None, digits: int = 4) -> str:
    """Return a number with so many digits after the point, a dash for none."""
    return NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def percent(value: float | None) -> str:
    """Return a share in percent."""
    return NONE if value is None else f"{value:.1%}".replace("%", " %")


def scaled(value: float | None, unit: str) -> str:
    """Return a quantity with a fitting SI prefix, a dash for none."""
    return NONE if value is None else figures.scaled(value, unit)


def between(bounds: tuple[float, float] | None, digits: int = 4) -> str:
    """Return an interval in brackets, nothing for none."""
    return "" if bounds is None else f"[{fixed(bounds[0], digits)}, {fixed(bounds[1], digits)}]"


def ratio(value: float | None, gain: bool = True, bounds: tuple[float, float] | None = None) -> str:  # noqa: FBT001, FBT002 - a filter of the templates
    """Return a ratio to the dense model with its bounds, if given; one that is no gain says so."""
    if value is None:
        return NONE
    return f"×{value:.2f}{f' {between(bounds, 2)}' if bounds else ''}" if gain else f"×{value:.2f} no gain"


def placed(latency: LatencyView, of: Costs) -> str:
    """Return where one of a model's latencies was measured."""
    return title_of(place_of(latency), places_of([of]))


def beside(latency: LatencyView, other: Costs) -> LatencyView | None:
    """Return another model's latency at the same batch size in the same backend."""
    return latency_at(other, place_of(latency))


def changed(latency: LatencyView) -> str:
    """Return a latency as ratios to the dense model; one that is no gain says so."""
    return ratio(latency.ratio, latency.gain) if latency.backend == TORCH else change_of(latency, times)


def when(moment: datetime) -> str:
    """Return a moment to the minute, in UTC."""
    return moment.strftime("%Y-%m-%d %H:%M")


def duration(seconds: float) -> str:
    """Return a time that passed."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def measured(measurement: Measurement) -> str:
    """Return a measurement's value in its unit."""
    return in_unit(measurement, measurement.value)


def measured_interval(measurement: Measurement) -> str:
    """Return a measurement's interval in its unit, a dash for none."""
    interval: Interval | None = measurement.interval
    if interval is None:
        return NONE
    return f"{in_unit(measurement, interval.lower)} … {in_unit(measurement, interval.upper)} ({interval.level:.0%})"


def in_unit(measurement: Measurement, value: float) -> str:
    """Return a value in the unit of a measurement."""
    if measurement.quantity in COUNTS:
        return f"{value:,.0f}"
    if measurement.unit in SCALED_UNITS:
        return scaled(value, SCALED_UNITS[measurement.unit])
    return fixed(value) if measurement.unit == "1" else f"{value:.4g} {measurement.unit}"


def conditions(measurement: Measurement) -> str:
    """Return the conditions of a measurement in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {_condition(value)}" for name, value in measurement.conditions.items())


def _condition(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return " ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
