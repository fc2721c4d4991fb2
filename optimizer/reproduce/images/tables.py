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
    Column("pruned of all weights", lambda row: f"{row.overall_sparsity:.2%}"),
    figure("accuracy, %", "accuracy", 100, 2),
    figure("against dense, points", "accuracy_change", 100, 2),
    figure("relative to dense, %", "accuracy_relative", 100, 2),
    figure("F1", "f1", 1, 3),
)
INFERENCE: Columns = (
    *NAMES,
    figure("AIT, µs", "inference_s", 1e6, 1),
    change("time against dense", "time_change"),
    figure("TIE, J", "inference_j", 1, 3),
    change("energy against dense", "energy_change"),
)
TRAINING: Columns = (
    *NAMES,
    figure("training, s", "training_s", 1, 2),
    change("time against dense", "training_time_change"),
    figure("training, J", "training_j", 1, 1),
    change("energy against dense", "training_energy_change"),
    Column("energy, Wh", lambda row: f"{row.training_wh:.4f}"),
    Column("CO2, g", lambda row: f"{row.training_co2_g:.4f}"),
    figure("peak memory, MB", "memory_mb", 1, 2),
)

TABLES: Mapping[Layout, Mapping[str, Columns]] = {
    "efficiency": {
        "Quality": (*NAMES, Column("nominal sparsity", _nominal), *QUALITY),
        "Inference": (*INFERENCE, Column("index (our reading)", lambda row: f"{row.efficiency_index:.3f}")),
        "Training": TRAINING,
    },
    "techniques": {
        "Quality": (
            *NAMES,
            *QUALITY,
            figure("recall", "recall", 1, 3),
            figure("precision", "precision", 1, 3),
            figure("highest training accuracy, %", "training_accuracy", 100, 2),
            figure("training loss at the end", "loss", 1, 3),
        ),
        "Inference": INFERENCE,
        "Training": TRAINING,
    },
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
