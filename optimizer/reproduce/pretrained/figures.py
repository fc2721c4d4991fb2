"""The paper's figures: accuracy by zeroed bits of each network (1), energy, time and epochs of all of them (2 to 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from optimizer.charts.chart import Chart, Panel, Series, page
from optimizer.charts.pictures import write_pictures
from optimizer.reproduce.pretrained.preset import BASELINE, Network, PretrainedPreset
from optimizer.reproduce.pretrained.rows import PretrainedRow
from optimizer.reproduce.rows import Figure

COLOURS = {
    BASELINE: "green",
    "bits-once": "royalblue",
    "bits-held": "navy",
    "bits-executed": "teal",
    "pruned": "firebrick",
    "low-rank": "darkorange",
    "bits+pruned": "purple",
    "bits+low-rank": "saddlebrown",
}
PALE = "silver"  # of what the paper prints
Value = Callable[[PretrainedRow], float | Figure | None]
Printed = Callable[[Network, str], float | None]
CURVES = {"bits-once": ("bits zeroed", 1.0), "pruned": ("weights pruned, %", 1.0)}


def write_curves(rows: Sequence[PretrainedRow], preset: PretrainedPreset, directory: Path, name: str) -> list[Path]:
    """Write figure 1 of one network, and the same of pruning; and a page of both."""
    charts = list(_curves(rows, preset))
    if not charts:
        return []
    written = [directory / f"{name}.html"]
    written[0].write_text(page(charts, name), encoding="utf-8")
    return [*written, *(path for chart in charts for path in write_pictures(chart, directory, name))]


def write_figures(rows: Sequence[PretrainedRow], preset: PretrainedPreset, directory: Path, name: str) -> list[Path]:
    """Write figures 2 to 6 over all networks, and a page of them."""
    charts = list(_charts(rows, preset))
    written = [directory / f"{name}.html"]
    written[0].write_text(page(charts, preset.title), encoding="utf-8")
    return [*written, *(path for chart in charts for path in write_pictures(chart, directory, name))]


def _curves(rows: Sequence[PretrainedRow], preset: PretrainedPreset) -> Iterator[Chart]:
    of_it = {row.configuration: row for row in rows}
    for label, (what, scale) in CURVES.items():
        row = of_it.get(label)
        if row is None or not row.curve:
            continue
        x = tuple(scale * step for step in range(len(row.curve)))
        ours = Series(name="search images, untrained", colour=COLOURS[label], x=x, y=_percent(row.curve))
        network = preset.network(row.model)
        theirs = [] if network is None else [_point(network, label)]
        panel = Panel(kind="lines", x_title=what, y_title="accuracy, %", series=(ours, *theirs))
        title = f"{row.model} on {row.dataset}"
        yield Chart(name="figure-1" if label == "bits-once" else "pruning", title=title, panels=(panel,))


def _point(network: Network, label: str) -> Series:
    is_bits = label == "bits-once"
    x = network.bits if is_bits else 100 * network.pruned
    y = network.bits_accuracy if is_bits else network.pruned_accuracy
    return Series(name="published, ImageNet", colour="black", x=(x,), y=(100 * y,))


def _charts(rows: Sequence[PretrainedRow], preset: PretrainedPreset) -> Iterator[Chart]:
    """Yield figures 2 to 6; those of energies and times have no printed values."""
    accuracy = _bars(rows, preset, "accuracy, %", lambda row: row.accuracy, _accuracy, scale=100)
    compression = _bars(rows, preset, "compression, %", lambda row: row.compression, _compression, scale=100)
    source = next((row.energy_source for row in rows if row.epochs), "not measured")
    energy = _bars(rows, preset, f"energy of the training, J ({source})", lambda row: row.training_j)
    epochs = _bars(rows, preset, "epochs", lambda row: row.epochs)
    yield Chart(name="figure-2", title="Energy and accuracy", panels=(energy, accuracy))
    seconds = _bars(rows, preset, "training, s", lambda row: row.training_s)
    yield Chart(name="figure-3", title="Training time and compression", panels=(seconds, compression))
    yield Chart(name="figure-4", title="Compression and energy against baseline", panels=(_scatter(rows),))
    yield Chart(name="figure-5", title="Accuracy and epochs", panels=(accuracy, epochs))
    each = _bars(rows, preset, f"energy of an epoch, J ({source})", lambda row: row.epoch_j)
    yield Chart(name="figure-6", title="Energy of an epoch, and epochs", panels=(each, epochs))


def _bars(
    rows: Sequence[PretrainedRow],
    preset: PretrainedPreset,
    what: str,
    value: Value,
    printed: Printed = lambda _network, _label: None,
    *,
    scale: float = 1.0,
) -> Panel:
    """Return bars by network, one per configuration, and in pale what the paper prints of the same network."""
    series = []
    for label, colour in COLOURS.items():
        known = [(row, found) for row in rows if row.configuration == label and (found := value(row)) is not None]
        means = [found.mean if isinstance(found, Figure) else found for _, found in known]
        if known:
            y = tuple(scale * mean for mean in means)
            series.append(Series(name=label, colour=colour, x=tuple(row.model for row, _ in known), y=y))
        networks = {row.model: preset.network(row.model) for row, _ in known}
        theirs = {m: found for m, of in networks.items() if of and (found := printed(of, label)) is not None}
        if theirs:
            y = tuple(scale * found for found in theirs.values())
            series.append(Series(name=f"{label}, published", colour=PALE, x=tuple(theirs), y=y))
    return Panel(kind="bars", y_title=what, series=tuple(series))


def _scatter(rows: Sequence[PretrainedRow]) -> Panel:
    known = [row for row in rows if row.training_energy_change is not None and row.configuration != BASELINE]
    series = (
        Series(
            name=f"{row.model} {row.configuration}",
            colour=COLOURS.get(row.configuration, "black"),
            x=(100 * row.compression,),
            y=(1 + row.training_energy_change.mean,),
        )
        for row in known
        if row.training_energy_change is not None
    )
    return Panel(
        kind="points", x_title="compression, %", y_title="energy of the training, baseline = 1", series=tuple(series)
    )


def _accuracy(network: Network, label: str) -> float | None:
    known = {
        BASELINE: network.baseline_t6,
        "bits-once": network.bits_accuracy,
        "pruned": network.pruned_accuracy,
        "low-rank": network.lowrank_accuracy,
    }
    return known.get(label)


def _compression(network: Network, label: str) -> float | None:
    known = {"bits-once": network.bits_compression, "pruned": network.pruned, "low-rank": network.lowrank_compression}
    return known.get(label)


def _percent(shares: Sequence[float]) -> tuple[float, ...]:
    return tuple(100 * share for share in shares)
