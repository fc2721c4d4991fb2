"""The columns of tables of networks pruned by lists, and the measurements of each batch size as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optimizer.reproduce.listed.rows import BatchRow, ListedRow
from optimizer.reproduce.tables import Column, csv_of

Columns = tuple[Column[Any], ...]


def published(row: ListedRow) -> str:
    """Return what was published of a row, for programs."""
    return f"MACs {row.published_macs}; parameters {row.published_parameters}"


def _each(head: str, write: Callable[[BatchRow], str]) -> Column[Any]:
    def cell(row: ListedRow) -> str:
        return "; ".join(f"{each.batch}: {write(each)}" for each in row.batches) or "–"

    return Column(head, cell)


def _theirs(each: BatchRow) -> str:
    return "–" if each.published_energy_ratio is None else f"{each.published_energy_ratio - 1:+.0%}"


COUNTS: Columns = (
    Column("configuration", lambda row: row.configuration),
    Column("MACs", lambda row: f"{row.macs:,}"),
    Column("FLOPs", lambda row: f"{row.flops:,}"),
    Column("as published", lambda row: "yes" if row.flops_equal else f"{row.published_macs:,}"),
    Column("fewer, %", lambda row: str(row.cr_flops_percent)),
    Column("parameters", lambda row: f"{row.parameters:,}"),
    Column("as published", lambda row: "yes" if row.parameters_equal else f"{row.published_parameters:,}"),
    Column("fewer, %", lambda row: str(row.cr_parameters_percent)),
)
COSTS: Columns = (
    _each("images per second, by batch", lambda each: f"{each.fps:.3g}"),
    _each("time against unpruned [95 %]", lambda each: each.time.as_change),
    _each("energy of an image, mJ", lambda each: f"{1000 * each.energy_j:.3g}"),
    _each("energy against unpruned [95 %]", lambda each: each.energy.as_change),
    _each("energy against unpruned, published", _theirs),
)
COLUMNS = COUNTS + COSTS
SUMMARY: Columns = (
    Column("network", lambda row: f"{row.model} {row.configuration}"),
    *COUNTS[1:2],
    Column("equal", lambda row: "yes" if row.flops_equal and row.parameters_equal else "no"),
    *COUNTS[5:6],
    _each("time", lambda each: f"{each.time.value - 1:+.1%}"),
    Column("energy", lambda row: row.energy_source),
)


def measurements(rows: Sequence[ListedRow]) -> str:
    """Return a line for every network and batch size as CSV; empty where nothing was timed."""
    names = {"model", "configuration", "distribution", "ratio", "flops", "macs", "parameters", "device"}
    lines = [row.model_dump(include=names) | _flat(each) for row in rows for each in row.batches]
    return csv_of(lines)


def _flat(each: BatchRow) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in each.model_dump().items():
        flat |= {f"{name}_{part}": end for part, end in value.items()} if isinstance(value, dict) else {name: value}
    return flat
