"""Tables of encoder rows: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from optimizer.reproduce.encoders.compare import NAMES, written
from optimizer.reproduce.encoders.preset import EncoderPreset
from optimizer.reproduce.encoders.rows import EncoderRow
from optimizer.reproduce.figure import Figure, with_deviation

HEADS = (
    "configuration",
    "method",
    "p",
    "accuracy, %",
    "change, points [95 %]",
    "untrained, %",
    "F1, %",
    "MCC",
    "parameters, M",
    "FLOPs, M",
    "",
    "CPU, ms",
    "",
    "GPU, ms",
    "energy, mJ",
    "",
    "training, s",
    "published",
)
NOT_HERE = "not here"


def markdown(rows: Sequence[EncoderRow]) -> str:
    """Return one table; figures are mean ± standard deviation over the runs, unnamed columns are against dense."""
    heads = tuple(f"{head} ({rows[0].energy_source})" if head.startswith("energy") else head for head in HEADS)
    lines = [heads, ("---",) * len(HEADS), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def comma_separated(rows: Sequence[EncoderRow]) -> str:
    """Return every field of every row, means and deviations in columns of their own."""
    flat = [_flat(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in flat for name in row)))
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def quotations(preset: EncoderPreset) -> str:
    """Return what the paper quotes of other models, what it gives as examples, and what it leaves open."""
    quoted = [
        f"- {row.model} ({row.source}): {row.parameters / 1e6:g} M parameters, SST-2 accuracy {row.sst2_accuracy:.2%}"
        + ("" if row.cola_mcc is None else f", CoLA MCC {row.cola_mcc:g}")
        for row in preset.quoted
    ]
    examples = [f"- {illustration.where}: {illustration.text}" for illustration in preset.illustrations]
    parts = (
        ("Quoted there from others", quoted),
        ("Examples there, of no run", examples),
        ("What the paper leaves open, and what cannot be", [f"- {remark}" for remark in preset.remarks]),
    )
    return "\n\n".join(f"## {head}\n\n" + "\n".join(lines) for head, lines in parts if lines)


def _cells(row: EncoderRow) -> tuple[str, ...]:
    change = row.accuracy_difference
    return (
        row.configuration,
        row.method,
        with_deviation(row.ratio, scale=1, digits=1) if row.ratio.deviation else f"{row.ratio.mean:g}",
        with_deviation(row.accuracy, scale=100, digits=2),
        f"{100 * change.mean:+.2f} [{100 * change.lower:+.2f}, {100 * change.upper:+.2f}]",
        _known(row.untrained_accuracy, scale=100, digits=2, missing="–"),
        with_deviation(row.f1, scale=100, digits=2),
        with_deviation(row.mcc, scale=1, digits=3),
        with_deviation(row.parameters, scale=1e-6, digits=2),
        with_deviation(row.flops, scale=1e-6, digits=1),
        f"{row.flops_change.mean:+.1%}",
        with_deviation(row.cpu_latency_s, scale=1e3, digits=2),
        _latency_change(row),
        _known(row.gpu_latency_s, scale=1e3, digits=2, missing=NOT_HERE),
        with_deviation(row.energy_j, scale=1e3, digits=1),
        f"{row.energy_change.mean:+.1%}",
        with_deviation(row.training_s, scale=1, digits=0),
        "; ".join(f"{NAMES[p.metric]} {written(p.metric, p.value)}, {p.where}" for p in row.published) or "–",
    )


def _latency_change(row: EncoderRow) -> str:
    ends = "" if row.cpu_latency_interval is None else " [{:+.1%}, {:+.1%}]".format(*row.cpu_latency_interval)
    return f"{row.cpu_latency_change.mean:+.1%}{ends}"


def _known(figure: Figure | None, *, scale: float, digits: int, missing: str) -> str:
    return missing if figure is None else with_deviation(figure, scale=scale, digits=digits)


def _flat(row: EncoderRow) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.model_dump(exclude={"published"}).items():
        if isinstance(value, dict):
            flat |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            flat[name] = value
    flat["published"] = "; ".join(f"{p.metric} {p.value:g} ({p.where})" for p in row.published)
    return flat
