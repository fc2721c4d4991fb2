"""The experiment on text encoders: train, prune by a ratio, train again, measure beside the dense model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from optimizer.errors import InputError
from optimizer.families.encoders.models import BUILT_IN as BUILT_IN_MODEL
from optimizer.families.encoders.models import check_model_name
from optimizer.reproduce.encoders.bench import Bench
from optimizer.reproduce.encoders.execute import execute
from optimizer.reproduce.encoders.figures import write_figures
from optimizer.reproduce.encoders.preset import EncoderPreset, EncoderScale, Illustration, Quoted
from optimizer.reproduce.encoders.records import EncoderKey, EncoderRecord
from optimizer.reproduce.encoders.rows import EncoderRow, rows_of
from optimizer.reproduce.encoders.sentences import quotations, sentences
from optimizer.reproduce.encoders.tables import SUMMARY, TABLES, published
from optimizer.reproduce.reproduce import Experiment, Reproduction
from optimizer.reproduce.tables import Column
from optimizer.tasks.texts.known import BUILT_IN as BUILT_IN_TASK


class EncoderReproduction(Reproduction):
    """All that a reproduction on text encoders says."""

    summary: ClassVar[Sequence[Column[Any]]] = SUMMARY
    rows: tuple[EncoderRow, ...]
    quoted: tuple[Quoted, ...]
    illustrations: tuple[Illustration, ...]


class EncoderExperiment(Experiment[EncoderPreset, EncoderRecord]):
    """A preset of text encoders."""

    stand_ins: ClassVar[tuple[str, ...]] = (BUILT_IN_TASK,)
    record: ClassVar[type[EncoderRecord]] = EncoderRecord
    result: ClassVar[type[EncoderReproduction]] = EncoderReproduction
    tables: ClassVar[Mapping[str, Sequence[Column[Any]]]] = TABLES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.asked.directory is not None and self.asked.dataset == BUILT_IN_TASK:
            raise InputError("data", f"name the data set that it holds: {' | '.join(self.preset.datasets)}")
        if self.asked.model is not None:
            check_model_name(self.asked.model)
        self._bench: Bench | None = None

    @property
    def scale(self) -> EncoderScale:
        """The settings of the scale that is asked for."""
        return self.preset.scales[self.asked.scale]

    def datasets(self) -> tuple[str, ...]:
        """Return the tasks of the scale."""
        return self.scale.datasets or self.preset.datasets

    def models(self, dataset: str) -> tuple[str, ...]:
        """Return the models to run on a task: the built-in one on its own."""
        is_built_in = dataset == BUILT_IN_TASK and self.asked.model is None
        return (BUILT_IN_MODEL,) if is_built_in else super().models(dataset)

    def settings(self, dataset: str, _model: str) -> Iterator[dict[str, object]]:
        """Yield the settings of every rate; the built-in model, a thousandth of the size, learns nothing at those."""
        scale, preset = self.scale, self.preset
        examples = {"calibration_examples", "train_examples", "search_examples", "validation_examples", "epochs"}
        same = scale.model_dump(include=examples) | preset.model_dump(include={"batch_size", "epsilon"})
        rates = (preset.built_in_learning_rate,) if dataset == BUILT_IN_TASK else scale.learning_rates
        for learning_rate in rates:
            yield {**same, "learning_rate": learning_rate}

    def execute(self, key: EncoderKey) -> EncoderRecord:
        """Return what a run measures. Raises `InputError`."""
        configuration = next(each for each in self.preset.configurations if each.label == key.configuration)
        return execute(key, configuration, self.bench(key), scale=self.scale)

    def bench(self, key: EncoderKey) -> Bench:
        """Return the bench of a run's model and task; one is in memory at a time."""
        kept = self._bench
        if kept is None or (kept.key.dataset, kept.key.model) != (key.dataset, key.model):
            self._bench = kept = Bench(key, self.asked.directory, self.cache_dir, self.progress)
        return kept

    def rows(self, records: Sequence[EncoderRecord]) -> tuple[EncoderRow, ...]:
        """Return a row per configuration."""
        return rows_of(self.preset, records)

    def sentences(self, rows: Sequence[EncoderRow], records: Sequence[EncoderRecord]) -> tuple[str, ...]:
        """Return what the rows mean."""
        return sentences(self.preset, rows, records)

    def published(self, row: EncoderRow) -> str:
        """Return what was published of a row."""
        return published(row)

    def name(self, key: EncoderKey) -> str:
        """Return what the names of the files begin with."""
        return f"{super().name(key)}-{key.learning_rate:g}"

    def write_more(self, rows: Sequence[EncoderRow], directory: Path, name: str) -> list[Path]:
        """Write the paper's figures."""
        return write_figures(rows, directory, name)

    def appendix(self) -> tuple[str, ...]:
        """Return what the paper quotes, and what it leaves open."""
        return quotations(self.preset)

    def details(self, _parts: Sequence[Sequence[EncoderRecord]]) -> dict[str, object]:
        """Return what the paper quotes, and what it leaves open."""
        return {name: getattr(self.preset, name) for name in ("quoted", "illustrations", "remarks")}
