"""The paper's figures over our rows: 2, accuracy and F1 by step; 3, losses by step; and table 4 as bars.

What the paper prints is drawn beside, of its own models and tasks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from optimizer.charts.chart import Chart, Panel, Series, page
from optimizer.charts.pictures import write_pictures
from optimizer.reproduce.encoders.preset import QUANTITIES
from optimizer.reproduce.encoders.rows import CurveMeans, EncoderRow
from optimizer.reproduce.reproduce import short_name
from optimizer.reproduce.rows import Figure

COLOURS = (
    "green",
    "olive",
    "lightskyblue",
    "royalblue",
    "navy",
    "teal",
    "navajowhite",
    "darkorange",
    "saddlebrown",
    "gold",
    "orchid",
    "purple",
    "lightcoral",
    "firebrick",
    "darkred",
)
Point = Callable[[CurveMeans], float]
CURVES: dict[str, tuple[tuple[str, str, float, Point], ...]] = {
    "figure-2": (
        ("validation accuracy, %", "accuracy", 100, lambda point: point.accuracy),
        ("validation F1, %", "f1", 100, lambda point: point.f1),
    ),
    "figure-3": (
        ("training loss", "", 1, lambda point: point.training_loss),
        ("validation loss", "validation_loss", 1, lambda point: point.validation_loss),
    ),
}
TITLES = {"figure-2": "accuracy and F1 while training again", "figure-3": "losses while training again"}
CHANGES = {
    "accuracy_change": "accuracy against dense, points",
    "flops_change": "FLOPs against dense, %",
    "cpu_latency_change": "CPU latency against dense, %",
    "energy_change": "energy against dense, %",
}


def write_figures(rows: Sequence[EncoderRow], directory: Path, name: str) -> list[Path]:
    """Write the figures of one model and task: one page of all of them, and each as SVG and PNG."""
    charts = list(_charts(rows))
    written = [directory / f"{name}.html"]
    written[0].write_text(page(charts, name), encoding="utf-8")
    return [*written, *(path for chart in charts for path in write_pictures(chart, directory, name))]


def _charts(rows: Sequence[EncoderRow]) -> Iterator[Chart]:
    first = rows[0]
    whose = f"{short_name(first.model)} on {first.dataset}, {first.runs} run{'s' * (first.runs > 1)}"
    seen = [row for row in rows if row.training_curve]  # ledgers of former versions have no curves
    for figure, curves in CURVES.items():
        if seen:
            panels = tuple(_lines(seen, rows, *curve) for curve in curves)
            yield Chart(name=figure, title=f"{whose}: {TITLES[figure]}", panels=panels)
    panels = tuple(_bars(rows, metric, what) for metric, what in CHANGES.items())
    title = f"{whose}: changes against dense (energy {first.energy_source}), one standard deviation"
    yield Chart(name="changes", title=title, panels=panels)


def _lines(
    seen: Sequence[EncoderRow], rows: Sequence[EncoderRow], what: str, metric: str, scale: float, value: Point
) -> Panel:
    series = tuple(
        Series(
            name=row.configuration,
            colour=_colour(rows, row),
            x=tuple(point.step for point in row.training_curve),
            y=tuple(scale * value(point) for point in row.training_curve),
            published=(_published(row, metric, scale),),
        )
        for row in seen
    )
    return Panel(kind="lines", x_title="step", y_title=what, series=series)


def _bars(rows: Sequence[EncoderRow], metric: str, what: str) -> Panel:
    series = []
    for row in rows:
        found: Figure = getattr(row, metric)
        ends = [] if found.deviation is None else [found.mean - found.deviation, found.mean + found.deviation]
        series.append(
            Series(
                name=row.configuration,
                colour=_colour(rows, row),
                x=(row.configuration,),
                y=(100 * found.mean,),
                low=tuple(100 * end for end in ends[:1]),
                high=tuple(100 * end for end in ends[1:]),
                published=(_published(row, metric, 100),),
            )
        )
    return Panel(kind="bars", y_title=what, series=tuple(series))


def _published(row: EncoderRow, metric: str, scale: float) -> float | None:
    """Return the first value that the paper prints of a row and that can be compared, None where it prints none."""
    values = (claim.value for claim in row.published if claim.metric == metric and QUANTITIES[metric].is_judged)
    return next((scale * value for value in values if value is not None), None)


def _colour(rows: Sequence[EncoderRow], row: EncoderRow) -> str:
    return COLOURS[rows.index(row) % len(COLOURS)]
