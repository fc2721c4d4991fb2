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


NAMES: tuple[Column[Any], ...] = (Column("configuration", lambda row: row.configuration), Column("p", _ratio))
QUALITY: tuple[Column[Any], ...] = (
    *NAMES,
    Column("method", lambda row: row.method),
    figure("accuracy, %", "accuracy", 100, 2),
    Column("against dense, points [95 %]", lambda row: row.accuracy_difference.in_points),
    figure("before training, %", "untrained_accuracy", 100, 2),
    figure("F1 of label 1, %", "f1", 100, 2),
    figure("F1 weighted, %", "f1_weighted", 100, 2),
    figure("MCC", "mcc", 1, 3),
    figure("training, s", "training_s", 1, 0),
)
COSTS: tuple[Column[Any], ...] = (
    *NAMES,
    figure("parameters, M", "parameters", 1e-6, 2),
    figure("of these zero, M", "zeroed", 1e-6, 2),
    figure("FLOPs, M", "flops", 1e-6, 1),
    change("FLOPs against dense", "flops_change"),
    figure("MACs of 512 tokens, B", "padded_macs", 1e-9, 3),
    figure("CPU latency, ms", "cpu_latency_s", 1e3, 2),
    Column("CPU latency against dense [95 %]", _latency_change),
    figure("GPU latency, ms", "gpu_latency_s", 1e3, 2, missing="not here"),
    figure("energy, mJ", "energy_j", 1e3, 1),
    change("energy against dense", "energy_change"),
)
TABLES = {"Quality": QUALITY, "Costs": COSTS}
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
