"""Totals: for every network and batch size, and for all of them, what is published and what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from optimizer.reproduce.listed.findings import Grid, dearer, measured_grid, published_grid
from optimizer.reproduce.listed.preset import ListedPreset
from optimizer.reproduce.listed.rows import ListedRow
from optimizer.reproduce.tables import csv_of

ALL = "all"


class Total(NamedTuple):
    """Pruned networks at one batch size, or at all: published energies, our times and energies of those timed."""

    network: str
    batch: str
    theirs: Grid
    times: Grid
    energies: Grid

    @property
    def cells(self) -> dict[str, str]:
        """The line of the table; `same` are the published ones of the networks that were timed here."""
        same = {cell: cost for cell, cost in self.theirs.items() if cell in self.times}
        time = dearer(self.times)
        return {
            "network": self.network,
            "batch": self.batch,
            "published": str(len(self.theirs)),
            "more energy than unpruned": str(dearer(self.theirs).shown),
            "mean energy": _mean(self.theirs),
            "timed here": str(len(self.times)),
            "more time than unpruned": str(time.shown),
            "less time": str(time.reversed),
            "mean time": _mean(self.times),
            "mean energy here": _mean(self.energies),
            "mean energy published of the same": _mean(same),
        }


def totals_of(rows: Sequence[ListedRow], preset: ListedPreset) -> list[Total]:
    """Return the totals of every network by batch size and over all, and of all networks."""
    return [*_totals(rows, preset)]


def write_totals(rows: Sequence[ListedRow], preset: ListedPreset, directory: Path) -> list[Path]:
    """Write the totals as Markdown and CSV, and return the paths."""
    lines = [total.cells for total in totals_of(rows, preset)]
    source = next((row.energy_source for row in rows if row.batches), "nothing was timed")
    cells = [[*lines[0]], ["---"] * len(lines[0]), *([*line.values()] for line in lines)]
    table = "\n".join(f"| {' | '.join(each)} |" for each in cells)
    note = f"Costs are relative to the unpruned network's, times by their 95 % intervals. Energy here: {source}."
    contents = {"md": f"# {preset.title}: totals\n\n{table}\n\n{note}\n", "csv": csv_of(lines)}
    paths = {directory / f"{preset.name}-totals.{suffix}": content for suffix, content in contents.items()}
    for path, content in paths.items():
        path.write_text(content, encoding="utf-8")
    return [*paths]


def _totals(rows: Sequence[ListedRow], preset: ListedPreset) -> Iterator[Total]:
    models = list(dict.fromkeys(row.model for row in rows))
    timed = [row for row in rows if row.batches and row.distribution]
    theirs = {cell: cost for model in models for cell, cost in published_grid(preset, model).items()}
    whole = Total(ALL, ALL, theirs, *(measured_grid(timed, cost) for cost in (lambda e: e.time, lambda e: e.energy)))
    for model in models:
        for batch in sorted({cell.batch for cell in (*whole.theirs, *whole.times) if cell.model == model}):
            yield _part(whole, model, batch)
        yield _part(whole, model, None)
    if len(models) > 1:
        yield whole


def _part(whole: Total, model: str, batch: int | None) -> Total:
    def of(grid: Grid) -> Grid:
        return {cell: cost for cell, cost in grid.items() if cell.model == model and batch in (None, cell.batch)}

    return Total(model, ALL if batch is None else str(batch), of(whole.theirs), of(whole.times), of(whole.energies))


def _mean(grid: Grid) -> str:
    return f"{statistics.fmean(cost.value for cost in grid.values()) - 1:+.1%}" if grid else "–"
