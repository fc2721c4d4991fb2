"""Given: what a caller in Python hands over instead of naming it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objectives.metrics import Metric
from optimizer.errors import InputError
from optimizer.samplers.own import MakeSampler
from optimizer.tasks.images.data import ImageData
from optimizer.tasks.own_metric import Function, own_metric
from optimizer.tasks.texts.sheet import Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What takes the place of the model, the data, the metric or the sampler that a spec names; each is optional.

    Images have a trained network as `model`, `(n, c, h, w)` -> logits, and `images`. Texts have a `checkpoint`, the
    directory into which a loaded model was saved with its tokenizer, and `texts`, a sheet per split. Raises
    `InputError` for images whose shapes or labels are not what they say.
    """

    model: nn.Module | None = None
    images: ImageData | None = None
    checkpoint: Path | None = None
    texts: Mapping[str, Sheet] | None = None
    metric: Metric | Function | None = None
    sampler: MakeSampler | None = None

    def __post_init__(self) -> None:
        if self.images is not None:
            for part in (self.images.train, self.images.test, self.images.validation):
                if part is not None:
                    _check(part.pixels, part.labels, self.images)

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that are given."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a spec does not say of what was given."""
        name = getattr(self.sampler, "__name__", type(self.sampler).__name__)
        return () if self.sampler is None else (f"the sampler is {name}, given in Python",)

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
