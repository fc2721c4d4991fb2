"""The papers' figures over our rows, by layout, and the files they go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from optimizer.reproduce.charts import Chart
from optimizer.reproduce.images.figures_efficiency import efficiency_charts
from optimizer.reproduce.images.figures_techniques import technique_charts
from optimizer.reproduce.images.preset import Layout
from optimizer.reproduce.images.rows import Row
from optimizer.reproduce.pages import page
from optimizer.reproduce.pictures import write_pictures

LAYOUTS: Mapping[Layout, Callable[[Sequence[Row]], Iterator[Chart]]] = {
    "efficiency": efficiency_charts,
    "techniques": technique_charts,
}


def write_figures(rows: Sequence[Row], layout: Layout, directory: Path, name: str) -> list[Path]:
    """Write the figures of one data set and model: one page of all of them, and each as SVG and PNG."""
    charts, written = list(LAYOUTS[layout](rows)), [directory / f"{name}.html"]
    written[0].write_text(page(charts, name), encoding="utf-8")
    for chart in charts:
        written += write_pictures(chart, directory, name)
    return written
