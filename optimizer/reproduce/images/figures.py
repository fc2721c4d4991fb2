"""The papers' figures over our rows, by layout, and the files they go to.

`efficiency` are figures 3 (6 for CNNs), 4 and 5 of Douzandeh Zenoozi et al. 2026: a point or a bar per configuration.
`techniques` are figures 3 to 19 of Douzandeh Zenoozi et al. 2025, its three scenarios side by side: curves over the
epochs have a panel per scenario and a line per technique; bars a group per scenario, the dense network in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from optimizer.reproduce.charts import Chart, Panel, Series, page
from optimizer.reproduce.images.preset import Layout
from optimizer.reproduce.images.rows import DENSE, EpochMeans, ImageRow
from optimizer.reproduce.pictures import write_pictures
from optimizer.reproduce.rows import Figure

Value = Callable[[ImageRow], Figure]
GLOBAL = "firebrick"  # every global approach is red, as in the paper
APPROACHES = {DENSE: "green", "layer-wise": "royalblue"}
TECHNIQUES = {
    DENSE: "green",
    "pre-training": "royalblue",
    "in-training": "darkorange",
    "post-training": "firebrick",
    "set": "purple",
}
SCORES: Mapping[str, Value] = {
    "F1": lambda row: row.f1,
    "recall": lambda row: row.recall,
    "precision": lambda row: row.precision,
    "accuracy": lambda row: row.accuracy,
}
CURVES: Mapping[str, Callable[[EpochMeans], float | None]] = {
    "training accuracy": lambda epoch: epoch.training_accuracy,
    "validation accuracy": lambda epoch: epoch.validation_accuracy,
    "training loss": lambda epoch: epoch.loss,
}
COSTS: Mapping[str, Value] = {
    "total training time, s": lambda row: row.training_s,
    "total training energy, J": lambda row: row.training_j,
    "peak memory of training, MB": lambda row: row.memory_mb,
    "average inference time, s": lambda row: row.inference_s,
    "total inference energy, J": lambda row: row.inference_j,
}


def write_figures(rows: Sequence[ImageRow], layout: Layout, directory: Path, name: str) -> list[Path]:
    """Write the figures of one data set and model: one page of all of them, and each as SVG and PNG."""
    charts = list(_efficiency(rows) if layout == "efficiency" else _techniques(rows))
    written = [directory / f"{name}.html"]
    written[0].write_text(page(charts, name), encoding="utf-8")
    for chart in charts:
        written += write_pictures(chart, directory, name)
    return written


def _efficiency(rows: Sequence[ImageRow]) -> Iterator[Chart]:
    """Yield accuracy against the Efficiency Index, training energy, and peak memory."""
    points = tuple(
        Series(name=row.configuration, colour=_colour(row), x=(row.efficiency_index,), y=(100 * row.accuracy.mean,))
        for row in rows
    )
    panel = Panel(kind="points", x_title="Efficiency Index", y_title="test accuracy, %", series=points)
    yield _chart(rows, "trade-off", "accuracy and efficiency", (panel,))
    energy = f"J per epoch ({rows[0].energy_source})"
    yield _chart(rows, "training-energy", "training energy", (_each(rows, energy, lambda row: row.epoch_j),))
    yield _chart(rows, "memory", "peak memory of training", (_each(rows, "MB", lambda row: row.memory_mb),))


def _techniques(rows: Sequence[ImageRow]) -> Iterator[Chart]:
    """Yield the curves of training, the test scores, and the costs."""
    names = dict.fromkeys(row.approach for row in rows if row.approach != DENSE)
    scenarios = {name: {row.technique or DENSE: row for row in rows if row.approach in (name, DENSE)} for name in names}
    for what, curve in CURVES.items():
        panels = tuple(_curves(scenario, of, what, curve) for scenario, of in scenarios.items())
        yield _chart(rows, what, what, panels)
    scores = tuple(_grouped(scenarios, what, score) for what, score in SCORES.items())
    yield _chart(rows, "test-scores", "test scores", scores)
    for what, cost in COSTS.items():
        unit = f"{what} ({rows[0].energy_source})" if what.endswith("J") else what
        name = what.partition(",")[0]
        yield _chart(rows, name, name, (_grouped(scenarios, unit, cost),))


def _chart(rows: Sequence[ImageRow], name: str, what: str, panels: tuple[Panel, ...]) -> Chart:
    first = rows[0]
    title = f"{first.model} on {first.dataset}: {what}, {first.runs} run{'s' * (first.runs > 1)}"
    return Chart(name=name.replace(" ", "-"), title=title, panels=panels)


def _each(rows: Sequence[ImageRow], unit: str, value: Value) -> Panel:
    series = (_bars(row.configuration, _colour(row), {row.configuration: row}, value) for row in rows)
    return Panel(kind="bars", y_title=unit, series=tuple(series))


def _grouped(scenarios: Mapping[str, Mapping[str, ImageRow]], what: str, value: Value) -> Panel:
    series = []
    for technique, colour in TECHNIQUES.items():
        found = {scenario: of[technique] for scenario, of in scenarios.items() if technique in of}
        if found:
            series.append(_bars(technique, colour, found, value))
    return Panel(kind="bars", y_title=what, series=tuple(series))


def _bars(name: str, colour: str, rows: Mapping[str, ImageRow], value: Value) -> Series:
    figures = [value(row) for row in rows.values()]
    means = tuple(figure.mean for figure in figures)
    deviations = tuple(figure.deviation for figure in figures if figure.deviation is not None)
    return Series(name=name, colour=colour, x=tuple(rows), y=means, deviations=deviations)


def _curves(
    scenario: str, rows: Mapping[str, ImageRow], what: str, value: Callable[[EpochMeans], float | None]
) -> Panel:
    series = []
    for technique, row in rows.items():
        values = ((number, value(epoch)) for number, epoch in enumerate(row.epochs, start=1))
        x, y = zip(*((number, found) for number, found in values if found is not None), strict=True)
        series.append(Series(name=technique, colour=TECHNIQUES[technique], x=x, y=y))
    return Panel(kind="lines", title=scenario, x_title="epoch", y_title=what, series=tuple(series))


def _colour(row: ImageRow) -> str:
    return APPROACHES.get(row.approach, GLOBAL)
