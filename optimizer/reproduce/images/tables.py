"""The columns of image tables, by layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.reproduce.images.preset import QUANTITIES, Layout
from optimizer.reproduce.images.rows import ImageRow
from optimizer.reproduce.tables import Column, change, csv_of, figure, points

Columns = tuple[Column[Any], ...]


def published(row: ImageRow) -> str:
    """Return what was published of a row."""
    return "; ".join(f"{p.metric.replace('_', ' ')} {QUANTITIES[p.metric].claimed(p)}" for p in row.published)


def epochs_comma_separated(rows: Sequence[ImageRow]) -> str:
    """Return the means over the runs of every epoch of every row."""
    return csv_of(
        [
            {"configuration": row.configuration, "epoch": number, **epoch.model_dump()}
            for row in rows
            for number, epoch in enumerate(row.epochs, start=1)
        ]
    )


def _approach(row: ImageRow) -> str:
    return row.approach if row.technique is None else f"{row.technique}, {row.approach}"


def _nominal(row: ImageRow) -> str:
    return "as overall" if row.nominal_sparsity is None else f"{row.nominal_sparsity:.0%}"


NAMES: Columns = (Column("configuration", lambda row: row.configuration), Column("approach", _approach))
QUALITY: Columns = (
    Column("overall", lambda row: f"{row.overall_sparsity:.2%}"),
    figure("accuracy", "accuracy", 100, 2),
    figure("change, points", "accuracy_change", 100, 2),
    figure("relative to dense, %", "accuracy_relative", 100, 2),
    figure("F1", "f1", 1, 3),
)
INFERENCE: Columns = (
    figure("AIT, µs", "inference_s", 1e6, 1),
    change("time", "time_change"),
    figure("TIE, J", "inference_j", 1, 3),
    change("energy", "energy_change"),
)
MEMORY: Columns = (figure("peak MB", "memory_mb", 1, 2),)
PUBLISHED: Columns = (Column("published", lambda row: published(row) or "–"),)

COLUMNS: Mapping[Layout, Columns] = {
    "efficiency": (
        *NAMES,
        Column("sparsity nominal", _nominal),
        *QUALITY,
        *INFERENCE,
        Column("index", lambda row: f"{row.efficiency_index:.3f}"),
        figure("training J/epoch", "epoch_j", 1, 2),
        Column("Wh", lambda row: f"{row.training_wh:.4f}"),
        Column("CO2, g", lambda row: f"{row.training_co2_g:.4f}"),
        *MEMORY,
        *PUBLISHED,
    ),
    "techniques": (
        *NAMES,
        *QUALITY,
        figure("recall", "recall", 1, 3),
        figure("precision", "precision", 1, 3),
        figure("training accuracy", "training_accuracy", 100, 2),
        figure("loss", "loss", 1, 3),
        figure("training s", "training_s", 1, 2),
        figure("training J", "training_j", 1, 1),
        *MEMORY,
        *INFERENCE,
        *PUBLISHED,
    ),
}
SUMMARY: Columns = (
    Column("configuration", lambda row: f"{row.dataset} {row.model} {row.configuration}"),
    Column("overall sparsity", lambda row: f"{row.overall_sparsity:.2%}"),
    figure("accuracy, %", "accuracy", 100, 2),
    points("change", "accuracy_change"),
    change("time", "time_change"),
    Column("energy", lambda row: f"{row.energy_change.mean:+.1%} ({row.energy_source})"),
    Column("runs", lambda row: str(row.runs)),
)
