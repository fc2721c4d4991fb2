"""`optimize`, `resume` and `export_candidate` as Python code calls them: names, directories or loaded objects."""

from __future__ import annotations

from pathlib import Path
from threading import Event as Flag
from typing import Any, overload

from optimizer.door.found import Front
from optimizer.door.home import Home, Kept
from optimizer.door.progress import listening
from optimizer.door.taken import AnyCriterion, AnyMetric, AnyObjectives, AnySampler, Own, Taken
from optimizer.engine import Engine, engine_given
from optimizer.errors import InputError
from optimizer.fronts.result import result_of
from optimizer.handover.export import export_candidate as write_candidate
from optimizer.progress import Listener
from optimizer.run import optimize as run_study
from optimizer.run import resume as resume_study
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import ImageData
from optimizer.views.member import RunResult
from studies.records import Study
from studies.store import StudyStore


@overload
def optimize(
    spec: StudySpec,
    data: object = ...,
    *,
    model: object = ...,
    tokenizer: object = ...,
    images: ImageData | None = ...,
    metric: AnyMetric = ...,
    criterion: AnyCriterion = ...,
    objectives: AnyObjectives = ...,
    sampler: AnySampler = ...,
    workers: int | Engine = ...,
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
    criterion: AnyCriterion = ...,
    objectives: AnyObjectives = ...,
    sampler: AnySampler = ...,
    workers: int | Engine = ...,
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
    criterion: AnyCriterion = None,
    objectives: AnyObjectives = None,
    sampler: AnySampler = None,
    workers: int | Engine = 1,
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
        images: an `ImageData`, in place of `data`.
        metric: a name, a function of (predictions, labels), see `own_metric`, or a `Metric`.
        criterion: a name, or a `Criterion`, which ranks the units of a group.
        objectives: names of costs, and functions of a model: an `Objective` returns a cost, lower is better.
        sampler: a name, or a function of a `Problem` that makes a `Sampler`.
        workers: how many processes evaluate candidates at the same time, or an `Engine`, which says more; 1: this
            process does.
        study: the study's name in the store.
        store: a store or its URL; without it the study is temporary.
        cache_dir: where layer banks and trained weights are kept; temporary by default.
        on_event: called with every `Event` of the run, in the calling thread.
        cancel: once it is set, the run raises `CancelledError`; what is stored is kept.
        progress: whether to show a bar on a terminal and in notebooks.
        fields: of `StudySpec`: `epsilon` (0.01 by default, none where `limits` are given), `task`, `trials`, …

    Raises `InputError` naming the argument and the remedy, before anything is stored.
    """
    is_spec = isinstance(spec, StudySpec)
    if not (is_spec or spec is None or model is None):
        raise InputError("model", "is given twice, as the first argument and by its name; give it once")
    first = model if is_spec or spec is None else spec
    own: Own = {"metric": metric, "criterion": criterion, "objectives": objectives, "sampler": sampler}
    given = Taken(first, data, tokenizer, images, own)
    asked = given.checked(spec, fields) if is_spec else given.spec(fields)
    engine, home = engine_given(workers), Home(store, cache_dir)
    with listening(on_event, cancel, shows_progress=progress) as listener:
        result = run_study(
            asked,
            store=home.store,
            cache_dir=home.cache_dir,
            study=study,
            listener=listener,
            given=given.given,
            engine=engine,
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
    criterion: AnyCriterion = None,
    objectives: AnyObjectives = None,
    sampler: AnySampler = None,
    epsilon: float | None = None,
    workers: int | Engine = 1,
    store: StudyStore | str,
    cache_dir: Path | str,
    on_event: Listener | None = None,
    cancel: Flag | None = None,
    progress: bool = True,
) -> RunResult:
    """Resume a study where it stopped, with the same objects that `optimize` was given: model, data, metric, ….

    The number of `workers` may be another one.
    A larger `epsilon` replaces the study's own. Raises `InputError` for a model or data that have changed,
    `StudyNotFoundError`, `StudyBusyError`.
    """
    own: Own = {"metric": metric, "criterion": criterion, "objectives": objectives, "sampler": sampler}
    given = Taken(model, data, tokenizer, images, own)
    engine, home = engine_given(workers), Home(store, cache_dir)
    given.refuse_other_names(home.store.study(name))
    with listening(on_event, cancel, shows_progress=progress) as listener:
        return resume_study(
            name,
            store=home.store,
            cache_dir=home.cache_dir,
            epsilon=epsilon,
            listener=listener,
            given=given.given,
            engine=engine,
        )


def open_front(
    name: str,
    data: object = None,
    *,
    model: object = None,
    tokenizer: object = None,
    images: ImageData | None = None,
    metric: AnyMetric = None,
    criterion: AnyCriterion = None,
    store: StudyStore | str,
    cache_dir: Path | str,
) -> Front:
    """Return the front of a stored study, with the same model, data, metric and criterion that `optimize` was given.

    Raises `StudyNotFoundError`, `InputError` for a study that has not measured the dense model.
    """
    given = Taken(model, data, tokenizer, images, {"metric": metric, "criterion": criterion})
    home = Home(store, cache_dir)
    study = home.store.study(name)
    given.refuse_other_names(study)
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
    criterion: AnyCriterion = None,
) -> tuple[Path, ...]:
    """Write a candidate to a new or empty directory, with the same objects that `optimize` was given."""
    taken = Taken(model, data, tokenizer, images, {"metric": metric, "criterion": criterion})
    taken.refuse_other_names(study)
    return write_candidate(store, study, number, directory, cache_dir=cache_dir, as_onnx=as_onnx, given=taken.given)
