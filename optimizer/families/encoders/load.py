"""Load a workload: names and places are checked first, then data and model are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from objectives.metrics import Metric
from optimizer.dense import dense_answers
from optimizer.device import check_device, check_meter
from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import Checkpoint, check_lengths
from optimizer.families.encoders.family import EncoderFamily
from optimizer.families.encoders.loading import load_model, name_labels
from optimizer.families.encoders.models import BUILT_IN, check_model_name, checked_checkpoint, locate
from optimizer.families.encoders.storage import Storage
from optimizer.families.encoders.texts import TextRequests
from optimizer.families.encoders.tokenizer import check_tokens, load_tokenizer
from optimizer.families.names import check_names, is_image_study
from optimizer.families.subject import Subject
from optimizer.families.teachers import teacher_of
from optimizer.given import NOTHING, Given
from optimizer.spec import StudySpec
from optimizer.tasks.baseline import check_labels
from optimizer.tasks.table import KINDS
from optimizer.tasks.task import Task
from optimizer.tasks.texts.data import read_splits
from optimizer.tasks.texts.examples import Encoder, Examples
from optimizer.tasks.texts.fresh import fresh_texts
from optimizer.tasks.texts.held_out import held_out
from optimizer.tasks.texts.known import Source, resolve_task
from optimizer.tasks.texts.labels import order_note
from optimizer.tasks.texts.reader import TextReader
from optimizer.tasks.texts.splits import Splits, cut
from optimizer.training.history import DenseTraining
from optimizer.weights import hash_weights
from optimizer.workload import ROLES, Progress, Workload


def check_workload(spec: StudySpec, given: Given = NOTHING) -> None:
    """Check names, paths, columns and device before anything is loaded or fetched. Raises `InputError`."""
    check_names(spec, given.names)
    device = check_device(spec.device)
    if spec.require_measured_energy:
        check_meter(device)


def load_workload(spec: StudySpec, *, cache_dir: Path, progress: Progress, given: Given = NOTHING) -> Workload:
    """Load data, then model; train a head where there is none; refuse a broken baseline. Raises `InputError`."""
    if is_image_study(spec, given.names):
        from optimizer.families.networks.load import load_image_workload  # a study of texts needs none of it

        return _with_teacher(spec, partial(load_image_workload, cache_dir=cache_dir, progress=progress), given)
    data = read_splits(spec, source_of(spec, given), given.texts)
    trains_a_head = not (checkpoint_of(spec, cache_dir, progress, given).has_head or spec.allow_untrained)
    splits = cut(
        data.tables,
        notes=data.notes,
        calibration=spec.calibration_examples,
        search=spec.search_examples,
        verification=spec.verification_examples,
        hold_out=held_out if trains_a_head else None,
    )
    load = partial(workload_of, source=data.source, splits=splits, cache_dir=cache_dir, progress=progress)
    return _with_teacher(spec, load, given)


def _with_teacher(spec: StudySpec, load: Callable[..., Workload], given: Given) -> Workload:
    """Load the dense model, and the teacher where the spec names one."""
    found = load(spec, given=given)
    found = replace(found, criterion=given.criterion, objectives=given.objectives)
    if spec.teacher is None:
        return found
    teacher = teacher_of(found, spec, partial(load, given=given.without_model))
    return replace(found, teacher=teacher, notes=(*found.notes, teacher.note))


def source_of(spec: StudySpec, given: Given = NOTHING) -> Source:
    """Return where a study's examples come from. Raises `InputError`.

    Where neither task nor metric is named, a metric given in Python says of what kind they are, and beside a function
    the model, unless the data do.
    """
    source = resolve_task(spec, has_data=given.texts is not None)
    if given.metric is None or source.kind is not None:
        return source
    if isinstance(given.metric, Metric):
        return source.of_kind(given.metric.kind)
    return replace(source, likely=_kind_of_model(spec, given))


def _kind_of_model(spec: StudySpec, given: Given) -> str | None:
    """Return the kind of task that a model on this machine is for; None without a head, when the data say it."""
    at = given.checkpoint
    known = checked_checkpoint(spec.model, at) if at else check_model_name(spec.model)
    return known.kind if known else None


def workload_of(
    spec: StudySpec,
    source: Source,
    splits: Splits,
    *,
    cache_dir: Path,
    progress: Progress,
    given: Given = NOTHING,
) -> Workload:
    """Load the model of a study of texts to go with examples that were cut already. Raises `InputError`."""
    reader: TextReader = source.reader()
    device = check_device(spec.device)
    checkpoint = checkpoint_of(spec, cache_dir, progress, given).asked(KINDS[str(source.kind)])
    _check_head(checkpoint, source)
    if spec.recover != "none" and not KINDS[str(source.kind)].trains:
        raise InputError("recover", f"a model cannot be trained on labels of {source.kind}; leave it out")
    max_length = check_lengths(checkpoint, spec)
    tokenizer = load_tokenizer(checkpoint, is_split=reader.is_split)
    names = checkpoint.label_names if checkpoint.has_head else dict(enumerate(splits.search.names))
    task = given.judged(reader.task(str(source.metric), names))
    encoder = Encoder(tokenizer=tokenizer, max_length=max_length)

    def tokenised(role: str) -> Examples:
        return reader.examples(getattr(splits, role), role, encoder, names)

    roles = {role: tokenised(role) for role in ROLES}
    _check_examples(roles, task, tokenizer, checkpoint)
    storage = Storage.of(checkpoint)
    model = load_model(checkpoint, outputs=reader.outputs(names), device=device)
    trained: DenseTraining | None = None
    if not checkpoint.has_head and not spec.allow_untrained:
        from optimizer.families.encoders.head import with_trained_head  # training is rare, and loads much

        train = tokenised("train")
        model, trained = with_trained_head(model, tokenizer, train, task, cache_dir=cache_dir, progress=progress)
    name_labels(model, names)
    model.config.update(roles["search"].told)
    own_names = names if checkpoint.has_head else None
    search_answers = dense_answers(model, task, roles["search"], own_names, allow_untrained=spec.allow_untrained)
    length = spec.sequence_length or int(np.median(roles["search"].lengths))
    subject = Subject(
        model=model,
        weights_hash=hash_weights(model),
        device=device,
        calibration=roles["calibration"],
        search=roles["search"],
        task=task,
    )
    return Workload(
        subject=subject,
        family=EncoderFamily(
            subject,
            requests=TextRequests(tokenizer, model, length=length, corpus=lambda: tokenised("train")),
            storage=storage,
        ),
        verification=roles["verification"],
        train=lambda: tokenised("train"),
        search_answers=search_answers,
        fresh=lambda path, known: fresh_texts(path, source, encoder, splits, _in_order(names), known),
        brings_head=checkpoint.has_head,
        trained=trained,
        notes=(
            *splits.notes,
            *order_note(splits.search.names, names, splits.search.present),
            *checkpoint.notes,
            *storage.notes,
            *_cut_notes(roles),
        ),
    )


def _check_examples(roles: Mapping[str, Examples], task: Task, tokenizer: Any, checkpoint: Checkpoint) -> None:
    """Raise `InputError` for labels that the task cannot judge by, and tokens that the model lacks."""
    for role in ("search", "verification"):
        check_labels(task, roles[role].labels, role)
    check_tokens(roles.values(), tokenizer, checkpoint)


def _in_order(names: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(names[i] for i in sorted(names))


def checkpoint_of(spec: StudySpec, cache_dir: Path, progress: Progress, given: Given = NOTHING) -> Checkpoint:
    """Return the study's checkpoint: given, in a directory, fetched from the hub, or trained here."""
    if given.checkpoint is not None:
        return checked_checkpoint(spec.model, given.checkpoint)
    if spec.model == BUILT_IN:
        from optimizer.training.phrases_mini import phrases_mini

        return checked_checkpoint(spec.model, phrases_mini(cache_dir, progress=progress))
    progress(f"looking for {spec.model}", 0, 0)
    return checked_checkpoint(spec.model, locate(spec.model))


def _check_head(checkpoint: Checkpoint, source: Source) -> None:
    """Raise `InputError` for a trained head that answers whole texts in another way than the task asks."""
    asked = KINDS[str(source.kind)].head.answers
    if not asked or not checkpoint.has_head or checkpoint.answers == asked:
        return
    raise InputError(
        "model",
        f"{checkpoint.name} answers with {checkpoint.answers} ({checkpoint.outputs} outputs), {source.metric} on task "
        f"{source.name!r} needs {asked}; give a model of that kind, or another `metric`",
    )


def _cut_notes(roles: dict[str, Examples]) -> list[str]:
    return [
        f"{examples.cut} of {len(examples)} {role} texts were cut to the longest length allowed"
        for role, examples in roles.items()
        if examples.cut
    ]
