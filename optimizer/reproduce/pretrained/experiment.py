"""The experiment on pretrained networks: compress to a drop of one point, train again, count time and energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from optimizer.errors import UnknownNameError
from optimizer.families.networks.origins import WeightsFile
from optimizer.families.networks.processor import Processor, cutting_processor
from optimizer.reproduce.pretrained.bench import Bench, fetched_weights
from optimizer.reproduce.pretrained.execute import execute
from optimizer.reproduce.pretrained.figures import write_curves, write_figures
from optimizer.reproduce.pretrained.preset import PretrainedPreset, PretrainedScale
from optimizer.reproduce.pretrained.records import PretrainedKey, PretrainedRecord
from optimizer.reproduce.pretrained.rows import PretrainedRow, rows_of
from optimizer.reproduce.pretrained.sentences import sentences
from optimizer.reproduce.pretrained.tables import SUMMARY, columns, overview, published
from optimizer.reproduce.reproduce import Experiment, Reproduction
from optimizer.reproduce.tables import Column, listed
from optimizer.tasks.images.data import ImageData, load_images

SETTINGS = {"batch_size", "learning_rate", "momentum", "weight_decay", "patience", "min_delta", "reading", "tolerance"}
SIZES = {"epochs", "train_examples", "test_examples", "image_size", "base_epochs", "rank_steps", "rank_rounds"}


class PretrainedReproduction(Reproduction):
    """All that a reproduction on pretrained networks says."""

    summary: ClassVar[Sequence[Column[Any]]] = SUMMARY
    rows: tuple[PretrainedRow, ...]


class PretrainedExperiment(Experiment[PretrainedPreset, PretrainedRecord]):
    """A preset of pretrained networks; on a stand-in a network is trained first."""

    stand_ins: ClassVar[tuple[str, ...]] = ("digits", "fashion_mnist", "cifar10")
    record: ClassVar[type[PretrainedRecord]] = PretrainedRecord
    result: ClassVar[type[PretrainedReproduction]] = PretrainedReproduction

    def __post_init__(self) -> None:
        super().__post_init__()
        of_scales = (name for scale in self.preset.scales.values() for name in scale.models or ())
        known = tuple(dict.fromkeys((*self.preset.models, *of_scales)))
        if self.asked.model is not None and self.asked.model not in known:
            raise UnknownNameError("model", self.asked.model, known)
        self._bench: Bench | None = None

    @property
    def tables(self) -> Mapping[str, Sequence[Column[Any]]]:
        """The only table of a page."""
        return {"": columns(self.preset.pue)}

    @property
    def scale(self) -> PretrainedScale:
        """The settings of the scale that is asked for."""
        return self.preset.scales[self.asked.scale]

    def datasets(self) -> tuple[str, ...]:
        """Return the preset's data sets; without data, quick runs on digits."""
        return self.preset.datasets if self.asked.scale == "paper" else ("digits",)

    def settings(self, _dataset: str, _model: str) -> Iterator[dict[str, object]]:
        """Yield the preset's settings with the sizes of the scale."""
        yield self.preset.model_dump(include=SETTINGS) | self.scale.model_dump(include=SIZES)

    def execute(self, key: PretrainedKey) -> PretrainedRecord:
        """Return what a run measures. Raises `InputError`."""
        configuration = self.preset.configuration(key.configuration)
        return execute(key, configuration, self.bench(key), step_seconds=self.scale.step_seconds)

    def bench(self, key: PretrainedKey) -> Bench:
        """Return the bench of a run's network; one is in memory at a time."""
        kept = self._bench
        if kept is None or (kept.key.shared(), kept.key.seed) != (key.shared(), key.seed):
            has_weights = key.dataset in self.preset.datasets
            data = self._data(key, has_weights=has_weights)
            self._bench = kept = Bench(key, data, has_weights=has_weights, cache_dir=self.cache_dir)
        return kept

    def _data(self, key: PretrainedKey, *, has_weights: bool) -> ImageData:
        prepare = _processor(key.model) if has_weights else None
        return load_images(
            key.dataset,
            directory=self.asked.directory,
            train_examples=key.train_examples,
            test_examples=key.test_examples,
            largest=key.image_size,
            normalisation=prepare.normalisation if prepare else None,
            prepare=prepare,
        )

    def rows(self, records: Sequence[PretrainedRecord]) -> tuple[PretrainedRow, ...]:
        """Return a row per configuration."""
        return rows_of(self.preset, records)

    def sentences(self, rows: Sequence[PretrainedRow], records: Sequence[PretrainedRecord]) -> tuple[str, ...]:
        """Return what the rows mean."""
        return sentences(self.preset, rows, records)

    def published(self, row: PretrainedRow) -> str:
        """Return what was published of a row."""
        return published(row)

    def appendix(self) -> tuple[str, ...]:
        """Return where the paper contradicts itself, what it leaves open, and what cannot be."""
        return (f"## Contradictions, readings, and what cannot be\n\n{listed(self.preset.remarks)}",)

    def write_more(self, rows: Sequence[PretrainedRow], directory: Path, name: str) -> list[Path]:
        """Write figure 1 of the network, and the curve of pruning."""
        return write_curves(rows, self.preset, directory, name)

    def write_together(self, rows: Sequence[PretrainedRow], directory: Path) -> list[Path]:
        """Write tables 6 to 8 and figures 2 to 6 over all networks."""
        name = self.preset.name
        tables = directory / f"{name}-tables.md"
        tables.write_text(f"# {self.preset.title}\n\n{overview(self.preset, rows)}", encoding="utf-8")
        return [tables, *write_figures(rows, self.preset, directory, name)]

    def details(self, _parts: Sequence[Sequence[PretrainedRecord]]) -> dict[str, object]:
        """Return the remarks."""
        return {"remarks": self.preset.remarks}


def _processor(model: str) -> Processor:
    """Return what prepares images for torchvision's weights of a network, fetched before any image is read."""
    weights = fetched_weights(model)
    normalisation = WeightsFile(model, weights.file).normalisation
    return cutting_processor(normalisation, shortest=weights.shortest, side=weights.side)
