"""Series and titles of charts from rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from optimizer.reproduce.charts import Series
from optimizer.reproduce.figure import Figure
from optimizer.reproduce.images.rows import Row


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
