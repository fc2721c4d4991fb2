"""Names: what is on offer, and whether what a study names can exist, before anything is loaded or fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import check_lengths
from optimizer.families.encoders.models import BUILT_IN, SHORT_NAMES, check_model_name
from optimizer.families.networks.names import IMAGE_MODEL_NAMES, check_image_names, is_of_images
from optimizer.spec import StudySpec
from optimizer.structure import check_structure
from optimizer.tasks.images.known import IMAGE_TASKS
from optimizer.tasks.texts.known import TASKS, resolve_task
from optimizer.tasks.texts.split_files import check_data

MODELS: Mapping[str, str | None] = {BUILT_IN: None, **SHORT_NAMES, **dict.fromkeys(IMAGE_MODEL_NAMES)}
"""Short names with their hub ids, None where the network is defined or trained here."""
TASK_NAMES = (*TASKS, *IMAGE_TASKS)


def check_names(spec: StudySpec, *, has_model: bool = False, has_images: bool = False) -> None:
    """Check names, paths and columns; `has_model` and `has_images` say what was given in Python instead.

    Raises `InputError`, for an unknown name with the nearest ones.
    """
    is_image_study = has_model or has_images or is_of_images(spec)
    check_structure(spec, is_of_images=is_image_study)
    if is_image_study:
        check_image_names(spec, has_model=has_model, has_images=has_images)
        return
    if spec.weights is not None:
        raise InputError("weights", "is for image networks; a text encoder's directory holds its own weights")
    task = resolve_task(spec)
    if checkpoint := check_model_name(spec.model):
        check_lengths(checkpoint, spec)
    check_data(spec, task)


def with_absolute_paths(spec: StudySpec) -> StudySpec:
    """Return the spec with the files and directories of this machine that it names as absolute paths.

    A study that stores them can be resumed from any directory.
    """
    model = None if spec.model in MODELS else spec.model
    named = {"model": model, "weights": spec.weights, "data": spec.data}
    here = {field: name for field, name in named.items() if name and Path(name).exists()}
    return spec.model_copy(update={field: str(Path(name).absolute()) for field, name in here.items()})
