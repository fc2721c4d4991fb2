"""Curves of cost over compression: where pruning more costs more, and where the direction of a curve changes.

A curve begins with the unpruned model, at ratio 1. One point is above another where their intervals do not overlap, so
noise makes no turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from optimizer.analysis.records import Measure
from optimizer.measuring.ratios import Ratio, order

Cost = Literal["time", "energy"]
COSTS: tuple[Cost, ...] = ("time", "energy")
Along = Literal["flops", "parameters"]
NOTHING = Ratio.alone(1.0)


class Point(NamedTuple):
    """A model on a curve: the percent that is gone, and its cost relative to the unpruned model's."""

    model: str
    gone: float
    cost: Ratio


class Curve(NamedTuple):
    """The models that were pruned in one way, at one batch size and length, by what is gone; the unpruned one first."""

    parent: str
    method: str
    distribution: str
    size: str  # batch and length
    along: Along
    of: Cost
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        """What the curve is of."""
        words = (self.parent, self.method, self.distribution, self.size)
        return ", ".join(word for word in words if word)


class Stretch(NamedTuple):
    """Where pruning more costs more: from the cheapest point before the rise to the dearest in it."""

    start: Point
    end: Point

    @property
    def words(self) -> str:
        """The stretch in a sentence."""
        return (
            f"from {self.start.gone:.1f} % gone to {self.end.gone:.1f} % ({self.start.model} to {self.end.model}) it "
            f"rises from {self.start.cost.as_change} to {self.end.cost.as_change} of the unpruned model's"
        )


class Found(NamedTuple):
    """What a curve shows: its stretches, the points where it turns, and those that cost more than no pruning."""

    curve: Curve
    stretches: tuple[Stretch, ...]
    breaking_points: tuple[Point, ...]
    dearer: tuple[Point, ...]


def curves(measures: Sequence[Measure], along: Along = "flops") -> Iterator[Curve]:
    """Yield the curves of time and of energy that have two pruned models or more."""
    series: dict[tuple[str, str, str, str], list[Measure]] = {}
    for each in measures:
        if not each.is_unpruned:
            facts = each.facts
            series.setdefault((each.key.parent, facts.method, facts.distribution, each.size), []).append(each)
    for (parent, method, distribution, size), some in series.items():
        for of in COSTS if len(some) > 1 else ():
            points = sorted((_point(each, along, of) for each in some), key=lambda point: point.gone)
            yield Curve(parent, method, distribution, size, along, of, (Point(parent, 0.0, NOTHING), *points))


def found_in(curve: Curve) -> Found:
    """Return what a curve shows."""
    turns = list(_turns(curve.points))
    rises = [(start, end) for start, end in pairwise(turns) if end.cost.value > start.cost.value]
    return Found(
        curve,
        stretches=tuple(Stretch(start, end) for start, end in rises),
        breaking_points=tuple(turns[1:-1]),
        dearer=tuple(point for point in curve.points if order(point.cost, NOTHING) > 0),
    )


def _turns(points: Sequence[Point]) -> Iterator[Point]:
    """Yield the extremes between which a curve is shown to go one way, then the other; none where it shows neither."""
    highest = lowest = points[0]
    direction = 0
    for point in points[1:]:
        highest = point if point.cost.value > highest.cost.value else highest
        lowest = point if point.cost.value < lowest.cost.value else lowest
        if direction <= 0 and order(point.cost, lowest.cost) > 0:
            yield lowest
            direction, highest = 1, point
        elif direction >= 0 and order(point.cost, highest.cost) < 0:
            yield highest
            direction, lowest = -1, point
    if direction:
        yield highest if direction > 0 else lowest


def _point(measure: Measure, along: Along, of: Cost) -> Point:
    return Point(measure.key.model, gone(measure, along), measure.time if of == "time" else measure.energy)


def gone(measure: Measure, along: Along) -> float:
    """Return the percent of the unpruned model's FLOPs or parameters that a model lacks."""
    if along == "flops":
        return 100 * (1 - measure.counts.flops / measure.parent_counts.flops)
    return 100 * (1 - measure.counts.parameters / measure.parent_counts.parameters)
