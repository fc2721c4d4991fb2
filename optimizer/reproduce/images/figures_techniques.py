"""Figures 3 to 19 of Douzandeh Zenoozi et al. 2025 for one data set and network, its three scenarios side by side.

Curves over the epochs have a panel per scenario and a line per technique; bars a group per scenario, the dense network
in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from optimizer.reproduce.charts import Chart, Panel, Series
from optimizer.reproduce.figure import Figure
from optimizer.reproduce.images.rows import EpochMeans, Row
from optimizer.reproduce.images.series import bars, title

DENSE = "dense"
COLOURS = {
    DENSE: "green",
    "pre-training": "royalblue",
    "in-training": "darkorange",
    "post-training": "firebrick",
    "set": "purple",
}
SCORES: Mapping[str, Callable[[Row], Figure]] = {
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
COSTS: Mapping[str, Callable[[Row], Figure]] = {
    "total training time, s": lambda row: row.training_s,
    "total training energy, J": lambda row: row.training_j,
    "peak memory of training, MB": lambda row: row.memory_mb,
    "average inference time, s": lambda row: row.inference_s,
    "total inference energy, J": lambda row: row.inference_j,
}


def technique_charts(rows: Sequence[Row]) -> Iterator[Chart]:
    """Yield the curves of training, the test scores, and the costs."""
    scenarios = {
        name: _of_scenario(rows, name) for name in dict.fromkeys(row.approach for row in rows) if name != DENSE
    }
    for what, curve in CURVES.items():
        yield _curves(rows, scenarios, what, curve)
    scores = tuple(_grouped(scenarios, what, score) for what, score in SCORES.items())
    yield Chart(name="test-scores", title=title(rows, "test scores"), panels=scores)
    for what, cost in COSTS.items():
        unit = f"{what} ({rows[0].energy_source})" if what.endswith("J") else what
        name = what.partition(",")[0]
        panels = (_grouped(scenarios, unit, cost),)
        yield Chart(name=name.replace(" ", "-"), title=title(rows, name), panels=panels)


def _of_scenario(rows: Sequence[Row], scenario: str) -> dict[str, Row]:
    """Return the rows of a scenario and the dense one, by technique."""
    return {row.technique or DENSE: row for row in rows if row.approach in (scenario, DENSE)}


def _curves(
    rows: Sequence[Row],
    scenarios: Mapping[str, Mapping[str, Row]],
    what: str,
    value: Callable[[EpochMeans], float | None],
) -> Chart:
    panels = tuple(
        Panel(
            kind="lines",
            title=scenario,
            x_title="epoch",
            y_title=what,
            series=tuple(_line(technique, row, value) for technique, row in of.items()),
        )
        for scenario, of in scenarios.items()
    )
    return Chart(name=what.replace(" ", "-"), title=title(rows, what), panels=panels)


def _line(technique: str, row: Row, value: Callable[[EpochMeans], float | None]) -> Series:
    values = ((number, value(epoch)) for number, epoch in enumerate(row.epochs, start=1))
    known = [(number, found) for number, found in values if found is not None]
    x, y = (tuple(each) for each in zip(*known, strict=True))
    return Series(name=technique, colour=COLOURS[technique], x=x, y=y)


def _grouped(scenarios: Mapping[str, Mapping[str, Row]], what: str, value: Callable[[Row], Figure]) -> Panel:
    series = []
    for technique, colour in COLOURS.items():
        found = {scenario: of[technique] for scenario, of in scenarios.items() if technique in of}
        if found:
            series.append(bars(technique, colour, found, value))
    return Panel(kind="bars", y_title=what, series=tuple(series))
