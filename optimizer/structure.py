"""Refuse options that a study's transforms do not support, before anything is loaded."""

from __future__ import annotations

from typing import get_args

from optimizer.errors import InputError
from optimizer.spec import AS_MASKED, CostName, StudySpec
from optimizer.tasks.images.known import IMAGE_TASKS
from search_spaces.transforms.table import AUTO, BITS, known_costs, trains


def check_structure(spec: StudySpec, *, is_of_images: bool) -> None:
    """Raise `InputError` for options that the spec's transforms do not support."""
    if spec.start_from is not None:
        _refuse(spec.sampler == "iterative", "start_from", "Algorithm 1 follows a path of its own; use another sampler")
        _refuse(trains(spec.applied), "start_from", "masked candidates are trained in their own study; leave it out")
        _refuse(spec.is_open, "start_from", f"needs the `transforms` of that study; name them in the place of {AUTO}")
    if spec.is_open:
        _refuse(spec.sampler == "iterative", "transforms", f"Algorithm 1 removes units alone; leave {AUTO} out")
    _refuse(spec.augment != "none" and not is_of_images, "augment", "is for images; leave it out")
    _refuse(
        spec.augment == "crop-flip" and spec.task in IMAGE_TASKS and IMAGE_TASKS[spec.task].has_sides,
        "augment",
        f"mirror images of {spec.task} show other characters; use crop",
    )
    if not spec.is_open:
        _check_bits(spec)
    if not trains(spec.applied):
        _refuse(spec.epochs is not None, "epochs", "needs `structure=weights`, where every candidate is trained")
        return
    _refuse(
        not is_of_images,
        "structure",
        "'weights' is for image networks; use 'units' for a text encoder, which is pruned by heads and neurons",
    )
    _refuse(
        spec.sampler == "iterative",
        "sampler",
        "'iterative' removes whole units; with `structure=weights` use tpe, nsga2, nsga3, pymoo-nsga2 or random",
    )
    _refuse(spec.recover != "none", "recover", "every masked candidate is already trained; use none")
    _refuse(spec.augment != "none", "augment", "masked networks are trained without; leave it out")
    _refuse(spec.search_precision != "float32", "search_precision", "masked networks answer in float32; leave it out")
    for field, value in {"criterion": spec.criterion, "reconstruct": spec.reconstruct}.items():
        _refuse(
            value != AS_MASKED[field], field, "is not supported with masks: every schedule ranks by magnitude. Omit it"
        )
    _check_costs(spec)


def _check_bits(spec: StudySpec) -> None:
    if BITS in spec.applied:
        return
    reason = "bit operations follow FLOPs where no transform is bits; name flops, or add bits to `transforms`"
    _refuse("bit_operations" in spec.objectives, "objectives", reason)
    _refuse(spec.limits.bit_operations_ratio is not None, "limits.bit_operations_ratio", reason)


def _check_costs(spec: StudySpec) -> None:
    limited = {name.removesuffix("_ratio") for name, limit in spec.limits.model_dump().items() if limit}
    for option, named in (("objectives", {*spec.objectives} & {*get_args(CostName)}), ("limits", limited)):
        unknown = sorted(named - known_costs(spec.applied))
        _refuse(
            bool(unknown),
            option,
            f"{' and '.join(unknown)} of a masked network cannot be computed before its training, which decides which "
            "neurons die; use parameters or size, and filter with `optimize front` afterwards",
        )


def _refuse(is_wrong: bool, option: str, reason: str) -> None:  # noqa: FBT001 - a condition, named where it is made
    if is_wrong:
        raise InputError(option, reason)
