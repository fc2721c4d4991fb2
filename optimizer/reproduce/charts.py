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


def page(charts: Sequence[Chart], title: str) -> str:
    """Return a page that needs no network, with plotly's own script in it."""
    parts = [_figure(chart).to_html(full_html=False, include_plotlyjs=index == 0) for index, chart in enumerate(charts)]
    return f'<!doctype html><meta charset="utf-8"><title>{title}</title>' + "".join(parts)


def _figure(chart: Chart) -> Any:  # Any: plotly is untyped
    figure = make_subplots(rows=1, cols=len(chart.panels), subplot_titles=[panel.title for panel in chart.panels])
    for column, panel in enumerate(chart.panels, start=1):
        for series in panel.series:
            figure.add_trace(_trace(panel, series, with_legend=column == 1), row=1, col=column)
        figure.update_xaxes(title_text=panel.x_title, row=1, col=column)
        figure.update_yaxes(title_text=panel.y_title, row=1, col=column)
    is_grouped = any(len(series.x) > 1 for panel in chart.panels for series in panel.series)
    return figure.update_layout(title=chart.title, barmode="group" if is_grouped else "overlay")


def _trace(panel: Panel, series: Series, *, with_legend: bool) -> Any:  # Any: plotly is untyped
    shared = {"x": series.x, "y": series.y, "name": series.name, "legendgroup": series.name}
    if panel.kind == "bars":
        deviations = {"array": series.deviations, "visible": bool(series.deviations)}
        return go.Bar(**shared, error_y=deviations, marker_color=series.colour, showlegend=with_legend)
    if panel.kind == "lines":
        return go.Scatter(**shared, mode="lines+markers", line={"color": series.colour}, showlegend=with_legend)
    return go.Scatter(
        **shared,
        text=series.name,
        mode="markers+text",
        textposition="top center",
        marker={"color": series.colour, "size": 10},
        showlegend=False,
    )
