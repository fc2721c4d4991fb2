"""Charts as pictures, SVG and PNG: by matplotlib, since plotly's own need a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.reproduce.charts import Chart, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # half a second to import

PANEL_INCHES = (4.8, 4.2)
SUFFIXES = (".svg", ".png")
CROWDED = 6  # more groups have their labels upright
LEGEND_COLUMNS = 2  # per panel, so that no name is cut off


def write_pictures(chart: Chart, directory: Path, name: str) -> list[Path]:
    """Write a chart as SVG and as PNG, and return both paths."""
    from matplotlib.figure import Figure

    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(chart.panels), height), layout="constrained")
    for panel, axes in zip(chart.panels, figure.subplots(1, len(chart.panels), squeeze=False)[0], strict=True):
        _draw(panel, axes)
    figure.suptitle(chart.title)
    if any(map(_needs_legend, chart.panels)):
        found = [axes.get_legend_handles_labels() for axes in figure.axes]
        named = {name: handle for handles, names in found for name, handle in zip(names, handles, strict=True)}
        columns = LEGEND_COLUMNS * len(chart.panels)
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns, fontsize="small")
    paths = [directory / f"{name}-{chart.name}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        figure.savefig(path)
        figure.set_layout_engine("none")  # every one has the layout of the first, which takes as long as drawing
    return paths


def _needs_legend(panel: Panel) -> bool:
    """Whether neither labels at the points nor those at the axis name the series."""
    return panel.kind == "lines" or (panel.kind == "bars" and any(each.x != (each.name,) for each in panel.series))


def _draw(panel: Panel, axes: Axes) -> None:
    if panel.kind == "bars":
        _draw_bars(panel, axes)
    for series in panel.series:
        if panel.kind == "lines":
            axes.plot(series.x, series.y, marker=".", color=series.colour, label=series.name)
        elif panel.kind == "points":
            axes.scatter(series.x, series.y, color=series.colour)
    if panel.kind == "points":
        _label_points(panel, axes)
    axes.set(title=panel.title, xlabel=panel.x_title, ylabel=panel.y_title)


def _label_points(panel: Panel, axes: Axes) -> None:
    """Write the names beside the points, towards the middle, so that none runs out of the axes."""
    middle = sum(axes.get_xlim()) / 2
    for series in panel.series:
        for x, y in zip(series.x, series.y, strict=True):
            side = "left" if float(x) < middle else "right"
            axes.annotate(f" {series.name} ", (float(x), y), fontsize="x-small", ha=side)


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
