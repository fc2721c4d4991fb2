"""Given: what a caller in Python hands over instead of naming it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objectives.metrics import Metric
from optimizer.errors import InputError, listed
from optimizer.objective import OwnObjective
from optimizer.own import CHOICES, own_name
from optimizer.samplers.own import MakeSampler
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import ImageData
from optimizer.tasks.own_metric import Function, own_metric
from optimizer.tasks.texts.sheet import Sheet
from search_spaces.transforms.units.evidence import Criterion
from studies.records import Study

NAMED = ("criterion", "sampler", "objectives")  # fields of a stored spec that name what was given
LOADED: Mapping[str, str] = {"model": "model", "checkpoint": "model", "images": "data", "texts": "data"}
"""What is in memory alone, with what callers call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What takes the place of what a spec names: model, data, metric, criterion, sampler; each is optional.

    Images have a trained network as `model`, `(n, c, h, w)` -> logits, and `images`, which its `processor` prepared
    where it has one. Texts have a `checkpoint`, the directory into which a loaded model was saved with its tokenizer,
    and `texts`, a sheet per split. `objectives` are those of the study that are the caller's own. Raises `InputError`
    for images whose shapes or labels are not what they say.
    """

    model: nn.Module | None = None
    processor: Any = None  # Any: a `Processor`, whose module knows transformers
    images: ImageData | None = None
    checkpoint: Path | None = None
    texts: Mapping[str, Sheet] | None = None
    metric: Metric | Function | None = None
    sampler: MakeSampler | None = None
    criterion: Criterion | None = None
    objectives: tuple[OwnObjective, ...] = ()

    def __post_init__(self) -> None:
        if self.images is not None:
            for part in (self.images.train, self.images.test, self.images.validation):
                if part is not None:
                    _check(part.pixels, part.labels, self.images)

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that are given."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) not in (None, ()))

    @property
    def without_model(self) -> Given:
        """The same for another model, which is loaded by its name."""
        return replace(self, model=None, processor=None, checkpoint=None)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Which of `data` and `model` are in memory alone."""
        return tuple(sorted({LOADED[name] for name in self.names & LOADED.keys()}))

    @property
    def own(self) -> Mapping[str, tuple[str, ...]]:
        """The names by which a spec calls objects of the caller's own, by its fields."""
        return {
            "criterion": () if self.criterion is None else (own_name(self.criterion, "criterion"),),
            "sampler": () if self.sampler is None else (own_name(self.sampler, "sampler"),),
            "objectives": tuple(objective.name for objective in self.objectives),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What was given in place of a choice."""
        named = {field: names for field, names in self.own.items() if names}
        return tuple(f"given in Python: {field} {', '.join(names)}" for field, names in named.items())

    def check(self, spec: StudySpec, fields: Collection[str] = NAMED) -> None:
        """Raise `InputError` where own objects that a spec names are not given, or others are."""
        for field in fields:
            value, given = getattr(spec, field), self.own[field]
            named = {value} if isinstance(value, str) else {*value}
            if {*given} - named:
                known = f"the study has {listed(sorted(named))}, not {listed(given)}"
                raise InputError(field, f"{known}; give the same, or start a new study")
            missing = sorted(named - {*CHOICES[field]} - {*given})
            if missing:
                raise InputError(field, f"the study's {listed(missing)} was given in Python; give it there again")

    def check_again(self, study: Study, fields: Collection[str] = NAMED) -> None:
        """Raise `InputError` where a stored study had a model, data or own objects that are not given again."""
        self.check(StudySpec.stored(study.spec), fields)
        missing = [part for part in study.context.get("given", ()) if part not in self.loaded]
        if missing:
            parts = " and ".join(missing)
            raise InputError(missing[0], f"{study.slug!r} ran on {parts} given in Python; give the same there again")

    def judged(self, task: Any) -> Any:  # Any: a `Task`, a dataclass with its metric as a field
        """Return the task with the metric that is given, if one is. Raises `InputError` for a function that is none."""
        if self.metric is None:
            return task
        kind = task.metric.kind
        own = replace(self.metric, kind=kind) if isinstance(self.metric, Metric) else own_metric(self.metric, kind)
        return replace(task, metric=own)


NOTHING = Given()


def _check(pixels: Tensor, labels: Tensor, data: ImageData) -> None:
    if pixels.shape != (len(labels), *data.shape) or pixels.dtype != torch.float32:
        wanted, kind = "×".join(map(str, ("n", *data.shape))), str(pixels.dtype).removeprefix("torch.")
        raise InputError("images", f"need float32 of shape {wanted} for n labels, got {kind} {tuple(pixels.shape)}")
    broken = (~pixels.isfinite()).flatten(1).any(dim=1).nonzero().flatten()
    if len(broken):
        raise InputError("images", f"{len(broken)} contain NaN or infinity, the first at {int(broken[0])}; remove them")
    is_one_each = labels.ndim == 1 and not labels.is_floating_point() and len(labels)
    if not is_one_each or labels.min() < 0 or labels.max() >= data.classes:
        raise InputError("images", f"labels must be one whole number per image, from 0 to {data.classes - 1}")
