"""Reproduction of a published experiment: run what is missing, then write rows, tables, figures and sentences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from optimizer.errors import InputError, UnknownNameError
from optimizer.ledger import Ledger
from optimizer.reproduce.ledger import Record, Recorded, RunKey
from optimizer.reproduce.presets import Preset, Scale, ScaleName
from optimizer.reproduce.rows import Row
from optimizer.reproduce.tables import Column, comma_separated, listed, markdown

Kind = TypeVar("Kind", bound=Preset)
Said = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asks for. None means what the preset says; `directory` holds the data, else the hub does."""

    scale: ScaleName = "quick"
    dataset: str | None = None
    directory: Path | None = None
    model: str | None = None
    runs: int | None = None

    def __post_init__(self) -> None:
        if self.runs is not None and self.runs < 1:
            raise InputError("runs", f"must be at least 1, got {self.runs}")


class Reproduction(BaseModel):
    """All that a reproduction says; `sentences` and `remarks` are for people."""

    model_config = ConfigDict(frozen=True)

    summary: ClassVar[Sequence[Column[Any]]]  # the columns that a terminal shows
    schema_version: int = 1
    preset: str
    source: str
    scale: ScaleName
    rows: tuple[Row, ...]
    sentences: tuple[str, ...]
    files: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Experiment(ABC, Generic[Kind, Record]):
    """A kind of experiment, bound to a preset and to what is asked of it: its plan, its measures, and its claims.

    Raises `InputError` for a scale that the preset lacks, for a data set that is neither the preset's nor a stand-in,
    and for data of no named set.
    """

    stand_ins: ClassVar[tuple[str, ...]]  # for every preset, where its own data cannot be had
    record: ClassVar[type[Any]]
    result: ClassVar[type[Reproduction]]
    preset: Kind
    asked: Asked
    cache_dir: Path
    progress: Said = lambda _: None

    def __post_init__(self) -> None:
        own, dataset = self.preset.datasets, self.asked.dataset
        if self.asked.scale not in self.preset.scales:
            raise UnknownNameError("scale", self.asked.scale, tuple(self.preset.scales))
        if dataset is not None and dataset not in (*own, *self.stand_ins):
            raise UnknownNameError("dataset", dataset, tuple(dict.fromkeys((*own, *self.stand_ins))))
        if self.asked.directory is not None and dataset is None:
            raise InputError("data", f"name the data set that it holds in `dataset`: {' | '.join(own)}")

    @property
    def scale(self) -> Scale:
        """The settings of the scale that is asked for."""
        return self.preset.scales[self.asked.scale]

    def models(self, _dataset: str) -> tuple[str, ...]:
        """Return the models to run on a data set."""
        return (self.asked.model,) if self.asked.model else self.scale.models or self.preset.models

    def plan(self) -> Iterator[RunKey]:
        """Yield the runs, seed by seed, so that what is compared is run within the same minutes."""
        kind = self.record.model_fields["key"].annotation
        for dataset in (self.asked.dataset,) if self.asked.dataset else self.datasets():
            for model in self.models(dataset):
                for settings in self.settings(dataset, model):
                    shared = {"preset": self.preset.name, "dataset": dataset, "model": model, **settings}
                    for seed in range(self.asked.runs or self.scale.runs):
                        for configuration in self.configurations(model):
                            own = self.of_configuration(configuration)
                            yield kind(**shared, **own, configuration=configuration.label, seed=seed)

    def configurations(self, _model: str) -> tuple[Any, ...]:
        """Return the configurations to run of a model."""
        configurations: tuple[Any, ...] = self.preset.configurations
        return configurations

    def of_configuration(self, _configuration: Any) -> dict[str, object]:
        """Return the settings that a configuration has for itself."""
        return {}

    @property
    @abstractmethod
    def tables(self) -> Mapping[str, Sequence[Column[Any]]]:
        """The tables of a page by their headings, each with its columns; one table alone has no heading."""

    @abstractmethod
    def datasets(self) -> tuple[str, ...]:
        """Return the data sets to run on where none is asked for."""

    @abstractmethod
    def settings(self, dataset: str, model: str) -> Iterator[dict[str, object]]:
        """Yield the settings under which every configuration is run."""

    @abstractmethod
    def execute(self, key: Any) -> Record:
        """Return what a run measures; on one machine the same run gives the same weights. Raises `InputError`."""

    @abstractmethod
    def rows(self, records: Sequence[Record]) -> tuple[Any, ...]:
        """Return a row per configuration from runs that are compared with each other."""

    @abstractmethod
    def sentences(self, rows: Sequence[Any], records: Sequence[Record]) -> tuple[str, ...]:
        """Return what the rows mean, and what holds of what was published."""

    @abstractmethod
    def published(self, row: Any) -> str:
        """Return what was published of a row, for programs."""

    def name(self, key: Any) -> str:
        """Return what the names of the files begin with."""
        return f"{key.dataset}-{short_name(key.model)}"

    def appendix(self) -> tuple[str, ...]:
        """Return the parts of a page that follow its sentences."""
        return ()

    def write_more(self, _rows: Sequence[Any], _directory: Path, _name: str) -> list[Path]:
        """Write what there is beside the tables, and return the paths."""
        return []

    def sentences_together(self, _rows: Sequence[Any]) -> tuple[str, ...]:
        """Return what holds over all models and data sets, of which no single page can tell."""
        return ()

    def write_together(self, _rows: Sequence[Any], _directory: Path) -> list[Path]:
        """Write what there is over all models and data sets, and return the paths."""
        return []

    def details(self, _parts: Sequence[Sequence[Record]]) -> dict[str, object]:
        """Return what the result holds beside rows, sentences and files."""
        return {}


