"""Charts as pictures, SVG and PNG: by matplotlib, since plotly's own need a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.reproduce.charts import Chart, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # half a second to import

PANEL_INCHES = (4.8, 4.2)
SUFFIXES = (".svg", ".png")
CROWDED = 6  # more groups have their labels upright, more bars or points no legend


def write_pictures(chart: Chart, directory: Path, name: str) -> list[Path]:
    """Write a chart as SVG and as PNG, and return both paths."""
    from matplotlib.figure import Figure

    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(chart.panels), height), layout="constrained")
    for panel, axes in zip(chart.panels, figure.subplots(1, len(chart.panels), squeeze=False)[0], strict=True):
        _draw(panel, axes)
    figure.suptitle(chart.title)
    if chart.panels[0].kind == "lines" or len(chart.panels[0].series) <= CROWDED:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=CROWDED)
    paths = [directory / f"{name}-{chart.name}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        figure.savefig(path)
    return paths


def _draw(panel: Panel, axes: Axes) -> None:
    if panel.kind == "bars":
        _draw_bars(panel, axes)
    for series in panel.series:
        if panel.kind == "lines":
            axes.plot(series.x, series.y, marker=".", color=series.colour, label=series.name)
        elif panel.kind == "points":
            axes.scatter(series.x, series.y, color=series.colour)
            for x, y in zip(series.x, series.y, strict=True):
                axes.annotate(series.name, (float(x), y), fontsize="x-small")
    axes.set(title=panel.title, xlabel=panel.x_title, ylabel=panel.y_title)


def _draw_bars(panel: Panel, axes: Axes) -> None:
    """Draw the bars of each series beside those that the others have at the same place."""
    places: dict[str | float, list[str]] = {}
    for series in panel.series:
        for x in series.x:
            places.setdefault(x, []).append(series.name)
    groups, width = list(places), 0.8 / max(map(len, places.values()))
    for series in panel.series:
        offsets = [(places[x].index(series.name) + 0.5) * width - 0.4 for x in series.x]
        at = [groups.index(x) + offset for x, offset in zip(series.x, offsets, strict=True)]
        axes.bar(at, series.y, width, yerr=series.deviations or None, color=series.colour, label=series.name, capsize=2)
    labels = [str(group).replace(", ", ",\n") for group in groups]
    axes.set_xticks(range(len(groups)), labels, rotation=90 if len(groups) > CROWDED else 0, fontsize="small")
