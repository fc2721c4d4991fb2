"""The paper's figures: accuracy against the Efficiency Index, training energy, peak memory; HTML, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import plotly.graph_objects as go

from optimizer.reproduce.rows import Row

COLOURS = {"dense": "green", "layer-wise": "royalblue"}  # every global approach is red, as in the paper
GLOBAL = "firebrick"


def write_figures(rows: Sequence[Row], directory: Path, name: str) -> list[Path]:
    """Write the figures of one data set and model, also as SVG and PNG where kaleido is installed."""
    page = directory / f"{name}.html"
    figures = {"trade-off": _trade_off(rows), "training-energy": _bars(rows, "energy"), "memory": _bars(rows, "memory")}
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=index == 0) for index, figure in enumerate(figures.values())
    ]
    text = f'<!doctype html><meta charset="utf-8"><title>{name}</title>' + "".join(parts)
    page.write_text(text, encoding="utf-8")
    written = [page]
    if find_spec("kaleido"):
        for kind, figure in figures.items():
            for suffix in ("svg", "png"):
                written.append(directory / f"{name}-{kind}.{suffix}")
                figure.write_image(written[-1])
    return written


def _trade_off(rows: Sequence[Row]) -> go.Figure:
    """Draw figure 3 (6 for CNNs): a point per configuration."""
    points = go.Scatter(
        x=[row.efficiency_index for row in rows],
        y=[100 * row.accuracy.mean for row in rows],
        text=[row.configuration for row in rows],
        mode="markers+text",
        textposition="top center",
        marker={"color": [_colour(row) for row in rows], "size": 10},
    )
    return go.Figure(points).update_layout(
        title=_title(rows, "accuracy and efficiency"),
        xaxis_title="Efficiency Index",
        yaxis_title="test accuracy, %",
    )


def _bars(rows: Sequence[Row], kind: str) -> go.Figure:
    """Draw figure 4 (training energy, with deviations) or figure 5 (peak memory)."""
    is_energy = kind == "energy"
    heights = [row.epoch_j.mean if is_energy else row.memory_bytes / 1e6 for row in rows]
    bars = go.Bar(
        x=[row.configuration for row in rows],
        y=heights,
        error_y={"array": [row.epoch_j.deviation or 0 for row in rows], "visible": is_energy},
        marker_color=[_colour(row) for row in rows],
    )
    unit = f"J per epoch ({rows[0].energy_source})" if is_energy else "MB"
    return go.Figure(bars).update_layout(
        title=_title(rows, "training energy" if is_energy else "peak memory of training"), yaxis_title=unit
    )


def _colour(row: Row) -> str:
    return COLOURS.get(row.approach, GLOBAL)


def _title(rows: Sequence[Row], what: str) -> str:
    return f"{rows[0].model} on {rows[0].dataset}: {what}, {rows[0].runs} runs"
