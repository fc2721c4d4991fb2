"""The paper's figures of one network: energy and throughput over what is removed, published and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from optimizer.charts.chart import Chart, Panel, Series, page
from optimizer.charts.pictures import write_pictures
from optimizer.measuring.ratios import Ratio
from optimizer.reproduce.listed.preset import ListedPreset, Network
from optimizer.reproduce.listed.preset import Series as Published
from optimizer.reproduce.listed.rows import NOT_TIMED, BatchRow, ListedRow

COLOURS = ("royalblue", "darkorange", "green", "purple", "saddlebrown")


class Shown(NamedTuple):
    """What a figure shows, as a percentage of the unpruned network's.

    `theirs` gives the published value of a series at a batch size and a ratio, both by their places.
    """

    name: str
    words: str
    ours: Callable[[BatchRow], Ratio]
    theirs: Callable[[Network, Published, int, int], float]


SHOWN = (
    Shown(
        "energy",
        "energy of an image, % of the unpruned network's",
        lambda each: each.energy,
        lambda network, series, batch, place: series.energy_j[batch][place] / network.energy_j[batch],
    ),
    Shown(
        "throughput",
        "images per second, % of the unpruned network's",
        lambda each: Ratio(value=1 / each.time.value, lower=1 / each.time.upper, upper=1 / each.time.lower),
        lambda network, series, batch, place: series.fps[batch][place] / network.fps[batch],
    ),
)


def write_figures(rows: Sequence[ListedRow], preset: ListedPreset, directory: Path, name: str) -> list[Path]:
    """Write every figure as SVG and PNG and a page of all, and return the paths."""
    charts = [_chart(rows, preset, shown) for shown in SHOWN]
    written = [directory / f"{name}.html"]
    written[0].write_text(page(charts, name), encoding="utf-8")
    return [*written, *(path for chart in charts for path in write_pictures(chart, directory, name))]


def _chart(rows: Sequence[ListedRow], preset: ListedPreset, shown: Shown) -> Chart:
    network = preset.network(rows[0].model)
    sizes = sorted({*preset.batch_sizes, *(each.batch for row in rows for each in row.batches)})
    source = next((row.energy_source for row in rows if row.batches), NOT_TIMED)
    ours = f"here, solid: {source}" if shown.name == "energy" else "here, solid"
    panels = tuple(
        Panel(
            kind="lines",
            title=f"batch {batch}",
            x_title="MACs removed, %",
            y_title=shown.words,
            series=(*_published(preset, network, shown, batch), *_measured(rows, network, shown, batch)),
        )
        for batch in sizes
    )
    return Chart(name=shown.name, title=f"{network.name}: published, dashed; {ours}", panels=panels)


def _published(preset: ListedPreset, network: Network, shown: Shown, batch: int) -> Iterator[Series]:
    if batch not in preset.batch_sizes:
        return
    at = preset.batch_sizes.index(batch)
    for colour, series in zip(COLOURS, network.series, strict=False):
        values = [100 * shown.theirs(network, series, at, place) for place in range(len(preset.ratios))]
        gone = [_gone(network, macs) for macs in series.macs]
        name = f"{series.distribution}, published"
        yield Series(name=name, colour=colour, x=(0.0, *gone), y=(100.0, *values), is_dashed=True, has_marks=False)


def _measured(rows: Sequence[ListedRow], network: Network, shown: Shown, batch: int) -> Iterator[Series]:
    for colour, series in zip(COLOURS, network.series, strict=False):
        points = [
            (_gone(network, row.macs), shown.ours(each))
            for row in sorted(rows, key=lambda row: -row.macs)
            for each in row.batches
            if each.batch == batch and row.distribution == series.distribution
        ]
        if points:
            yield Series(
                name=f"{series.distribution}, here",
                colour=colour,
                x=(0.0, *(gone for gone, _ in points)),
                y=(100.0, *(100 * value.value for _, value in points)),
                low=(100.0, *(100 * value.lower for _, value in points)),
                high=(100.0, *(100 * value.upper for _, value in points)),
            )


def _gone(network: Network, macs: int) -> float:
    return 100 * (1 - macs / network.macs)
