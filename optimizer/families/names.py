"""Names: what is on offer, and whether what a study names can exist, before anything is loaded or fetched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from optimizer.backends.names import check_backends
from optimizer.errors import InputError, about
from optimizer.families.encoders.checkpoint import check_lengths
from optimizer.families.encoders.models import BUILT_IN, SHORT_NAMES, check_model_name
from optimizer.families.networks.names import (
    IMAGE_MODEL_NAMES,
    check_image_model,
    check_image_names,
    is_of_images,
    refuse,
)
from optimizer.spec import StudySpec
from optimizer.structure import check_structure
from optimizer.tasks.images.known import IMAGE_TASKS
from optimizer.tasks.texts.known import TASKS, resolve_task
from optimizer.tasks.texts.split_files import check_data, check_more

MODELS: Mapping[str, str | None] = {BUILT_IN: None, **SHORT_NAMES, **dict.fromkeys(IMAGE_MODEL_NAMES)}
"""Short names with their hub ids, None where the network is defined or trained here."""
CHECKPOINTS = ("model", "teacher")  # fields that take a short name, a hub id or a directory
TASK_NAMES = (*TASKS, *IMAGE_TASKS)


def is_image_study(spec: StudySpec, given: Collection[str]) -> bool:
    """Whether a study is of images: by what was given in Python, else by its task and model."""
    return bool({"model", "images"} & {*given}) or (not {"checkpoint", "texts"} & {*given} and is_of_images(spec))


def check_names(spec: StudySpec, given: Collection[str] = ()) -> None:
    """Check names, paths, columns and backends; `given` names the fields of `Given` that Python code provides instead.

    Raises `InputError`, for an unknown name with the nearest ones.
    """
    is_of_images = is_image_study(spec, given)
    check_structure(spec, is_of_images=is_of_images)
    check_backends(spec)
    if spec.teacher is not None:
        _check_teacher(spec, spec.teacher, is_of_images=is_of_images)
    if "metric" in given:
        refuse(spec.metric, "metric", "the metric was given in Python")
    if is_of_images:
        refuse(spec.verification_data, "verification_data", "it is for texts; put more images into the test split")
        check_image_names(spec, has_model="model" in given, has_images="images" in given)
        return
    if spec.weights is not None:
        raise InputError("weights", "is for image networks; a text encoder's directory holds its own weights")
    task = resolve_task(spec, has_data="texts" in given)
    if "checkpoint" not in given and (checkpoint := check_model_name(spec.model)):
        check_lengths(checkpoint, spec)
    if "texts" in given:
        refuse(spec.data, "data", "the texts were given in Python")
    else:
        check_data(spec, task)
    check_more(spec)


def with_absolute_paths(spec: StudySpec, given: Collection[str] = ()) -> StudySpec:
    """Return the spec with the files and directories of this machine that it names as absolute paths.

    A study that stores them can be resumed from any directory. The name of a model `given` in Python is only a label.
    """
    labels = {"model"} if {"model", "checkpoint"} & {*given} else set()
    named = {field: name for field, name in names_of_places(spec).items() if field not in labels}
    here = {field: name for field, name in named.items() if Path(name).exists()}
    return spec.model_copy(update={field: str(Path(name).absolute()) for field, name in here.items()})


def names_of_places(spec: StudySpec) -> dict[str, str]:
    """Return what a spec names that may be on this machine, by field: all but short names."""
    named = {field: getattr(spec, field) for field in (*CHECKPOINTS, "weights", "data", "verification_data")}
    return {
        field: name
        for field, name in named.items()
        if name is not None and not (field in CHECKPOINTS and name in MODELS)
    }


def _check_teacher(spec: StudySpec, name: str, *, is_of_images: bool) -> None:
    if spec.recover == "none":
        raise InputError("teacher", "teaches with `recover` alone; give `recover=distill`, or leave it out")
    if is_of_images and name in IMAGE_MODEL_NAMES:
        raise InputError("teacher", f"{name} is an architecture without training; give a directory or hub id")
    with about("teacher", instead_of="model"):
        if is_of_images:
            check_image_model(spec.model_copy(update={"model": name, "weights": None}))
        else:
            check_model_name(name)
