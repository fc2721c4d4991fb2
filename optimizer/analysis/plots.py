"""The plots of an analysis: cost over compression, a panel per batch size or per way of pruning, in three forms each.

They are those of PruneEnergyAnalyzer (Pachón et al. 2025, section 4): compression against energy and its reduction, by
distribution, by network, by batch size; throughput by batch size; energy beside a metric of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer.analysis.curves import Along, gone
from optimizer.analysis.forms import FORMS
from optimizer.analysis.records import Measure
from optimizer.charts.chart import Chart, Panel, Series, page
from optimizer.charts.pictures import write_pictures
from optimizer.measuring.ratios import Ratio

COLOURS = ("royalblue", "darkorange", "green", "purple", "saddlebrown", "deeppink", "grey", "teal")
UNPRUNED = "red"
ALONG: Mapping[Along, str] = {"flops": "FLOPs removed, %", "parameters": "parameters removed, %"}
Split = Callable[[Measure], str]


@dataclass(frozen=True, slots=True)
class Value:
    """What a plot shows of a measure: its name for files, its words, and the value with its interval."""

    name: str
    words: str
    of: Callable[[Measure], Ratio]


def _reduction(ratio: Ratio) -> Ratio:
    return Ratio(value=100 * (1 - ratio.value), lower=100 * (1 - ratio.upper), upper=100 * (1 - ratio.lower))


def _fps(measure: Measure) -> Ratio:
    batch, seconds = measure.key.batch, measure.seconds
    return Ratio(value=batch / seconds.value, lower=batch / seconds.upper, upper=batch / seconds.lower)


ENERGY = Value("energy", "energy of an inference, J", lambda each: each.energy_j)
ENERGY_REDUCTION = Value("energy-reduction", "energy reduction, %", lambda each: _reduction(each.energy))
TIME_REDUCTION = Value("time-reduction", "time reduction, %", lambda each: _reduction(each.time))
FPS = Value("fps", "inferences per second", _fps)


def write_plots(measures: Sequence[Measure], along: Along, output: Path) -> list[Path]:
    """Write one page of all plots, and each as SVG and PNG; return the paths."""
    charts = list(charts_of(measures, along))
    written = [output / "plots.html"]
    written[0].write_text(page(charts, "Cost of pruned models"), encoding="utf-8")
    for chart in charts:
        written += write_pictures(chart, output, "plot")
    return written


def charts_of(measures: Sequence[Measure], along: Along) -> Iterator[Chart]:
    """Yield the plots."""
    by_parent: dict[str, list[Measure]] = {}
    for each in measures:
        by_parent.setdefault(each.key.parent, []).append(each)
    for parent, some in by_parent.items():
        for value in (ENERGY, ENERGY_REDUCTION, TIME_REDUCTION):
            yield from _in_forms(Plot(parent, some, value, along, panels=_batch, lines=_way))
        for value in (ENERGY, FPS):
            yield from _in_forms(Plot(parent, some, value, along, panels=_way, lines=_batch, name="by-batch-"))
        for metric in dict.fromkeys(name for each in some for name in each.metric):
            yield _beside(Plot(parent, some, ENERGY, along, panels=_batch, lines=_way), metric)
    if len(by_parent) > 1:
        for value in (ENERGY, ENERGY_REDUCTION):
            yield from _in_forms(Plot("networks", measures, value, along, panels=_batch, lines=_network))


@dataclass(frozen=True)
class Plot:
    """A value over compression: `panels` tells the panel of a measure, `lines` its line."""

    title: str
    measures: Sequence[Measure]
    value: Value
    along: Along
    panels: Split
    lines: Split
    name: str = ""

    def panel(self, title: str, series: Sequence[Series], *, second_title: str = "") -> Panel:
        """Return a panel with lines."""
        source = next(each.energy_source for each in self.measures)
        words = f"{self.value.words} ({source})" if "energy" in self.value.name else self.value.words
        return Panel(
            kind="lines",
            title=title,
            x_title=ALONG[self.along],
            y_title=words,
            second_title=second_title,
            series=tuple(series),
        )

    def series(self, panel: str) -> list[Series]:
        """Return the lines of a panel; each begins with its unpruned model."""
        found: dict[str, list[Measure]] = {}
        for each in self.measures:
            if not each.is_unpruned and self.panels(each) == panel:
                found.setdefault(self.lines(each), []).append(each)
        return [self._line(name, COLOURS[at % len(COLOURS)], some) for at, (name, some) in enumerate(found.items())]

    def names(self) -> list[str]:
        """Return the panels in their order."""
        return list(dict.fromkeys(self.panels(each) for each in self.measures if not each.is_unpruned))

    def _line(self, name: str, colour: str, some: Sequence[Measure]) -> Series:
        same = {(each.key.parent, each.size) for each in some}
        start = [each for each in self.measures if each.is_unpruned and (each.key.parent, each.size) in same]
        points = sorted((*start, *some), key=lambda each: gone(each, self.along))
        return line(name, colour, points, self.value.of, self.along)


def line(name: str, colour: str, points: Sequence[Measure], of: Callable[[Measure], Ratio], along: Along) -> Series:
    """Return measures as a line with its band."""
    values = [of(each) for each in points]
    return Series(
        name=name,
        colour=colour,
        x=tuple(gone(each, along) for each in points),
        y=tuple(each.value for each in values),
        low=tuple(each.lower for each in values),
        high=tuple(each.upper for each in values),
    )


def _in_forms(plot: Plot) -> Iterator[Chart]:
    for form, drawn in FORMS.items():
        panels = []
        for name in plot.names():
            series = plot.series(name)
            panels.append(plot.panel(name, [*map(drawn, series), *_unpruned(series)]))
        if panels:
            file = f"{_file(plot.title)}-{plot.name}{plot.value.name}-{_file(form)}"
            yield Chart(name=file, title=f"{plot.title}: {plot.value.words}, {form}", panels=tuple(panels))


def _unpruned(series: Sequence[Series]) -> list[Series]:
    """Return the first points of the lines, where nothing is pruned."""
    starts = dict.fromkeys((each.x[0], each.y[0]) for each in series)
    return [Series(name="unpruned", colour=UNPRUNED, x=(x,), y=(y,)) for x, y in starts]


def _beside(plot: Plot, metric: str) -> Chart:
    """Return energy with a metric of the user on an axis of its own."""
    panels = []
    for name in plot.names():
        lines = plot.series(name)
        known = [each for each in plot.measures if metric in each.metric and plot.panels(each) == name]
        second = [
            Series(
                name=f"{metric}, {way}",
                colour=COLOURS[at % len(COLOURS)],
                x=tuple(gone(each, plot.along) for each in some),
                y=tuple(each.metric[metric] for each in some),
                is_second=True,
            )
            for at, (way, some) in enumerate(_by(plot.lines, known, plot.along).items())
        ]
        panels.append(plot.panel(name, [*lines, *second], second_title=metric))
    title = f"{plot.title}: energy of an inference and {metric}"
    return Chart(name=f"{_file(plot.title)}-energy-{_file(metric)}", title=title, panels=tuple(panels))


def _by(lines: Split, measures: Sequence[Measure], along: Along) -> dict[str, list[Measure]]:
    found: dict[str, list[Measure]] = {}
    for each in sorted(measures, key=lambda one: gone(one, along)):
        found.setdefault(lines(each), []).append(each)
    return found


def _batch(measure: Measure) -> str:
    return measure.size


def _way(measure: Measure) -> str:
    words = (measure.facts.method, measure.facts.distribution)
    return " ".join(word for word in words if word) or "pruned"


def _network(measure: Measure) -> str:
    return f"{measure.key.parent} {_way(measure)}"


def _file(words: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in words)
