"""`optimize`, `resume` and `export_candidate` as Python code calls them: names, directories or loaded objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Any, overload

from pydantic import ValidationError
from torch import nn

from objectives.device import device_of
from objectives.guard import measuring
from objectives.metrics import Metric
from optimizer.door.data import taken_data
from optimizer.door.found import Front
from optimizer.door.home import Home, Kept
from optimizer.door.model import Model, taken_model
from optimizer.door.progress import listening
from optimizer.errors import InputError, UnknownNameError, a_kind
from optimizer.given import Given
from optimizer.handover.export import export_candidate as write_candidate
from optimizer.member import RunResult
from optimizer.progress import Listener
from optimizer.result import result_of
from optimizer.run import optimize as run_study
from optimizer.run import resume as resume_study
from optimizer.samplers.own import MakeSampler
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import ImageData
from studies.records import Study
from studies.store import StudyStore

AnyMetric = str | Metric | Callable[..., Any] | None
AnySampler = str | MakeSampler | None
EPSILON = 0.01
REQUIRED = ("model", "task", "epsilon")


@overload
def optimize(
    spec: StudySpec,
    data: object = ...,
    *,
    model: object = ...,
    tokenizer: object = ...,
    images: ImageData | None = ...,
    metric: AnyMetric = ...,
    sampler: AnySampler = ...,
    study: str | None = ...,
    store: StudyStore | str | None = ...,
    cache_dir: Path | str | None = ...,
    on_event: Listener | None = ...,
    cancel: Flag | None = ...,
    progress: bool = ...,
) -> RunResult: ...


@overload
def optimize(
    model: object = ...,
    data: object = ...,
    *,
    tokenizer: object = ...,
    images: ImageData | None = ...,
    metric: AnyMetric = ...,
    sampler: AnySampler = ...,
    study: str | None = ...,
    store: StudyStore | str | None = ...,
    cache_dir: Path | str | None = ...,
    on_event: Listener | None = ...,
    cancel: Flag | None = ...,
    progress: bool = ...,
    **fields: Any,
) -> Front: ...


def optimize(  # type: ignore[misc]  # the first argument may be a spec or a model
    spec: Any = None,
    data: object = None,
    *,
    model: Any = None,
    tokenizer: Any = None,
    images: ImageData | None = None,
    metric: AnyMetric = None,
    sampler: AnySampler = None,
    study: str | None = None,
    store: StudyStore | str | None = None,
    cache_dir: Path | str | None = None,
    on_event: Listener | None = None,
    cancel: Flag | None = None,
    progress: bool = True,
    **fields: Any,
) -> RunResult | Front:
    """Find the pruned versions of a model that are worth having, and return its `Front`.

    With a `StudySpec` in place of a model, return the study's `RunResult` instead.

    Args:
        model: a name, a directory, a loaded text classifier with its tokenizer `(model, tokenizer)`, a pipeline of
            transformers, or any network `(n, c, h, w)` -> logits. A copy is pruned.
        data: a task's name, a hub id, a directory, a file, a DataFrame, `datasets`, arrays `(X, y)`, a loader, or a
            dict of these by split: train, validation, test.
        tokenizer: of a loaded text classifier.
        images: an `ImageData`, the same as `data`.
        metric: a name, a function of (predictions, labels), see `own_metric`, or a `Metric`.
        sampler: a name, or a function of a `Problem` that makes a `Sampler`.
        study: the study's name in the store.
        store: a store or its URL; without it the study is temporary.
        cache_dir: where layer banks and trained weights are kept; temporary by default.
        on_event: called with every `Event` of the run, in the calling thread.
        cancel: once it is set, the run raises `CancelledError`; what is stored is kept.
        progress: whether to show a bar on a terminal and in notebooks.
        fields: of `StudySpec`: `epsilon` (0.01 by default), `task`, `trials`, `objectives`, `limits`, …

    Raises `InputError` naming the argument and the remedy, before anything is stored.
    """
    is_spec = isinstance(spec, StudySpec)
    first = model if is_spec or spec is None else spec
    given = _Taken(first, images if data is None else data, tokenizer, metric, sampler)
    asked = given.checked(spec, fields) if is_spec else given.spec(fields)
    home = Home(store, cache_dir)
    with listening(on_event, cancel, shows_progress=progress) as listener:
        result = run_study(
            asked, store=home.store, cache_dir=home.cache_dir, study=study, listener=listener, given=given.given
        )
    return result if is_spec else Front(Kept(result.study, home, given.given, given.model), result)


def resume(
    name: str,
    data: object = None,
    *,
    model: object = None,
    tokenizer: object = None,
    images: ImageData | None = None,
    metric: AnyMetric = None,
    sampler: AnySampler = None,
    epsilon: float | None = None,
    store: StudyStore | str,
    cache_dir: Path | str,
    on_event: Listener | None = None,
    cancel: Flag | None = None,
    progress: bool = True,
) -> RunResult:
    """Resume a study where it stopped, with the same model and data that `optimize` was given.

    A larger `epsilon` replaces the study's own. Raises `InputError` for a model or data that have changed,
    `StudyNotFoundError`, `StudyBusyError`.
    """
    given = _Taken(model, images if data is None else data, tokenizer, metric, sampler)
    home = Home(store, cache_dir)
    with listening(on_event, cancel, shows_progress=progress) as listener:
        return resume_study(
            name, store=home.store, cache_dir=home.cache_dir, epsilon=epsilon, listener=listener, given=given.given
        )


def open_front(
    name: str,
    data: object = None,
    *,
    model: object = None,
    tokenizer: object = None,
    images: ImageData | None = None,
    metric: AnyMetric = None,
    store: StudyStore | str,
    cache_dir: Path | str,
) -> Front:
    """Return the front of a stored study, with the same model and data that `optimize` was given.

    Raises `StudyNotFoundError`, `InputError` for a study that has not measured the dense model.
    """
    given = _Taken(model, images if data is None else data, tokenizer, metric)
    home = Home(store, cache_dir)
    study = home.store.study(name)
    if not study.baseline:
        raise InputError("study", f"{study.slug!r} has not measured the dense model; resume it")
    return Front(Kept(study.slug, home, given.given, given.model), result_of(study, home.store))


def export_candidate(
    store: StudyStore,
    study: Study,
    number: int,
    directory: Path,
    *,
    cache_dir: Path,
    as_onnx: bool = False,
    model: object = None,
    data: object = None,
    tokenizer: object = None,
    images: ImageData | None = None,
    metric: AnyMetric = None,
) -> tuple[Path, ...]:
    """Write a candidate to a new or empty directory, with the same model and data that `optimize` was given."""
    given = _Taken(model, images if data is None else data, tokenizer, metric).given
    return write_candidate(store, study, number, directory, cache_dir=cache_dir, as_onnx=as_onnx, given=given)


class _Taken:
    """What was given as model, data and metric, each as the engine takes it."""

    def __init__(self, model: Any, data: Any, tokenizer: Any, metric: AnyMetric, sampler: AnySampler = None) -> None:
        if model is None and tokenizer is not None:
            raise InputError("tokenizer", "belongs to a loaded model; give both")
        self.model = Model(name="") if model is None else taken_model(model, tokenizer)
        is_trained = self.model.module is not None
        self.data = taken_data(data, is_of_images=self.model.is_of_images, is_trained=is_trained)
        if not isinstance(metric, str | Metric | None) and not callable(metric):
            raise InputError("metric", f"must be a name or a function, got {a_kind(metric)}")
        if not isinstance(sampler, str | None) and not callable(sampler):
            raise InputError("sampler", f"must be a name or a function of a Problem, got {sampler!r:.80}")
        named = {"metric": metric, "sampler": sampler}
        self._named = {field: value for field, value in named.items() if isinstance(value, str)}
        self.given = Given(
            model=self.model.module,
            images=_with_classes(self.data.images, self.model.module, is_own=isinstance(data, ImageData)),
            checkpoint=self.model.checkpoint,
            texts=self.data.texts,
            metric=None if isinstance(metric, str) else metric,
            sampler=None if isinstance(sampler, str) else sampler,
        )

    def spec(self, fields: Mapping[str, Any]) -> StudySpec:
        """Return the spec of the study. Raises `InputError` for a field that is missing, unknown or wrong."""
        if not self.model.name:
            raise InputError("model", "is required: a name, a directory, (model, tokenizer), or a network")
        found = {"epsilon": EPSILON, "task": self.data.task, "model": self.model.name, **self.data.fields}
        found |= {**self._named, **fields}
        if found["task"] is None:
            raise InputError("data", "is required, or a task that brings its own: task='sst2'")
        try:
            return StudySpec.model_validate(found)
        except ValidationError as error:
            raise _in_words(error) from error

    def checked(self, spec: StudySpec, fields: Mapping[str, Any]) -> StudySpec:
        """Return a spec that was given whole. Raises `InputError` for what else names its fields."""
        if self._named or fields or self.data.fields:
            raise InputError("spec", "a StudySpec holds all fields; change them with spec.model_copy(update={…})")
        return spec


def _with_classes(images: ImageData | None, module: nn.Module | None, *, is_own: bool) -> ImageData | None:
    """Return the images with as many classes as the network has outputs, where it can be asked.

    Whether it answers as it should is checked when the study loads it.
    """
    if images is None or module is None or is_own:
        return images
    try:
        with measuring(module):
            answer = module(images.train.pixels[:2].to(device_of(module)))
    except Exception:  # of foreign code; the study reports it with the shape that it was given
        return images
    shape: tuple[int, ...] = tuple(getattr(getattr(answer, "logits", answer), "shape", ()))
    return replace(images, classes=max(images.classes, shape[1])) if len(shape) == 2 else images


def _in_words(error: ValidationError) -> InputError:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "study"
    if first["type"] == "extra_forbidden":
        return UnknownNameError("argument", field, StudySpec.model_fields)
    return InputError(field, f"{first['msg'].removeprefix('Value error, ')}, got {first.get('input')!r:.200}")
