"""Figures 3 (6 for CNNs), 4 and 5 of Douzandeh Zenoozi et al. 2026: a point or a bar per configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from optimizer.reproduce.charts import Chart, Panel, Series
from optimizer.reproduce.figure import Figure
from optimizer.reproduce.images.rows import Row
from optimizer.reproduce.images.series import bars, title

COLOURS = {"dense": "green", "layer-wise": "royalblue"}  # every global approach is red, as in the paper
GLOBAL = "firebrick"


def efficiency_charts(rows: Sequence[Row]) -> Iterator[Chart]:
    """Yield accuracy against the Efficiency Index, training energy, and peak memory."""
    points = tuple(
        Series(name=row.configuration, colour=_colour(row), x=(row.efficiency_index,), y=(100 * row.accuracy.mean,))
        for row in rows
    )
    panel = Panel(kind="points", x_title="Efficiency Index", y_title="test accuracy, %", series=points)
    yield Chart(name="trade-off", title=title(rows, "accuracy and efficiency"), panels=(panel,))
    energy = f"J per epoch ({rows[0].energy_source})"
    yield _bar_each(rows, "training-energy", "training energy", energy, lambda row: row.epoch_j)
    yield _bar_each(rows, "memory", "peak memory of training", "MB", lambda row: row.memory_mb)


def _bar_each(rows: Sequence[Row], name: str, what: str, unit: str, value: Callable[[Row], Figure]) -> Chart:
    series = tuple(bars(row.configuration, _colour(row), {row.configuration: row}, value) for row in rows)
    return Chart(name=name, title=title(rows, what), panels=(Panel(kind="bars", y_title=unit, series=series),))


def _colour(row: Row) -> str:
    return COLOURS.get(row.approach, GLOBAL)