def reproduce(experiment: Experiment[Any, Any], output: Path) -> Reproduction:
    """Run a preset into `output`, which keeps finished runs so that a second call resumes where the first stopped.

    Where it is cut off, by an interrupt or by a run that fails, tables and figures of the finished runs are written
    before the reason is raised again.
    """
    output.mkdir(parents=True, exist_ok=True)
    finished: list[Recorded] = []
    try:
        _finish(experiment, output, finished)
    except BaseException:
        if finished:
            _written(experiment, finished, output)
            experiment.progress(f"{output} has the tables of {len(finished)} finished runs; the same command resumes")
        raise
    return _written(experiment, finished, output)


def _written(experiment: Experiment[Any, Any], finished: Sequence[Recorded], output: Path) -> Reproduction:
    """Write tables and figures of finished runs and return what they say."""
    rows: list[Row] = []
    sentences: list[str] = []
    files: list[Path] = []
    parts = []
    for _, some in groupby(finished, key=lambda record: record.key.shared()):
        records = list(some)
        found = experiment.rows(records)
        holds = experiment.sentences(found, records)
        rows += found
        sentences += holds
        files += _write(experiment, found, holds, output, records[0].key)
        parts.append(records)
    preset, together = experiment.preset, experiment.sentences_together(rows) if rows else ()
    if together:
        sentences += together
        files.append(output / f"{preset.name}-together.md")
        files[-1].write_text(f"# {preset.title}: all data sets and models\n\n{listed(together)}\n", encoding="utf-8")
    files += experiment.write_together(rows, output) if rows else []
    said = {"preset": preset.name, "source": preset.source, "scale": experiment.asked.scale, "rows": rows}
    written = {"sentences": sentences, "files": [str(file) for file in files]}
    return experiment.result.model_validate({**said, **written, **experiment.details(parts)})


def _finish(experiment: Experiment[Any, Any], output: Path, finished: list[Recorded]) -> None:
    """Append the record of every run, after running those that are missing."""
    ledger, keys = Ledger(output / "runs.jsonl", experiment.record), list(experiment.plan())
    for number, key in enumerate(keys, start=1):
        record = ledger.get(key)
        if record is None:
            record = experiment.execute(key)
            ledger.add(record)
            label = f"{short_name(key.model)} {key.dataset} {key.configuration}"
            experiment.progress(f"{number}/{len(keys)} {label}: {record.said}")
        finished.append(record)


def _write(
    experiment: Experiment[Any, Any], rows: Sequence[Any], said: Sequence[str], output: Path, key: RunKey
) -> list[Path]:
    """Write the files of runs that are compared with each other."""
    preset, name = experiment.preset, experiment.name(key)
    head = f"# {preset.title}: {short_name(key.model)} on {key.dataset}"
    tables = [
        (f"## {heading}\n\n" if heading else "") + markdown(rows, columns, rows[0].energy_source)
        for heading, columns in experiment.tables.items()
    ]
    page = "\n\n".join([head, preset.source, *tables, listed(said), *experiment.appendix()])
    contents = {f"{name}.md": page + "\n", f"{name}.csv": comma_separated(rows, experiment.published)}
    for file, content in contents.items():
        (output / file).write_text(content, encoding="utf-8")
    return [*(output / file for file in contents), *experiment.write_more(rows, output, name)]


def short_name(model: str) -> str:
    """Return a model's name for tables and files: of a path or a hub id its last part."""
    return Path(model).name
