"""Tables of rows: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from optimizer.reproduce.rows import Figure, PublishedValue, Row

HEADS = (
    "configuration",
    "approach",
    "sparsity nominal",
    "overall",
    "accuracy",
    "change, points",
    "F1",
    "AIT, µs",
    "time",
    "TIE, J",
    "energy",
    "index",
    "training J/epoch",
    "Wh",
    "CO2, g",
    "peak MB",
    "published",
)


def markdown(rows: Sequence[Row]) -> str:
    """Return one table; figures are mean ± standard deviation over the runs, changes are against dense."""
    energy = {head: f"{head} ({rows[0].energy_source})" for head in HEADS if "J" in head}
    heads = tuple(energy.get(head, head) for head in HEADS)
    lines = [heads, ("---",) * len(HEADS), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def comma_separated(rows: Sequence[Row]) -> str:
    """Return every field of every row, means and deviations in columns of their own."""
    flat = [_flat(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.configuration,
        row.approach if row.technique is None else f"{row.technique}, {row.approach}",
        "as overall" if row.nominal_sparsity is None else f"{row.nominal_sparsity:.0%}",
        f"{row.overall_sparsity:.2%}",
        _with_deviation(row.accuracy, scale=100, digits=2),
        _with_deviation(row.accuracy_change, scale=100, digits=2),
        _with_deviation(row.f1, scale=1, digits=3),
        _with_deviation(row.inference_s, scale=1e6, digits=1),
        f"{row.time_change.mean:+.1%}",
        _with_deviation(row.inference_j, scale=1, digits=3),
        f"{row.energy_change.mean:+.1%}",
        f"{row.efficiency_index:.3f}",
        _with_deviation(row.epoch_j, scale=1, digits=2),
        f"{row.training_wh:.4f}",
        f"{row.training_co2_g:.4f}",
        f"{row.memory_bytes / 1e6:.2f}",
        "; ".join(_in_words(value) for value in row.published) or "–",
    )


def _with_deviation(figure: Figure, *, scale: float, digits: int) -> str:
    mean = f"{figure.mean * scale:.{digits}f}"
    return mean if figure.deviation is None else f"{mean} ± {figure.deviation * scale:.{digits}f}"


def _in_words(value: PublishedValue) -> str:
    name = value.metric.replace("_", " ")
    if value.value is not None:
        return f"{name} {value.value:+.2%}"
    return f"{name} ≥ {value.at_least:+.0%}" if value.at_least is not None else f"{name} ≤ {value.at_most:+.0%}"


def _flat(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.model_dump().items():
        if isinstance(value, dict):
            flat |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            flat[name] = value
    flat["published"] = "; ".join(_in_words(value) for value in row.published)
    return flat
