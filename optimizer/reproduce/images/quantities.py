"""The quantities that papers report: their words, how they are shown, and what counts as agreement."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from optimizer.reproduce.figure import Figure
from optimizer.reproduce.images.claims import MetricName
from optimizer.reproduce.images.rows import PublishedValue, Row

NEAR_SHARE = 0.25  # of a published value
CHANGE_OFF = 0.01  # of a published change that is nearly nothing
WHOLE = 1000  # from which on digits behind the point say nothing
POINTS_OFF = 0.03  # of an accuracy that the paper gives as "almost" or "nearly"


@dataclass(frozen=True, slots=True)
class Quantity:
    """Its words, and how a value is written; within `near` of a published value, or a quarter of it, ours agrees."""

    words: str
    show: Callable[[float], str]
    near: float = 0.0


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _change(value: float) -> str:
    return f"{value:+.2%}"


def _in(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:,.0f} {unit}" if value >= WHOLE else f"{value:.3g} {unit}"


QUANTITIES: Mapping[MetricName, Quantity] = {
    "accuracy": Quantity("accuracy", _percent, POINTS_OFF),
    "accuracy_change": Quantity("accuracy against dense", _change, CHANGE_OFF),
    "time_change": Quantity("inference time against dense", _change, CHANGE_OFF),
    "energy_change": Quantity("inference energy against dense", _change, CHANGE_OFF),
    "training_accuracy": Quantity("highest training accuracy", _percent, POINTS_OFF),
    "loss": Quantity("training loss at the end", "{:.3g}".format),
    "training_s": Quantity("training time", _in("s")),
    "training_j": Quantity("training energy", _in("J")),
    "training_time_change": Quantity("training time against dense", _change, CHANGE_OFF),
    "training_energy_change": Quantity("training energy against dense", _change, CHANGE_OFF),
    "inference_s": Quantity("inference time of an image", _in("s")),
    "weights": Quantity("weights", "{:,.0f}".format),
}


def measured(row: Row, metric: MetricName) -> float:
    """Return a row's value, the mean where it was measured in several runs."""
    value = getattr(row, metric)
    return value.mean if isinstance(value, Figure) else float(value)


def agrees(published: PublishedValue, value: float) -> bool:
    """Return whether a value is within the published bounds, or near the published value."""
    if published.value is not None:
        near = QUANTITIES[published.metric].near
        share = 0.0 if near == POINTS_OFF else NEAR_SHARE * abs(published.value)
        return abs(value - published.value) <= max(near, share)
    return is_within(value, published.at_least, published.at_most)


def is_within(value: float, at_least: float | None, at_most: float | None) -> bool:
    """Return whether a value is within bounds, of which either may be open."""
    lowest = -math.inf if at_least is None else at_least
    return lowest <= value <= (math.inf if at_most is None else at_most)


def in_words(metric: MetricName, value: float | None, at_least: float | None, at_most: float | None) -> str:
    """Return a value, or its bounds, as people write them."""
    show = QUANTITIES[metric].show
    given = (("", value), ("at least ", at_least), ("at most ", at_most))
    return " and ".join(f"{word}{show(bound)}" for word, bound in given if bound is not None)
