"""Teachers: another checkpoint of the same task, whose answers the students learn. It must read what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from optimizer.errors import InputError, about, listed
from optimizer.spec import StudySpec
from optimizer.tasks.images.examples import PIXELS
from optimizer.tasks.task import TARGETS, Batch, ask
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.workload import Teacher, Workload
from search_spaces.layouts.tapped import tapped

COMPARED_AT_ONCE = 256
PROBED = 4  # examples that show what the layers write
TYPES = "token_type_ids"  # which of two texts a token belongs to; 0 where a model is not told


def teacher_of(workload: Workload, spec: StudySpec, load: Callable[[StudySpec], Workload]) -> Teacher:
    """Return the teacher that a spec names; `load` reads the same examples for another model.

    Raises `InputError` naming `teacher`.
    """
    name = PurePath(str(spec.teacher)).name
    with about("teacher", instead_of="model"):
        found = load(spec.model_copy(update={**_ALONE, "model": spec.teacher}))
        if not found.brings_head:
            raise InputError("teacher", f"{name} has no head for this task; give a checkpoint that was trained for it")
        _refuse_other_labels(name, workload, found)
        _refuse_other_inputs(name, workload.train(), found.train())
    value = _value(found)
    trivial = workload.task.trivial(workload.search.labels)
    if not value > trivial:
        raise InputError(
            "teacher",
            f"{name} is no better than always giving the same answer ({trivial:.3f}): {workload.metric.name} "
            f"{value:.3f}. Give a checkpoint that was trained for this task",
        )
    has_layers = _has_layers(workload, found, name)
    learned = "its outputs and what its layers write" if has_layers else "its outputs alone: its layers are others"
    return Teacher(
        model=found.model,
        weights_hash=found.subject.weights_hash,
        flops=found.family.flops(found.model),
        has_layers=has_layers,
        note=f"trained members learn from {name} ({workload.metric.name} {value:.4f} on the search examples, the dense "
        f"model's is {_value(workload):.4f}), {learned}",
    )


_ALONE: Mapping[str, Any] = {
    "teacher": None, "recover": "none", "weights": None, "sequence_length": None, "allow_untrained": True,
}  # fmt: skip


def _refuse_other_labels(name: str, student: Workload, teacher: Workload) -> None:
    known, others = label_names(student.model), label_names(teacher.model)
    if known and others and [each.casefold() for each in known] != [each.casefold() for each in others]:
        raise InputError(
            "teacher",
            f"{name} answers with the labels {listed(others)} in this order, the model with {listed(known)}; give a "
            "checkpoint with the model's own labels (id2label in config.json)",
        )


def label_names(model: Any) -> list[str]:  # Any: one class per family
    """Return the names of a head's labels in their order; none where it has no names of its own."""
    named = getattr(getattr(model, "config", None), "id2label", None) or {}
    names = [str(named[index]) for index in sorted(named)]
    return [] if all(each == f"LABEL_{index}" for index, each in enumerate(names)) else names


def _refuse_other_inputs(name: str, own: AnyExamples, others: AnyExamples) -> None:
    """Raise `InputError` unless the training examples are the same numbers to both."""
    for start in range(0, len(own), COMPARED_AT_ONCE):
        places = np.arange(start, min(start + COMPARED_AT_ONCE, len(own)))
        read, also_read = (next(each.batches(batch_size=len(places), order=places)) for each in (own, others))
        for part in sorted({*read, *also_read}):
            if not _are_equal(part, read, also_read):
                raise InputError("teacher", f"{name} {_difference(part, read, also_read)}")


def _are_equal(part: str, own: Batch, others: Batch) -> bool:
    if part == TYPES and part not in own:
        return not others[part].any()
    return part in own and part in others and torch.equal(own[part], others[part])


def _difference(part: str, own: Batch, others: Batch) -> str:
    if part in TARGETS:
        return "numbers the labels of the data in another order; give a checkpoint with the model's own labels"
    if part != PIXELS:
        return (
            "reads the training texts as other tokens; give a checkpoint with the model's own tokenizer, and a "
            "`max_length` that both read"
        )
    sizes = ["×".join(map(str, each[PIXELS].shape[1:])) for each in (others, own)]
    if sizes[0] != sizes[1]:
        return f"takes images of {sizes[0]}, the model of {sizes[1]}; give one that takes the model's"
    return "prepares images otherwise; give one whose processor scales and normalises as the model's does"


def _value(workload: Workload) -> float:
    """Return the metric on the search examples."""
    task, search = workload.task, workload.search
    return task.metric.value(task.predictions(workload.search_answers, search), search.labels)


def _has_layers(student: Workload, teacher: Workload, name: str) -> bool:
    """Whether the layers that read what is pruned are the same, and as wide. Raises `InputError` for other outputs."""
    readers = {path for group in student.family.dense("obs").layout.groups for path in group.consumers}
    is_alike = {*_names(student.model)} == {*_names(teacher.model)}
    shapes = [_shapes(each, sorted(readers) if is_alike else [], student) for each in (student.model, teacher.model)]
    if shapes[0][""] != shapes[1][""]:
        widths = [shape[""][-1] for shape in reversed(shapes)]
        raise InputError(
            "teacher", f"{name} gives {widths[0]} outputs, the model {widths[1]}; give a checkpoint with as many"
        )
    return is_alike and shapes[0] == shapes[1]


def _names(model: nn.Module) -> Iterator[str]:
    return (name for name, _ in model.named_parameters())


def _shapes(model: nn.Module, paths: list[str], student: Workload) -> dict[str, torch.Size]:
    """Return the shapes of what layers write for a few examples, and under "" of the outputs."""
    batch = next(student.calibration.batches(batch_size=PROBED, device=student.device))
    with torch.inference_mode(), tapped(model, paths) as written:
        outputs: Tensor = ask(model, batch)
    return {"": outputs.shape, **{path: tensor.shape for path, tensor in written.items()}}
