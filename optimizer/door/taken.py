"""Taken: what Python code gives to `optimize`, `resume` and `open_front`, each as the engine takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypedDict

from pydantic import ValidationError
from torch import nn

from objectives.device import device_of
from objectives.guard import measuring
from objectives.metrics import Metric
from optimizer.door.data import taken_data
from optimizer.door.fields import as_several, in_words
from optimizer.door.model import Model, taken_model
from optimizer.errors import InputError, a_kind
from optimizer.families.names import with_absolute_paths
from optimizer.given import Given
from optimizer.objective import Objective, OwnObjective
from optimizer.own import own_name
from optimizer.samplers.own import MakeSampler
from optimizer.spec import Limits, StudySpec
from optimizer.tasks.images.data import ImageData
from search_spaces.transforms.units.evidence import Criterion
from studies.records import Study

AnyMetric = str | Metric | Callable[..., Any] | None
AnySampler = str | MakeSampler | None
AnyCriterion = str | Criterion | None
AnyObjectives = str | Objective | Sequence[str | Objective] | None
EPSILON = 0.01
OWN: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "metric": ("a function", lambda given: isinstance(given, Metric) or callable(given)),
    "criterion": ("a Criterion with a method `rank`", lambda given: callable(getattr(given, "rank", None))),
    "sampler": ("a function of a Problem", callable),
}
"""What may be given in place of a name: in words, and whether something is one."""
PLACES: Mapping[str, str] = {"model": "model", "data": "data", "task": "data"}
"""The fields of a spec that say where a model and data are, with the arguments that say so."""


class Own(TypedDict, total=False):
    """What a caller may make: each a name, or an object of the caller's own."""

    metric: AnyMetric
    criterion: AnyCriterion
    objectives: AnyObjectives
    sampler: AnySampler


class Taken:
    """What was given as model, data and the rest, each as the engine takes it."""

    def __init__(self, model: Any, data: Any, tokenizer: Any, images: ImageData | None, own: Own) -> None:
        if model is None and tokenizer is not None:
            raise InputError("tokenizer", "belongs to a loaded model; give both")
        if data is not None and images is not None:
            raise InputError("images", "stand in place of data; give one of them")
        data = images if data is None else data
        self.model = Model(name="") if model is None else taken_model(model, tokenizer)
        is_trained = self.model.module is not None
        self.data = taken_data(
            data, is_of_images=self.model.is_of_images, is_trained=is_trained, processor=self.model.prepares
        )
        objectives, costs = _own_objectives(own.get("objectives"))
        parts = {field: own.get(field) for field in OWN}
        self.given = Given(
            model=self.model.module,
            processor=self.model.processor,
            images=_with_classes(self.data.images, self.model.module),
            checkpoint=self.model.checkpoint,
            texts=self.data.texts,
            objectives=objectives,
            **{field: _own(field, part) for field, part in parts.items()},
        )
        own_names = {field: names[0] for field, names in self.given.own.items() if names}
        self._own: dict[str, Any] = {**own_names, "objectives": costs} if objectives else own_names
        self._named: dict[str, Any] = {field: part for field, part in parts.items() if isinstance(part, str)}
        self._named |= {} if objectives or costs is None else {"objectives": costs}
        self._places: dict[str, Any] = {"model": self.model.name} if self.model.is_named else {}
        self._places |= self.data.fields if self.data.is_named else {}

    def spec(self, fields: Mapping[str, Any]) -> StudySpec:
        """Return the spec of the study. Raises `InputError` for a field that is missing, unknown or wrong."""
        if not self.model.name:
            raise InputError("model", "is required: a name, a directory, (model, tokenizer), or a network")
        epsilon = EPSILON if fields.get("limits") in (None, {}, Limits()) else None
        found = {"epsilon": epsilon, "task": self.data.task, "model": self.model.name, **self.data.fields}
        found |= {**self._named, **self._own, **as_several(fields)}
        if found["task"] is None:
            raise InputError("data", "is required, or a task that brings its own: task='sst2'")
        try:
            return StudySpec.model_validate(found, context={*chain(*self.given.own.values())})
        except ValidationError as error:
            raise in_words(error) from error

    def refuse_other_names(self, study: Study) -> None:
        """Raise `InputError` for the name of another model, data, metric, … than the study has.

        What it was given loaded must be given again before it is used, which is checked then.
        """
        spec, loaded = StudySpec.stored(study.spec), study.context.get("given", ())
        places = {field: name for field, name in self._places.items() if PLACES[field] not in loaded}
        here = with_absolute_paths(spec.model_copy(update=places))
        for field, name in {**{place: getattr(here, place) for place in places}, **self._named}.items():
            known = study.context.get("metric", spec.metric) if field == "metric" else getattr(spec, field)
            if known != name:
                raise InputError(
                    field, f"{study.slug!r} has {known!r}, not {name!r}; leave it out, or start a new study"
                )

    def checked(self, spec: StudySpec, fields: Mapping[str, Any]) -> StudySpec:
        """Return a spec that was given whole. Raises `InputError` for what else names its fields."""
        if self._named or fields or self._places or self.data.fields:
            raise InputError("spec", "a StudySpec holds all fields; change them with spec.model_copy(update={…})")
        return spec.model_copy(update=self._own)


def _own(field: str, given: Any) -> Any:
    """Return an own object in place of a name, None for a name. Raises `InputError` for what is neither."""
    if given is None or isinstance(given, str):
        return None
    what, is_one = OWN[field]
    if not is_one(given):
        raise InputError(field, f"must be a name or {what}, got {a_kind(given)}")
    return given


def _own_objectives(given: AnyObjectives) -> tuple[tuple[OwnObjective, ...], tuple[str, ...] | None]:
    """Return the own objectives among those given, and the names of all. Raises `InputError`."""
    if given is None:
        return (), None
    each = (given,) if isinstance(given, str) or callable(given) else tuple(given)
    for one in each:
        if not isinstance(one, str) and not callable(one):
            raise InputError("objectives", f"must be names or functions of a model, got {a_kind(one)}")
    names = tuple(one if isinstance(one, str) else own_name(one, "objectives") for one in each)
    own = [(name, one) for name, one in zip(names, each, strict=True) if not isinstance(one, str)]
    return tuple(OwnObjective(name=name, unit=str(getattr(one, "unit", "1")), cost=one) for name, one in own), names


def _with_classes(images: ImageData | None, module: nn.Module | None) -> ImageData | None:
    """Return images whose classes were counted with as many as the network has outputs, where it can be asked.

    Whether it answers as it should is checked when the study loads it.
    """
    if images is None or module is None or not images.is_counted:
        return images
    try:
        with measuring(module):
            answer = module(images.train.pixels[:2].to(device_of(module)))
    except Exception:  # of foreign code; the study reports it with the shape that it was given
        return images
    shape: tuple[int, ...] = tuple(getattr(getattr(answer, "logits", answer), "shape", ()))
    if len(shape) != 2:
        return images
    if images.classes > shape[1]:
        most = images.classes - 1
        raise InputError("data", f"has the label {most}, the network has {shape[1]} outputs; count labels from 0")
    return replace(images, classes=shape[1], is_counted=False)
