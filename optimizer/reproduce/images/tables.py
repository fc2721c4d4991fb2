"""Tables of rows: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from optimizer.reproduce.figure import with_deviation
from optimizer.reproduce.images.preset import Layout
from optimizer.reproduce.images.quantities import in_words
from optimizer.reproduce.images.rows import Row

Column = tuple[str, Callable[[Row], str]]

NAMES: tuple[Column, ...] = (
    ("configuration", lambda row: row.configuration),
    ("approach", lambda row: row.approach if row.technique is None else f"{row.technique}, {row.approach}"),
)
SPARSITY: tuple[Column, ...] = (("overall", lambda row: f"{row.overall_sparsity:.2%}"),)
ACCURACY: tuple[Column, ...] = (
    ("accuracy", lambda row: with_deviation(row.accuracy, scale=100, digits=2)),
    ("change, points", lambda row: with_deviation(row.accuracy_change, scale=100, digits=2)),
    ("F1", lambda row: with_deviation(row.f1, scale=1, digits=3)),
)
INFERENCE: tuple[Column, ...] = (
    ("AIT, µs", lambda row: with_deviation(row.inference_s, scale=1e6, digits=1)),
    ("time", lambda row: f"{row.time_change.mean:+.1%}"),
    ("TIE, J", lambda row: with_deviation(row.inference_j, scale=1, digits=3)),
    ("energy", lambda row: f"{row.energy_change.mean:+.1%}"),
)
MEMORY: tuple[Column, ...] = (("peak MB", lambda row: f"{row.memory_bytes / 1e6:.2f}"),)
PUBLISHED: tuple[Column, ...] = (("published", lambda row: _published(row) or "–"),)

COLUMNS: Mapping[Layout, tuple[Column, ...]] = {
    "efficiency": (
        *NAMES,
        (
            "sparsity nominal",
            lambda row: "as overall" if row.nominal_sparsity is None else f"{row.nominal_sparsity:.0%}",
        ),
        *SPARSITY,
        *ACCURACY,
        *INFERENCE,
        ("index", lambda row: f"{row.efficiency_index:.3f}"),
        ("training J/epoch", lambda row: with_deviation(row.epoch_j, scale=1, digits=2)),
        ("Wh", lambda row: f"{row.training_wh:.4f}"),
        ("CO2, g", lambda row: f"{row.training_co2_g:.4f}"),
        *MEMORY,
        *PUBLISHED,
    ),
    "techniques": (
        *NAMES,
        *SPARSITY,
        *ACCURACY,
        ("recall", lambda row: with_deviation(row.recall, scale=1, digits=3)),
        ("precision", lambda row: with_deviation(row.precision, scale=1, digits=3)),
        ("training accuracy", lambda row: with_deviation(row.training_accuracy, scale=100, digits=2)),
        ("loss", lambda row: with_deviation(row.loss, scale=1, digits=3)),
        ("training s", lambda row: with_deviation(row.training_s, scale=1, digits=2)),
        ("training J", lambda row: with_deviation(row.training_j, scale=1, digits=1)),
        *MEMORY,
        *INFERENCE,
        *PUBLISHED,
    ),
}


def markdown(rows: Sequence[Row], layout: Layout) -> str:
    """Return one table; figures are mean ± standard deviation over the runs, changes are against dense."""
    columns = COLUMNS[layout]
    heads = [f"{head} ({rows[0].energy_source})" if "J" in head else head for head, _ in columns]
    lines = [heads, ["---"] * len(columns), *([cell(row) for _, cell in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def comma_separated(rows: Sequence[Row]) -> str:
    """Return every field of every row, means and deviations in columns of their own; epochs have their own table."""
    return _csv([_flat(row) for row in rows])


def epochs_comma_separated(rows: Sequence[Row]) -> str:
    """Return the means over the runs of every epoch of every row."""
    return _csv(
        [
            {"configuration": row.configuration, "epoch": number, **epoch.model_dump()}
            for row in rows
            for number, epoch in enumerate(row.epochs, start=1)
        ]
    )


def _csv(flat: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _published(row: Row) -> str:
    return "; ".join(
        f"{value.metric.replace('_', ' ')} {in_words(value.metric, value.value, value.at_least, value.at_most)}"
        for value in row.published
    )


def _flat(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.model_dump(exclude={"epochs"}).items():
        if isinstance(value, dict):
            flat |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            flat[name] = value
    flat["published"] = _published(row)
    return flat
