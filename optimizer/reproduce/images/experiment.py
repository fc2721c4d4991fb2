"""The experiment on images: train under a schedule of masks, then measure what the trained network costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import torch

from optimizer.errors import UnknownNameError
from optimizer.precision import name_of, native_dtype
from optimizer.reproduce.images.execute import execute
from optimizer.reproduce.images.figures import write_figures
from optimizer.reproduce.images.preset import ImagePreset, ImageScale, MaskConfiguration
from optimizer.reproduce.images.records import ImageKey, ImageRecord
from optimizer.reproduce.images.rows import ImageRow, OrderDifference, differences, rows_of
from optimizer.reproduce.images.sentences import on_accounts, sentences
from optimizer.reproduce.images.tables import SUMMARY, TABLES, epochs_comma_separated, published
from optimizer.reproduce.images.together import sentences_together
from optimizer.reproduce.reproduce import Experiment, Reproduction
from optimizer.reproduce.tables import Column
from optimizer.tasks.images.data import ImageData, load_images
from optimizer.training.checkpoint import state_path

CPU = torch.device("cpu")  # where all of it is trained


class ImageReproduction(Reproduction):
    """All that a reproduction on images says."""

    summary: ClassVar[Sequence[Column[Any]]] = SUMMARY
    rows: tuple[ImageRow, ...]
    differences: tuple[OrderDifference, ...]


class ImageExperiment(Experiment[ImagePreset, ImageRecord]):
    """A preset of images."""

    stand_ins: ClassVar[tuple[str, ...]] = ("digits", "fashion_mnist")
    record: ClassVar[type[ImageRecord]] = ImageRecord
    result: ClassVar[type[ImageReproduction]] = ImageReproduction

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.asked.model is not None and self.asked.model not in self.preset.models:
            raise UnknownNameError("model", self.asked.model, self.preset.models)
        self._data: dict[str, ImageData] = {}

    @property
    def tables(self) -> Mapping[str, Sequence[Column[Any]]]:
        """The tables of a page."""
        return TABLES[self.preset.layout]

    @property
    def scale(self) -> ImageScale:
        """The settings of the scale that is asked for."""
        return self.preset.scales[self.asked.scale]

    def datasets(self) -> tuple[str, ...]:
        """Return the preset's data sets, at quick scale the first."""
        return self.preset.datasets if self.asked.scale == "paper" else self.preset.datasets[:1]

    def models(self, dataset: str) -> tuple[str, ...]:
        """Return the models to run on a data set: at the paper's scale those that the paper pairs with it.

        A data set that is asked for together with a model is run with it all the same.
        """
        names, paired = super().models(dataset), self.preset.pairs.get(dataset)
        is_asked = self.asked.model is not None and self.asked.dataset is not None
        if paired is None or is_asked or self.asked.scale != "paper":
            return names
        return tuple(name for name in names if name in paired)

    def configurations(self, model: str) -> tuple[MaskConfiguration, ...]:
        """Return the configurations to run of a model: those of convolutions need some."""
        return tuple(each for each in self.preset.configurations if each.models is None or model in each.models)

    def of_configuration(self, configuration: MaskConfiguration) -> dict[str, object]:
        """Return which draw of random masks a configuration has."""
        return {"draw": configuration.draw}

    def settings(self, dataset: str, model: str) -> Iterator[dict[str, object]]:
        """Yield the preset's settings with its overrides, under those of the scale."""
        scale = self.scale
        settings = self.preset.model_dump(include={"batch_size", "learning_rate", "test_batch_size"})
        settings["epochs"] = scale.epochs
        for override in self.preset.overrides:
            if override.model == model and override.dataset in (None, dataset):
                left_out = {"model", "dataset"} | (set() if self.asked.scale == "paper" else {"epochs"})
                settings |= override.model_dump(exclude=left_out, exclude_none=True)
        settings |= scale.model_dump(include={"batch_size", "test_batch_size"}, exclude_none=True)
        settings |= scale.model_dump(include={"train_examples", "test_examples", "image_size"})
        yield settings | {"training_precision": name_of(native_dtype(CPU) if scale.bfloat16 else torch.float32)}

    def execute(self, key: ImageKey) -> ImageRecord:
        """Return what a run measures; one that was killed goes on after its last epoch. Raises `InputError`.

        Configurations that train as the dense network does share its training, which the last of them in the plan
        removes.
        """
        data, seconds = self.data(key.dataset), self.scale.inference_seconds
        alike = self._trained_alike(key)
        seen = sha256(key.model_copy(update={"configuration": alike[0]}).model_dump_json().encode())
        seen.update(data.train.pixels.numpy().tobytes())
        state = state_path(self.cache_dir / "checkpoints", seen.hexdigest()[:24])
        keeps_end = key.configuration != alike[-1]
        record = execute(key, self.preset, data, inference_seconds=seconds, state=state, keeps_end=keeps_end)
        if not keeps_end:
            state.unlink(missing_ok=True)
        return record

    def _trained_alike(self, key: ImageKey) -> tuple[str, ...]:
        """Return the configurations, in the order of the plan, of which one training is enough."""
        if not self.preset.configuration(key.configuration).trains_dense:
            return (key.configuration,)
        return tuple(each.label for each in self.configurations(key.model) if each.trains_dense)

    def data(self, dataset: str) -> ImageData:
        """Return a data set as the scale cuts it; one is in memory at a time."""
        if dataset not in self._data:
            scale = self.scale
            found = load_images(
                dataset,
                directory=self.asked.directory,
                train_examples=scale.train_examples,
                test_examples=scale.test_examples,
                largest=scale.image_size,
            )
            self._data = {dataset: found}
        return self._data[dataset]

    def rows(self, records: Sequence[ImageRecord]) -> tuple[ImageRow, ...]:
        """Return a row per configuration."""
        return rows_of(self.preset, records)

    def sentences(self, rows: Sequence[ImageRow], records: Sequence[ImageRecord]) -> tuple[str, ...]:
        """Return what the rows mean."""
        return (*sentences(self.preset, rows, differences(self.preset, records)), *on_accounts(records))

    def published(self, row: ImageRow) -> str:
        """Return what was published of a row."""
        return published(row)

    def sentences_together(self, rows: Sequence[ImageRow]) -> tuple[str, ...]:
        """Return what holds over all models and data sets."""
        return sentences_together(self.preset, rows)

    def write_more(self, rows: Sequence[ImageRow], directory: Path, name: str) -> list[Path]:
        """Write the table of epochs, and the paper's figures."""
        epochs = directory / f"{name}-epochs.csv"
        epochs.write_text(epochs_comma_separated(rows), encoding="utf-8")
        return [epochs, *write_figures(rows, self.preset.layout, directory, name)]

    def details(self, parts: Sequence[Sequence[ImageRecord]]) -> dict[str, object]:
        """Return the differences that test the published orders."""
        return {"differences": [found for records in parts for found in differences(self.preset, records)]}
