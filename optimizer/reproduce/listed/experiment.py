"""The experiment on networks pruned by lists: count all of them, time those of the scale beside the unpruned one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from optimizer.errors import UnknownNameError
from optimizer.reproduce.listed.execute import Networks, execute
from optimizer.reproduce.listed.figures import write_figures
from optimizer.reproduce.listed.preset import ListedPreset, ListedScale
from optimizer.reproduce.listed.records import ListedKey, ListedRecord
from optimizer.reproduce.listed.rows import ListedRow, rows_of
from optimizer.reproduce.listed.sentences import sentences
from optimizer.reproduce.listed.tables import COLUMNS, SUMMARY, measurements, published
from optimizer.reproduce.listed.totals import write_totals
from optimizer.reproduce.reproduce import Experiment, Reproduction
from optimizer.reproduce.tables import Column, listed


class ListedReproduction(Reproduction):
    """All that a reproduction of a table of pruned networks says."""

    summary: ClassVar[Sequence[Column[Any]]] = SUMMARY
    rows: tuple[ListedRow, ...]


class ListedExperiment(Experiment[ListedPreset, ListedRecord]):
    """A preset of networks pruned by lists; inputs are random numbers."""

    stand_ins: ClassVar[tuple[str, ...]] = ()
    record: ClassVar[type[ListedRecord]] = ListedRecord
    result: ClassVar[type[ListedReproduction]] = ListedReproduction

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.asked.model is not None and self.asked.model not in self.preset.models:
            raise UnknownNameError("model", self.asked.model, self.preset.models)
        self._networks = Networks(self.preset)

    @property
    def tables(self) -> Mapping[str, Sequence[Column[Any]]]:
        """The only table of a page."""
        return {"": COLUMNS}

    @property
    def scale(self) -> ListedScale:
        """The settings of the scale that is asked for."""
        return self.preset.scales[self.asked.scale]

    def datasets(self) -> tuple[str, ...]:
        """Return the name of the random inputs."""
        return self.preset.datasets

    def settings(self, _dataset: str, model: str) -> Iterator[dict[str, object]]:
        """Yield how networks are pruned, and what is timed."""
        scale = self.scale.model_dump(include={"batch_sizes", "seconds"})
        yield {"pruning_seed": self.preset.pruning_seed, "timed": self.scale.timed_of(model), **scale}

    def execute(self, key: ListedKey) -> ListedRecord:
        """Return what a run counts and measures. Raises `InputError`."""
        return execute(key, self._networks)

    def rows(self, records: Sequence[ListedRecord]) -> tuple[ListedRow, ...]:
        """Return a row per network."""
        return rows_of(self.preset, records)

    def sentences(self, rows: Sequence[ListedRow], _records: Sequence[ListedRecord]) -> tuple[str, ...]:
        """Return what the rows mean."""
        return sentences(self.preset, rows)

    def published(self, row: ListedRow) -> str:
        """Return what was published of a row."""
        return published(row)

    def appendix(self) -> tuple[str, ...]:
        """Return what the table and the paper leave open."""
        return (f"## Readings, and what is not compared\n\n{listed(self.preset.remarks)}",)

    def write_more(self, rows: Sequence[ListedRow], directory: Path, name: str) -> list[Path]:
        """Write figures of what is published and measured, and the measurements by batch size where there are any."""
        figures = write_figures(rows, self.preset, directory, name)
        if not any(row.batches for row in rows):
            return figures
        path = directory / f"{name}-batches.csv"
        path.write_text(measurements(rows), encoding="utf-8")
        return [path, *figures]

    def write_together(self, rows: Sequence[ListedRow], directory: Path) -> list[Path]:
        """Write the table of totals."""
        return write_totals(rows, self.preset, directory)

    def details(self, _parts: Sequence[Sequence[ListedRecord]]) -> dict[str, object]:
        """Return the remarks."""
        return {"remarks": self.preset.remarks}
