"""The lines of `benchmarks.fronts`, shown: a table of scores, and curves of hypervolume."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.field import METHODS, Weights
from optimizer.charts.chart import Chart, Panel, Series

SCORES = {"certified": "leanest certified", "cheapest": "leanest verified", "hypervolume": "verified hypervolume"}
COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
    *("#393b79", "#637939", "#843c39", "#e7ba52"),
)
Line = dict[str, Any]


def table_of(lines: Sequence[Line], epsilon: float) -> Table:
    """Return the scores at an ε: the median over seeds, and the range where there are several."""
    table = Table("method", *SCORES.values(), "candidates", "seconds", title=f"ε = {epsilon}")
    setup = setup_seconds(lines)
    for name, method in METHODS.items():
        runs = [line for line in lines if line["row"] == name]
        if runs:
            scores = [run["scores"][str(epsilon)] for run in runs]
            said = [_spread([score[key] for score in scores]) for key in SCORES]
            seconds = setup[method.weights] + median((run["seconds"] or [0.0])[-1] for run in runs)
            table.add_row(name, *said, f"{median(len(run['flops']) for run in runs):g}", f"{seconds:.0f}")
    return table


def setup_seconds(lines: Sequence[Line]) -> dict[Weights, float]:
    """Return what every kind of weights took first: the longest, because later rows find it in the cache."""
    found: dict[Weights, float] = {}
    for line in lines:
        weights = METHODS[line["row"]].weights
        found[weights] = max(found.get(weights, 0.0), line["setup_s"])
    return found


def chart_of(lines: Sequence[Line], epsilon: float) -> Chart:
    """Return the hypervolume on the search examples after every evaluation and second, a line per row: first seeds."""
    setup, drawn = setup_seconds(lines), {line["row"]: line for line in reversed(lines)}
    counted, timed = [], []
    for colour, name in zip(cycle(COLOURS), (name for name in METHODS if name in drawn), strict=False):
        line = drawn[name]
        curve_y = tuple(line["search_hypervolume"][str(epsilon)])
        seconds = tuple(setup[METHODS[name].weights] + taken for taken in line["seconds"])
        counted.append(Series(name=name, colour=colour, x=tuple(range(1, len(curve_y) + 1)), y=curve_y))
        timed.append(Series(name=name, colour=colour, x=seconds, y=curve_y))
    label = "hypervolume on the search examples"
    panels = (
        Panel(kind="lines", x_title="evaluations", y_title=label, series=tuple(counted)),
        Panel(kind="lines", x_title="seconds, the making of the weights included", y_title=label, series=tuple(timed)),
    )
    return Chart(name=f"hypervolume-{epsilon}", title=f"ε = {epsilon}", panels=panels)


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f}–{max(values):.3f}, {len(values)} seeds)"
