"""The bench of one model and task: examples cut so that nothing is chosen on those reported, a dense model per run.

What is reported is measured on the validation split, as published. All choices (the epoch to keep, the p of
step 5, the levels of this project's own way) are made on other examples: the test split where it is labelled, else
examples cut from train and kept out of training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import torch

from optimizer.errors import InputError
from optimizer.families.encoders.family import EncoderFamily
from optimizer.families.encoders.head import with_trained_head
from optimizer.families.encoders.load import check_workload, checkpoint_of, workload_of
from optimizer.families.encoders.texts import TextRequests
from optimizer.predict import predict
from optimizer.reproduce.encoders.records import EncoderKey
from optimizer.spec import StudySpec
from optimizer.tasks.texts.data import Data, read_splits
from optimizer.tasks.texts.examples import Examples
from optimizer.tasks.texts.known import resolve_task
from optimizer.tasks.texts.splits import Splits, cut, divide
from optimizer.tasks.texts.table import Table
from optimizer.training.finetune import FinetuneSettings
from optimizer.weights import hash_weights
from optimizer.workload import Progress, Workload


@dataclass
class Bench:
    """Model and examples of the runs of one model on one task; nothing is loaded before it is asked for.

    `key` is that of any of these runs: they share model, task and the numbers of examples.
    """

    key: EncoderKey
    directory: Path | None
    cache_dir: Path
    progress: Callable[[str], None]

    def __post_init__(self) -> None:
        self._dense: dict[FinetuneSettings, Workload] = {}

    @cached_property
    def spec(self) -> StudySpec:
        """The study that the machinery of this project's own way is asked with. Raises `InputError`."""
        key = self.key
        spec = StudySpec.model_validate(
            {
                "model": key.model,
                "task": key.dataset,
                "data": None if self.directory is None else str(self.directory),
                "epsilon": key.epsilon,
                "device": "cuda" if torch.cuda.is_available() else "cpu",
                "calibration_examples": key.calibration_examples,
            }
        )
        check_workload(spec)
        return spec

    @cached_property
    def has_head(self) -> bool:
        """Whether the checkpoint was fine-tuned for a task already."""
        return checkpoint_of(self.spec, self.cache_dir, self._tell).has_head

    @cached_property
    def train(self) -> Examples:
        """The training examples."""
        return self._untrained.train()  # type: ignore[return-value]  # texts

    def workload(self, settings: FinetuneSettings) -> Workload:
        """Return the workload with its dense model, fine-tuned under these settings where it had no head.

        What was fine-tuned before comes from the cache, so that a killed run resumes with exactly the same model.
        """
        if self.has_head:
            return self._untrained
        if settings not in self._dense:
            self._dense = {settings: self._fine_tuned(settings)}  # one model in memory is enough
        return self._dense[settings]

    def _fine_tuned(self, settings: FinetuneSettings) -> Workload:
        base = self._untrained
        family = cast("EncoderFamily", base.family)
        model, trained = with_trained_head(
            copy.deepcopy(base.model),
            cast("TextRequests", family.requests).tokenizer,
            self.train,
            base.task,
            cache_dir=self.cache_dir,
            progress=self._tell,
            settings=settings,
        )
        subject = replace(base.subject, model=model, weights_hash=hash_weights(model))
        answers = predict(model, base.search, base.task)
        return replace(base, subject=subject, family=family.of(subject), search_answers=answers, trained=trained)

    @cached_property
    def _untrained(self) -> Workload:
        spec = self.spec.model_copy(update={"allow_untrained": not self.has_head})
        data = read_splits(spec, resolve_task(spec))
        return workload_of(spec, data.source, _cut(data, self.key), cache_dir=self.cache_dir, progress=self._tell)

    @property
    def _tell(self) -> Progress:
        """What a loader reports, said once per stage."""
        said: set[str] = set()

        def tell(stage: str, _done: int, _total: int) -> None:
            if stage not in said:
                said.add(stage)
                self.progress(stage)

        return tell


def _cut(data: Data, key: EncoderKey) -> Splits:
    tables = data.tables
    if not {"train", "validation"} <= tables.keys():
        raise InputError("data", f"needs a train and a validation split with labels, got {', '.join(sorted(tables))}")
    roles = {"train": tables["train"], "test": tables["validation"]}  # what a study calls test is reported
    if "test" in tables:
        roles["validation"] = tables["test"]
    splits = cut(roles, calibration=key.calibration_examples, notes=data.notes)
    return replace(
        splits,
        train=_at_most(splits.train, key.train_examples),
        search=_at_most(splits.search, key.search_examples),
        verification=_at_most(splits.verification, key.validation_examples),
    )


def _at_most(table: Table, size: int | None) -> Table:
    return table if size is None or size >= len(table) else divide(table, size, "reproduction")[0]
