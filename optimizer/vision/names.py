"""Names of images: whether a study is one of images, and whether what it names exists. Loads nothing."""

from __future__ import annotations

from pathlib import Path

from optimizer.errors import InputError, UnknownNameError
from optimizer.spec import StudySpec
from optimizer.vision.tasks import IMAGE_TASKS

IMAGE_MODEL_NAMES = (
    "mlp-small", "mlp-medium", "vgg11", "vgg16", "vgg16-deep", "resnet18", "resnet34", "resnet50",
)  # fmt: skip


def is_of_images(spec: StudySpec) -> bool:
    """Whether a spec means images: its task or its model is one of theirs."""
    return spec.task in IMAGE_TASKS or spec.model in IMAGE_MODEL_NAMES


def check_image_names(spec: StudySpec) -> None:
    """Check names and options. Raises `InputError`, for an unknown name with the nearest ones."""
    if spec.model not in IMAGE_MODEL_NAMES:
        raise UnknownNameError("--model", spec.model, IMAGE_MODEL_NAMES, remedy=f"Task {spec.task!r} is of images.")
    if spec.task not in IMAGE_TASKS:
        raise UnknownNameError("--task", spec.task, IMAGE_TASKS, remedy=f"Model {spec.model!r} is of images.")
    if spec.metric not in (None, "accuracy"):
        raise InputError("--metric", f"{spec.metric!r} is not for images; use accuracy")
    if spec.data is not None and not Path(spec.data).is_dir():
        raise InputError("--data", f"there is no directory {spec.data}")
