"""Names of image studies: whether a spec is about images, and whether what it names exists. Loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from optimizer.errors import InputError, UnknownNameError
from optimizer.families.encoders.saved import check_directory, check_export, refuse_graph
from optimizer.spec import StudySpec
from optimizer.tasks.images.folders import holds_only_images
from optimizer.tasks.images.known import IMAGE_TASKS
from search_spaces.layouts.rows import architectures

DEFINED_HERE = (
    "mlp-small", "mlp-medium", "vgg11", "vgg16", "vgg16-deep", "resnet18", "resnet34", "resnet50",
)  # fmt: skip
SMALLEST: Mapping[str, int] = {  # side of the smallest image, in pixels, that each architecture of torchvision takes
    "alexnet": 63, "vgg11": 32, "vgg16": 32, "resnet18": 1, "resnet34": 1, "resnet50": 1, "resnet101": 1,
    "inception_v3": 75, "densenet121": 29, "convnext_tiny": 32, "convnext_base": 32, "resnext50_32x4d": 1,
    "mobilenet_v2": 1, "mobilenet_v3_small": 1, "mobilenet_v3_large": 1, "efficientnet_b0": 1, "efficientnet_v2_s": 1,
    "regnet_x_400mf": 1, "regnet_y_400mf": 1,
}  # fmt: skip
FROM_TORCHVISION = tuple(name for name in SMALLEST if name not in DEFINED_HERE)
IMAGE_MODEL_NAMES = (*DEFINED_HERE, *FROM_TORCHVISION)
TRACED = (
    "convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "poolformer",
    "regnet", "resnet", "swin", "swinv2",
)  # fmt: skip
IMAGE_FAMILIES = (*architectures("pixels"), *TRACED)  # of transformers
DESCRIPTION, CONFIG = "network.json", "config.json"  # what a network is built from: here, and in transformers
HASHED = re.compile(r"-([0-9a-f]{8})\.pth$")  # torchvision's convention: the first digits of the file's SHA-256


def is_of_images(spec: StudySpec) -> bool:
    """Whether a spec is about images: by the names of task and model, else by the directories that it names."""
    if spec.task in IMAGE_TASKS or spec.model in IMAGE_MODEL_NAMES:
        return True
    if Path(spec.model).is_dir():
        return reads_images(Path(spec.model))
    return "/" in spec.model and spec.data is not None and holds_only_images(Path(spec.data))


def reads_images(directory: Path) -> bool:
    """Whether a directory holds an image network, by its description or its configuration."""
    try:
        config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        is_known = config.get("model_type") in IMAGE_FAMILIES
    except (OSError, ValueError, AttributeError):
        is_known = False  # whatever it is, it is refused by what reads it
    return is_known or (directory / DESCRIPTION).exists()


def check_image_names(spec: StudySpec, *, has_model: bool = False, has_images: bool = False) -> None:
    """Check names and options; `has_model` and `has_images` say what was given in Python and needs no name.

    Raises `InputError`, for an unknown name with the nearest ones.
    """
    if has_model:
        refuse(spec.weights, "weights", "a network given in Python brings its own")
    else:
        check_image_model(spec)
    if has_images:
        refuse(spec.data, "data", "the images were given in Python")
    elif spec.task not in IMAGE_TASKS and spec.data is None:
        remedy = f"{spec.model!r} is an image network. For images of your own give `data` as well."
        raise UnknownNameError("task", spec.task, IMAGE_TASKS, remedy=remedy)
    refuse(spec.text_columns, "text_columns", "are of texts, and this study is about images")
    refuse(spec.label_column, "label_column", "is of texts, and the classes of images are read from their own data")
    if spec.metric not in (None, "accuracy"):
        raise InputError("metric", f"{spec.metric!r} is not for images; use accuracy")
    if spec.data is not None and not Path(spec.data).is_dir():
        raise InputError("data", f"there is no directory {spec.data}")


def check_image_directory(directory: Path) -> None:
    """Raise `InputError` unless a directory holds a checkpoint of transformers, or an export, that can be pruned."""
    if (directory / CONFIG).exists() or not (directory / DESCRIPTION).exists():
        check_directory(directory, IMAGE_FAMILIES)
        return
    check_export(directory)
    described = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
    if described.get("source") == "module":
        raise InputError(
            "model",
            f"{directory} is an export of your own module, which only Python can build: "
            "optimize(load_pruned(DIR, into=…).net, …)",
        )
    if described.get("by_row"):
        raise InputError(
            "model", f"{directory} was exported by an earlier version, without config.json; export the candidate again"
        )


def check_torchvision(name: str) -> None:
    """Raise `InputError` where torchvision, which `name` comes from, is not installed. It is not imported."""
    if find_spec("torchvision") is None:
        raise InputError("model", f"{name} comes from torchvision: pip install 'pruning-optimizer[vision]'")


def refuse(value: object, option: str, reason: str) -> None:
    """Raise `InputError` for an option that has a value, with the reason why it must have none."""
    if value is not None:
        raise InputError(option, f"{reason}; leave it out")


def check_image_model(spec: StudySpec) -> None:
    """Check the name of a network, and of its file of weights. Raises `InputError`."""
    refuse_graph(spec.model)
    if spec.weights is not None:
        _check_weights(spec.model, Path(spec.weights))
    if spec.model in FROM_TORCHVISION:
        check_torchvision(spec.model)
    elif spec.model in DEFINED_HERE:
        return
    elif Path(spec.model).is_dir():
        check_image_directory(Path(spec.model))
    elif spec.model.count("/") != 1 or spec.model.startswith((".", "~", "/")):
        remedy = (
            f"{spec.task!r} is an image task; image networks have a short name or a hub id owner/name, are in a "
            "directory, or are given in Python: optimize(spec, model=…), resume(study, model=…)."
        )
        raise UnknownNameError("model", spec.model, IMAGE_MODEL_NAMES, remedy=remedy)


def _check_weights(model: str, file: Path) -> None:
    if model not in SMALLEST:
        raise InputError("weights", f"is for torchvision's {', '.join(SMALLEST)}; {model!r} is not one of them")
    check_torchvision(model)
    if not file.is_file():
        raise InputError("weights", f"there is no file {file}")
    if not HASHED.search(file.name):
        raise InputError(
            "weights",
            f"{file.name} does not carry its hash; name it as torchvision does, {model}-XXXXXXXX.pth, with the first "
            "8 hex digits of its SHA-256",
        )
