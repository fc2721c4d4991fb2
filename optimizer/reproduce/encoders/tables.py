"""The columns of encoder tables."""

from __future__ import annotations

from typing import Any

from optimizer.reproduce.claims import Published
from optimizer.reproduce.encoders.preset import QUANTITIES
from optimizer.reproduce.encoders.rows import EncoderRow
from optimizer.reproduce.reproduce import short_name
from optimizer.reproduce.tables import Column, change, figure, points


def _ratio(row: EncoderRow) -> str:
    return row.ratio.written(1, 1) if row.ratio.deviation else f"{row.ratio.mean:g}"


def _latency_change(row: EncoderRow) -> str:
    ends = "" if row.cpu_latency_interval is None else " [{:+.1%}, {:+.1%}]".format(*row.cpu_latency_interval)
    return f"{row.cpu_latency_change.mean:+.1%}{ends}"


def _quoted(row: EncoderRow) -> str:
    values = ((QUANTITIES[claim.metric], claim) for claim in row.published)
    return "; ".join(f"{of.words} {of.claimed(claim)}, {claim.where}" for of, claim in values) or "–"


COLUMNS: tuple[Column[Any], ...] = (  # those without a head are against dense
    Column("configuration", lambda row: row.configuration),
    Column("method", lambda row: row.method),
    Column("p", _ratio),
    figure("accuracy, %", "accuracy", 100, 2),
    Column("change, points [95 %]", lambda row: row.accuracy_difference.in_points),
    figure("untrained, %", "untrained_accuracy", 100, 2),
    figure("F1, %", "f1", 100, 2),
    figure("MCC", "mcc", 1, 3),
    figure("parameters, M", "parameters", 1e-6, 2),
    figure("FLOPs, M", "flops", 1e-6, 1),
    change("", "flops_change"),
    figure("CPU, ms", "cpu_latency_s", 1e3, 2),
    Column("", _latency_change),
    figure("GPU, ms", "gpu_latency_s", 1e3, 2, missing="not here"),
    figure("energy, mJ", "energy_j", 1e3, 1),
    change("", "energy_change"),
    figure("training, s", "training_s", 1, 0),
    Column("published", _quoted),
)
SUMMARY: tuple[Column[Any], ...] = (
    Column("configuration", lambda r: f"{r.dataset} {short_name(r.model)} {r.learning_rate:g} {r.configuration}"),
    figure("accuracy, %", "accuracy", 100, 2),
    points("change", "accuracy_change"),
    figure("F1", "f1", 100, 2),
    Column("MCC", lambda row: f"{row.mcc.mean:.3f}"),
    change("FLOPs", "flops_change"),
    change("CPU time", "cpu_latency_change"),
    change("GPU time", "gpu_latency_change", missing="no GPU"),
    Column("energy", lambda row: f"{row.energy_change.mean:+.1%} ({row.energy_source})"),
    Column("runs", lambda row: str(row.runs)),
)


def published(row: EncoderRow) -> str:
    """Return what was published of a row, for programs."""
    return "; ".join(f"{p.metric} {_number(p)} ({p.where})" for p in row.published)


def _number(claim: Published) -> str:
    return QUANTITIES[claim.metric].claimed(claim) if claim.value is None else f"{claim.value:g}"
