"""Charts as pictures, SVG and PNG: by matplotlib, since plotly's own need a browser."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.charts.chart import Chart, Panel, Series, whiskers

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # half a second to import
    from matplotlib.figure import Figure

PANEL_INCHES = (4.8, 4.2)
LABEL_INCHES = 0.2  # of height, for each label beside points
DOTS_PER_INCH = 150
SUFFIXES = (".svg", ".png")
CROWDED = 6  # more groups have their labels upright
LETTERS_PER_INCH = 8  # of a title; a small letter of a legend is narrower
MARGIN = 6  # letters of a legend's entry beside its name
LEFT, RIGHT, BOTTOM, TOP = 1.05, 0.15, 0.6, 0.1  # inches around the axes of lines, for labels and numbers
NUMBERS = 0.6, 0.32  # of these, for the numbers beside and below the axes
SMALL, LARGE = -3, 4  # powers of ten beyond which a number is written with its power: so it fits
LINE_INCHES = 0.24  # of height, for a line of a title or a legend
TICKS = 5  # intervals between the numbers at an axis of lines, at most
PUBLISHED = "published value or bound"


def write_pictures(chart: Chart, directory: Path, name: str) -> list[Path]:
    """Write a chart as SVG and as PNG, and return both paths."""
    from matplotlib.figure import Figure

    width, height = PANEL_INCHES
    labels = max((len(panel.series) for panel in chart.panels if panel.kind == "points"), default=0)
    size = (width * len(chart.panels), max(height, LABEL_INCHES * labels))
    letters = int(LETTERS_PER_INCH * size[0])
    title = textwrap.fill(chart.title, letters)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH)
    are_lines = all(panel.kind == "lines" for panel in chart.panels)
    if not are_lines:
        figure.set_layout_engine("constrained")
    places = figure.subplots(1, len(chart.panels), squeeze=False)[0]
    for panel, axes in zip(chart.panels, places, strict=True):
        _draw(panel, axes)
    figure.suptitle(title)
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    named = {name: handle for handles, names in found for name, handle in zip(names, handles, strict=True)}
    if not any(map(_needs_legend, chart.panels)):
        named = {name: handle for name, handle in named.items() if name == PUBLISHED}
    if named:
        longest = max(map(len, named))
        columns = max(1, int(letters / (longest + MARGIN)))
        figure.legend(
            named.values(),
            named.keys(),
            loc="lower center" if are_lines else "outside lower center",
            ncols=columns,
            fontsize="small",
        )
    if are_lines:
        _place(figure, chart, above=title.count("\n") + 1, below=math.ceil(len(named) / columns) if named else 0)
    paths = [directory / f"{name}-{chart.name}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        figure.savefig(path)
        if not are_lines:
            figure.set_layout_engine("none")  # every one has the layout of the first, which takes as long as drawing
    return paths


def _place(figure: Figure, chart: Chart, *, above: int, below: int) -> None:
    """Place the axes of panels of lines, with so many lines of text above and below all of them.

    An engine for layouts draws the figure several times to find the same; an analysis has dozens of such figures.
    """
    width, height = figure.get_size_inches()
    places = figure.axes[: len(chart.panels)]
    titles = max(axes.get_title().count("\n") + 1 for axes in places)
    right = LEFT if any(panel.second_title for panel in chart.panels) else RIGHT
    bottom, top = BOTTOM + LINE_INCHES * below, TOP + LINE_INCHES * (above + titles)
    inside = PANEL_INCHES[0] - LEFT - right, height - bottom - top
    figure.subplots_adjust(
        left=LEFT / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height,
        wspace=(LEFT + right) / inside[0],
    )  # fmt: skip
    for axes in places:
        axes.locator_params(axis="y", nbins=TICKS)
        axes.ticklabel_format(axis="y", scilimits=(SMALL, LARGE), useMathText=True)
        axes.set_title(axes.get_title(), y=1.0)  # else it is sought where nothing is, as the places of labels are
        axes.xaxis.set_label_coords(0.5, -NUMBERS[1] / inside[1])
        axes.yaxis.set_label_coords(-NUMBERS[0] / inside[0], 0.5)


def _needs_legend(panel: Panel) -> bool:
    """Whether neither labels at the points nor those at the axis say what colours mean."""
    if panel.kind == "points":
        return any(each.group for each in panel.series)
    return panel.kind == "lines" or any(each.x != (each.name,) for each in panel.series)


def _draw(panel: Panel, axes: Axes) -> None:
    if panel.kind == "bars":
        _draw_bars(panel, axes)
    second = axes.twinx() if panel.second_title else axes
    for series in panel.series:
        if panel.kind == "lines":
            _draw_line(series, axes if not series.is_second else second)
        elif panel.kind == "points":
            axes.scatter(series.x, series.y, color=series.colour, label=series.group)
    if panel.kind == "points":
        _label_points(panel, axes)
    if panel.second_title:
        second.set_ylabel(panel.second_title)
    axes.set(title=textwrap.fill(panel.title, int(LETTERS_PER_INCH * PANEL_INCHES[0])))
    axes.set(xlabel=panel.x_title, ylabel=textwrap.fill(panel.y_title, int(LETTERS_PER_INCH * PANEL_INCHES[1])))
    if panel.bottom is not None:
        axes.set_ylim(bottom=panel.bottom)


def _draw_line(series: Series, axes: Axes) -> None:
    if series.low:
        axes.fill_between(series.x, series.low, series.high, color=series.colour, alpha=0.15, linewidth=0)
    mark, style = "." if series.has_marks else "", ":" if series.is_second else "--" if series.is_dashed else "-"
    axes.plot(series.x, series.y, marker=mark, linestyle=style, color=series.colour, label=series.name)
    for level in series.published:
        if level is not None:
            axes.axhline(level, linestyle="--", linewidth=1, color=series.colour, label=f"{series.name}, published")


def _label_points(panel: Panel, axes: Axes) -> None:
    """Write the names in a column beside the axes, in the order of the points, a thin line to each."""
    points = [(float(x), y, series) for series in panel.series for x, y in zip(series.x, series.y, strict=True)]
    for place, (x, y, series) in enumerate(sorted(points, key=lambda point: point[1])):
        axes.annotate(
            series.name,
            (x, y),
            xytext=(1.03, (place + 0.5) / len(points)),
            textcoords="axes fraction",
            fontsize="x-small",
            va="center",
            arrowprops={"arrowstyle": "-", "color": series.colour, "linewidth": 0.4, "relpos": (0, 0.5)},
        )


def _draw_bars(panel: Panel, axes: Axes) -> None:
    """Draw the bars of each series beside those that the others have at the same place."""
    places: dict[str | float, list[str]] = {}
    for series in panel.series:
        for x in series.x:
            places.setdefault(x, []).append(series.name)
    groups, width = list(places), 0.8 / max(map(len, places.values()))
    for series in panel.series:
        offsets = [(places[x].index(series.name) - (len(places[x]) - 1) / 2) * width for x in series.x]
        at = [groups.index(x) + offset for x, offset in zip(series.x, offsets, strict=True)]
        above, below = whiskers(series)
        ends = [below, above] if above else None
        axes.bar(at, series.y, width, yerr=ends, color=series.colour, label=series.name, capsize=2)
        for x, y in zip(at, series.published, strict=False):
            if y is not None:
                axes.scatter([x], [y], marker="D", s=22, color="black", zorder=3, label=PUBLISHED)
    labels = [str(group).replace(", ", ",\n") for group in groups]
    axes.set_xticks(range(len(groups)), labels, rotation=90 if len(groups) > CROWDED else 0, fontsize="small")
