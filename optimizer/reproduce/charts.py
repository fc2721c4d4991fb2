"""Charts as data: panels side by side with series of points, bars or lines; drawing is done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """Axes with their series. Bars of one category are drawn side by side; points are labelled with their series."""

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
