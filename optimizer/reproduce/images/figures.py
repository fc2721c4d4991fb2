"""The papers' figures over our rows, by layout, and the files they go to.

`efficiency` are figures 3 (6 for CNNs), 4 (7, 8) and 5 of Douzandeh Zenoozi et al. 2026, and the quantities of its
table 1 with what its text prints of them. What a paper prints is drawn where it can be compared: no seconds, no joules.
`techniques` are figures 3 to 19 of Douzandeh Zenoozi et al. 2025, its three scenarios side by side: curves over the
epochs have a panel per scenario and a line per technique; bars a group per scenario, the dense network in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from optimizer.charts.chart import Chart, Panel, Series, page
from optimizer.charts.pictures import write_pictures
from optimizer.reproduce.images.preset import QUANTITIES, Layout
from optimizer.reproduce.images.rows import DENSE, EpochMeans, ImageRow
from optimizer.reproduce.rows import Figure

Value = Callable[[ImageRow], Figure]
APPROACHES = {  # global is red and layer-wise blue, as in the paper
    DENSE: "green",
    "layer-wise": "royalblue",
    "global": "firebrick",
    "global at equal overall sparsity": "darkorange",
    "global, one ranking": "saddlebrown",
    "global, Erdős–Rényi densities": "rosybrown",
    "convolutions, layer-wise": "purple",
    "convolutions, global": "orchid",
}
ROOM = 0.3  # below the lowest bar, of the range of all
CHANGES = {
    "accuracy_relative": "accuracy relative to dense, %",
    "time_change": "inference time against dense, %",
    "energy_change": "inference energy against dense, %",
}
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
OF_CURVES = {"training accuracy": "training_accuracy", "training loss": "loss"}  # what the text says of curves
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
    """Yield accuracy against the Efficiency Index, training energy, peak memory, and changes with published values."""
    points = tuple(
        Series(
            name=row.configuration,
            group=row.approach,
            colour=APPROACHES[row.approach],
            x=(row.efficiency_index,),
            y=(100 * row.accuracy.mean,),
        )
        for row in rows
    )
    index = "Efficiency Index (our reading of it)"
    panel = Panel(kind="points", x_title=index, y_title="test accuracy, %", series=points)
    yield _chart(rows, "trade-off", "accuracy and efficiency", (panel,))
    energy = f"J of the whole training ({rows[0].energy_source})"
    joules = _paired(rows, energy, lambda row: (row.training_j.mean, *row.training_j_ends))
    yield _chart(rows, "training-energy", "training energy, least and most of the runs", (joules,))
    memory = _paired(rows, "MB", lambda row: (row.memory_mb.mean,) * 3)
    yield _chart(rows, "memory", "peak memory of training", (memory,))
    yield _chart(rows, "changes", "changes against dense, one standard deviation", tuple(_changes(rows)))


def _paired(rows: Sequence[ImageRow], unit: str, value: Callable[[ImageRow], tuple[float, float, float]]) -> Panel:
    """Return bars with whiskers, approaches side by side, on an axis zoomed to their differences as in the paper."""
    series = []
    for approach in dict.fromkeys(row.approach for row in rows):
        found = {_without_approach(row): value(row) for row in rows if row.approach == approach}
        y, low, high = zip(*found.values(), strict=True)
        colour = APPROACHES[approach]
        series.append(Series(name=approach, colour=colour, x=tuple(found), y=y, low=low, high=high))
    least, most = min(map(min, (s.low for s in series))), max(map(max, (s.high for s in series)))
    bottom = max(0.0, least - ROOM * (most - least)) if least < most else None
    return Panel(kind="bars", y_title=unit, series=tuple(series), bottom=bottom)


def _without_approach(row: ImageRow) -> str:
    """Return the label of a configuration without the letter of its approach, `50_PT` of `50_L_PT`."""
    if row.technique is None:
        return row.configuration
    share, *_, technique = row.configuration.split("_")
    return f"{share}_{technique}"


def _changes(rows: Sequence[ImageRow]) -> Iterator[Panel]:
    """Yield what the paper's table 1 is of, beside the values and bounds that its text prints."""
    for metric, what in CHANGES.items():
        series = [
            replace(
                _bars(row.configuration, APPROACHES[row.approach], {row.configuration: row}, _percent_of(metric)),
                published=(_published(row, metric, 100),),
            )
            for row in rows
            if getattr(row, metric) is not None
        ]
        if series:  # an accuracy of 0 leaves nothing to be relative to
            yield Panel(kind="bars", y_title=what, series=tuple(series))


