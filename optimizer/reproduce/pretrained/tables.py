"""The columns of a network's table, and tables 6 to 8 over all networks, published beside measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optimizer.reproduce.pretrained.preset import BASELINE, QUANTITIES, PretrainedPreset
from optimizer.reproduce.pretrained.rows import Change, PretrainedRow
from optimizer.reproduce.tables import Column, figure

NONE = "–"


def _changed(head: str, name: str) -> Column[Any]:
    def cell(row: PretrainedRow) -> str:
        found: Change | None = getattr(row, name)
        return NONE if found is None else found.in_percent

    return Column(head, cell)


def _published(row: PretrainedRow) -> str:
    values = (f"{QUANTITIES[p.metric].words} {QUANTITIES[p.metric].claimed(p)}, {p.where}" for p in row.published)
    return "; ".join(values) or NONE


def published(row: PretrainedRow) -> str:
    """Return what was published of a row, for programs."""
    return "; ".join(f"{p.metric} {p.value:g} ({p.where})" for p in row.published)


def columns(pue: float) -> tuple[Column[Any], ...]:
    """Return the columns of a network's table; the energy of a data centre is the energy times its `pue`."""
    return (*_WHAT, *_TIMES, *_ENERGIES, figure(f"× {pue:g}, J", "datacenter_j", 1, 1), *_OF_AN_EPOCH)


_WHAT: tuple[Column[Any], ...] = (
    Column("configuration", lambda row: row.configuration),
    Column("compression", lambda row: f"{row.compression:.2%}"),
    Column("stored, of dense", lambda row: f"{row.stored_ratio:.2f}"),
    figure("untrained, %", "untrained_accuracy", 100, 2),
    figure("accuracy, %", "accuracy", 100, 2),
    Column("against baseline, points [95 %]", lambda row: row.accuracy_difference.in_points),
    figure("epochs", "epochs", 1, 0),
)
_TIMES: tuple[Column[Any], ...] = (
    figure("training, s", "training_s", 1, 1),
    _changed("time of an epoch against baseline [95 %]", "epoch_time_change"),
    _changed("time of the training [95 %]", "training_time_change"),
)
_ENERGIES: tuple[Column[Any], ...] = (
    figure("GPU, J", "gpu_j", 1, 1),
    figure("CPU, J", "cpu_j", 1, 1),
    figure("memory, J", "ram_j", 1, 1),
    figure("together, J", "training_j", 1, 1),
)
_OF_AN_EPOCH: tuple[Column[Any], ...] = (
    figure("an epoch, J", "epoch_j", 1, 1),
    _changed("energy of an epoch against baseline [95 %]", "epoch_energy_change"),
    _changed("energy of the training [95 %]", "training_energy_change"),
    Column("published, ImageNet", _published),
)
SUMMARY: tuple[Column[Any], ...] = (
    Column("configuration", lambda row: f"{row.dataset} {row.model} {row.configuration}"),
    Column("compression", lambda row: f"{row.compression:.1%}"),
    figure("accuracy, %", "accuracy", 100, 2),
    Column("change, points", lambda row: row.accuracy_difference.in_points),
    figure("epochs", "epochs", 1, 0),
    _changed("time of an epoch", "epoch_time_change"),
    _changed("energy of the training", "training_energy_change"),
    Column("runs", lambda row: str(row.runs)),
)


def overview(preset: PretrainedPreset, rows: Sequence[PretrainedRow]) -> str:
    """Return tables 2, 6, 7 and 8 in Markdown: a line per network that was run, and per published one that was not."""
    parts = [
        _networks(preset),
        _table(preset, rows, "Table 6: bits zeroed", ("bits-once", "bits-held"), ("bits", "compression")),
        _table(preset, rows, "Table 7: pruning", ("pruned",), ("layer_min", "layer_max", "compression")),
        _table(preset, rows, "Table 8: low rank", ("low-rank",), ("rank_min", "rank_max", "rank_mean", "compression")),
    ]
    return "\n\n".join(parts) + "\n"


def _networks(preset: PretrainedPreset) -> str:
    lines = [f"| {network.name} | {network.parameters / 1e6:.1f} M | {network.depth} |" for network in preset.networks]
    heads = ["| network | parameters: published | depth: published |", "| --- | --- | --- |"]
    return "\n".join(["## Table 2: networks", "", *heads, *lines])


def _table(
    preset: PretrainedPreset, rows: Sequence[PretrainedRow], title: str, labels: Sequence[str], metrics: Sequence[str]
) -> str:
    heads = ["network", "configuration", *(f"{QUANTITIES[metric].words}: ours" for metric in metrics)]
    heads += ["stored, of dense: ours", "baseline: ours", "untrained: ours", "accuracy: ours", "points [95 %]"]
    heads += [f"{QUANTITIES[metric].words}: published" for metric in metrics]
    heads += ["baseline: published", "accuracy: published"]
    lines = [heads, ["---"] * len(heads)]
    for dataset, model in dict.fromkeys((row.dataset, row.model) for row in rows):
        of_it = {row.configuration: row for row in rows if (row.dataset, row.model) == (dataset, model)}
        for label in labels:
            if label in of_it:
                ours, theirs = _ours(of_it[label], of_it[BASELINE], metrics), _theirs(preset, model, label, metrics)
                lines.append([f"{model} on {dataset}", label, *ours, *theirs])
    run = {row.model for row in rows}
    for network in preset.networks:
        if network.name not in run:
            nothing = [NONE] * (len(metrics) + 5)
            lines.append([network.name, labels[0], *nothing, *_theirs(preset, network.name, labels[0], metrics)])
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _ours(row: PretrainedRow, base: PretrainedRow, metrics: Sequence[str]) -> list[str]:
    values = [getattr(row, metric) for metric in metrics]
    shown = [NONE if value is None else QUANTITIES[m].show(value) for m, value in zip(metrics, values, strict=True)]
    accuracies = [f"{100 * each.mean:.2f} %" for each in (base.accuracy, row.untrained_accuracy, row.accuracy)]
    return [*shown, f"{row.stored_ratio:.2f}", *accuracies, row.accuracy_difference.in_points]


def _theirs(preset: PretrainedPreset, model: str, label: str, metrics: Sequence[str]) -> list[str]:
    printed = list(preset.printed(model))

    def value(configuration: str, metric: str) -> str:
        found = [each for each in printed if each.is_about(configuration) and each.metric == metric]
        show: Callable[[float], str] = QUANTITIES[metric].show
        values = dict.fromkeys(show(each.value) for each in found if each.value is not None)
        return " or ".join(values) or NONE

    return [*(value(label, metric) for metric in metrics), value(BASELINE, "accuracy"), value(label, "accuracy")]
