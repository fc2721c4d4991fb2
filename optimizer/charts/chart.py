"""Charts as data, panels side by side with series of points, bars or lines; and one page for the browser of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go
from plotly.subplots import make_subplots

Kind = Literal["bars", "lines", "points"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one entry of the legend names.

    Bars have whiskers from `low` to `high` where these are given, lines a band. Lines may be without marks at their
    points, be dashed, or belong to the second axis. `published` is what a paper prints at each `x` of bars (None:
    nothing), or the one level that it prints of a line. Points of one `group` share an entry of the legend.
    """

    name: str
    colour: str
    x: tuple[str | float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    has_marks: bool = True
    is_second: bool = False
    is_dashed: bool = False
    published: tuple[float | None, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Axes with their series. Bars of one category are drawn side by side; points are labelled with their series.

    The axis of y begins at `bottom` (None: where the figures ask for it).
    """

    kind: Kind
    title: str = ""
    x_title: str = ""
    y_title: str
    second_title: str = ""  # of the axis on the right, where a series belongs to it
    series: tuple[Series, ...]
    bottom: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Panels side by side under one title; `name` goes into the names of files."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def page(charts: Sequence[Chart], title: str) -> str:
    """Return a page that needs no network, with plotly's own script in it."""
    parts = [_figure(chart).to_html(full_html=False, include_plotlyjs=index == 0) for index, chart in enumerate(charts)]
    return f'<!doctype html><meta charset="utf-8"><title>{title}</title>' + "".join(parts)


def _figure(chart: Chart) -> Any:  # Any: plotly is untyped
    titles = [panel.title for panel in chart.panels]
    axes = [[{"secondary_y": bool(panel.second_title)} for panel in chart.panels]]
    figure = make_subplots(rows=1, cols=len(chart.panels), subplot_titles=titles, specs=axes)
    for column, panel in enumerate(chart.panels, start=1):
        for series in panel.series:
            place = {"row": 1, "col": column, "secondary_y": series.is_second if panel.second_title else None}
            if series.low and panel.kind == "lines":
                figure.add_trace(_band(series), **place)
            figure.add_trace(_trace(panel, series, with_legend=column == 1), **place)
            if any(value is not None for value in series.published):
                figure.add_trace(_published(panel, series), **place)
        figure.update_xaxes(title_text=panel.x_title, row=1, col=column)
        figure.update_yaxes(
            title_text=panel.y_title, row=1, col=column, secondary_y=False if panel.second_title else None
        )
        if panel.bottom is not None:
            figure.update_yaxes(row=1, col=column, autorangeoptions={"minallowed": panel.bottom})
        if panel.second_title:
            figure.update_yaxes(title_text=panel.second_title, row=1, col=column, secondary_y=True)
    is_grouped = any(len(series.x) > 1 for panel in chart.panels for series in panel.series)
    mode = "group" if is_grouped else "overlay"
    return figure.update_layout(title=chart.title, barmode=mode, scattermode=mode)


def _trace(panel: Panel, series: Series, *, with_legend: bool) -> Any:  # Any: plotly is untyped
    shared = {"x": series.x, "y": series.y, "name": series.name, "legendgroup": series.name}
    if panel.kind == "bars":
        above, below = whiskers(series)
        ends = {"array": above, "arrayminus": below, "symmetric": False, "visible": bool(above)}
        return go.Bar(
            **shared, offsetgroup=series.name, error_y=ends, marker_color=series.colour, showlegend=with_legend
        )
    if panel.kind == "lines":
        line = {"color": series.colour, "dash": "dot" if series.is_second else "dash" if series.is_dashed else "solid"}
        mode = "lines+markers" if series.has_marks else "lines"
        return go.Scatter(**shared, mode=mode, line=line, showlegend=with_legend)
    return go.Scatter(
        **shared,
        text=series.name,
        mode="markers+text",
        textposition="top center",
        marker={"color": series.colour, "size": 10},
        showlegend=False,
    )


def _published(panel: Panel, series: Series) -> Any:  # Any: plotly is untyped
    """Return marks at the places of the bars, or a level from end to end."""
    name = f"{series.name}, published"
    if panel.kind == "lines":
        ends, level = (series.x[0], series.x[-1]), series.published[0]
        line = {"color": series.colour, "dash": "dash"}
        return go.Scatter(x=ends, y=(level, level), name=name, mode="lines", line=line, showlegend=False)
    marker = {"color": "black", "symbol": "diamond", "size": 9}
    shared = {"x": series.x, "y": series.published, "offsetgroup": series.name}
    return go.Scatter(**shared, name=name, mode="markers", marker=marker, showlegend=False)


def whiskers(series: Series) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the lengths of the whiskers above and below the bars, none where they have no ends."""
    above = tuple(high - y for high, y in zip(series.high, series.y, strict=False))
    return above, tuple(y - low for low, y in zip(series.low, series.y, strict=False))


def _band(series: Series) -> Any:  # Any: plotly is untyped
    """Return the area between the ends of a series' intervals."""
    return go.Scatter(
        x=(*series.x, *reversed(series.x)),
        y=(*series.high, *reversed(series.low)),
        fill="toself",
        fillcolor=series.colour,
        opacity=0.15,
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=series.name,
        showlegend=False,
    )