def _percent_of(metric: str) -> Value:
    def value(row: ImageRow) -> Figure:
        found: Figure = getattr(row, metric)
        return Figure(mean=100 * found.mean, deviation=None if found.deviation is None else 100 * found.deviation)

    return value


def _published(row: ImageRow, metric: str, scale: float = 1.0) -> float | None:
    """Return a value that the paper prints of a row, else its bound, None where there is none that can be judged."""
    for claim in row.published:
        ends = [end for end in (claim.value, claim.at_most, claim.at_least) if end is not None]
        if claim.metric == metric and ends and QUANTITIES[metric].is_judged:
            return scale * ends[0]
    return None


def _techniques(rows: Sequence[ImageRow]) -> Iterator[Chart]:
    """Yield the curves of training, the test scores, and the costs."""
    names = dict.fromkeys(row.approach for row in rows if row.approach != DENSE)
    scenarios = {name: {row.technique or DENSE: row for row in rows if row.approach in (name, DENSE)} for name in names}
    for what, curve in CURVES.items():
        panels = tuple(_curves(scenario, of, what, curve) for scenario, of in scenarios.items())
        yield _chart(rows, what, what, panels)
    scores = tuple(_grouped(scenarios, what, score, what) for what, score in SCORES.items())
    yield _chart(rows, "test-scores", "test scores", scores)
    for what, cost in COSTS.items():
        unit = f"{what} ({rows[0].energy_source})" if what.endswith("J") else what
        name = what.partition(",")[0]
        yield _chart(rows, name, name, (_grouped(scenarios, unit, cost),))


def _chart(rows: Sequence[ImageRow], name: str, what: str, panels: tuple[Panel, ...]) -> Chart:
    first = rows[0]
    title = f"{first.model} on {first.dataset}: {what}, {first.runs} run{'s' * (first.runs > 1)}"
    return Chart(name=name.replace(" ", "-"), title=title, panels=panels)


def _grouped(scenarios: Mapping[str, Mapping[str, ImageRow]], what: str, value: Value, metric: str = "") -> Panel:
    series = []
    for technique, colour in TECHNIQUES.items():
        found = {scenario: of[technique] for scenario, of in scenarios.items() if technique in of}
        if found:
            series.append(_bars(technique, colour, found, value, metric))
    return Panel(kind="bars", y_title=what, series=tuple(series))


def _bars(name: str, colour: str, rows: Mapping[str, ImageRow], value: Value, metric: str = "") -> Series:
    figures = [value(row) for row in rows.values()]
    spread = [figure.deviation for figure in figures if figure.deviation is not None]
    means = tuple(figure.mean for figure in figures)
    return Series(
        name=name,
        colour=colour,
        x=tuple(rows),
        y=means,
        low=tuple(mean - deviation for mean, deviation in zip(means, spread, strict=False)),
        high=tuple(mean + deviation for mean, deviation in zip(means, spread, strict=False)),
        published=tuple(_published(row, metric) for row in rows.values()),
    )


def _curves(
    scenario: str, rows: Mapping[str, ImageRow], what: str, value: Callable[[EpochMeans], float | None]
) -> Panel:
    series = []
    for technique, row in rows.items():
        values = ((number, value(epoch)) for number, epoch in enumerate(row.epochs, start=1))
        x, y = zip(*((number, found) for number, found in values if found is not None), strict=True)
        level = _published(row, OF_CURVES[what]) if what in OF_CURVES else None
        series.append(Series(name=technique, colour=TECHNIQUES[technique], x=x, y=y, published=(level,)))
    return Panel(kind="lines", title=scenario, x_title="epoch", y_title=what, series=tuple(series))
