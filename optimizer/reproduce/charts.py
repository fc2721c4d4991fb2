"""Charts as data: panels side by side with series of points, bars or lines; who draws them is another matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from optimizer.reproduce.rows import Figure, Row

Kind = Literal["bars", "lines", "points"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one entry of the legend names. `deviations` of bars are one standard deviation, none for a single run."""

    name: str
    colour: str
    x: tuple[str | float, ...]
    y: tuple[float, ...]
    deviations: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Axes with their series. Bars at one place stand side by side; points bear the names of their series."""

    kind: Kind
    title: str = ""
    x_title: str = ""
    y_title: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Panels side by side under one title; `name` goes into the names of files."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def bars(name: str, colour: str, rows: Mapping[str, Row], value: Callable[[Row], Figure]) -> Series:
    """Return a series of bars, one of every row at its place on the axis."""
    figures = [value(row) for row in rows.values()]
    return Series(
        name=name,
        colour=colour,
        x=tuple(rows),
        y=tuple(figure.mean for figure in figures),
        deviations=tuple(figure.deviation for figure in figures if figure.deviation is not None),
    )


def title(rows: Sequence[Row], what: str) -> str:
    """Return the title of a chart over the rows of one data set and model."""
    return f"{rows[0].model} on {rows[0].dataset}: {what}, {rows[0].runs} run{'s' * (rows[0].runs > 1)}"
