"""Load a workload: names and places are checked first, then data and model are loaded."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from objectives.metrics import METRICS
from optimizer.device import check_device
from optimizer.errors import InputError
from optimizer.families.encoders.checkpoint import Checkpoint, check_lengths
from optimizer.families.encoders.family import EncoderFamily
from optimizer.families.encoders.loading import hash_weights, load_model
from optimizer.families.encoders.models import BUILT_IN, checked_checkpoint, locate
from optimizer.families.encoders.storage import Storage
from optimizer.families.encoders.tokenizer import check_tokens, load_tokenizer
from optimizer.families.names import check_names
from optimizer.families.networks.given import NOTHING, Given
from optimizer.families.networks.names import is_of_images
from optimizer.families.subject import Subject
from optimizer.predict import predict, predictions_of
from optimizer.spec import StudySpec
from optimizer.tasks.baseline import check_baseline, check_labels
from optimizer.tasks.texts.data import Table, read_splits
from optimizer.tasks.texts.examples import Examples, tokenise
from optimizer.tasks.texts.known import Task, resolve_task
from optimizer.tasks.texts.labels import label_map, order_note
from optimizer.tasks.texts.splits import Splits, cut, table_hash
from optimizer.workload import ROLES, Progress, Workload


def check_workload(spec: StudySpec, given: Given = NOTHING) -> None:
    """Check names, paths, columns and device before anything is loaded or fetched. Raises `InputError`."""
    check_names(spec, has_model=given.model is not None, has_images=given.images is not None)
    check_device(spec.device)


def load_workload(spec: StudySpec, *, cache_dir: Path, progress: Progress, given: Given = NOTHING) -> Workload:
    """Load data, then model; train a head where there is none; refuse a broken baseline. Raises `InputError`."""
    if given != NOTHING or is_of_images(spec):
        from optimizer.families.networks.load import load_image_workload  # a study of texts needs none of it

        return load_image_workload(spec, cache_dir=cache_dir, progress=progress, given=given)
    data = read_splits(spec, resolve_task(spec))
    splits = cut(
        data.tables,
        notes=data.notes,
        calibration=spec.calibration_examples,
        search=spec.search_examples,
        verification=spec.verification_examples,
    )
    return workload_of(spec, splits, cache_dir=cache_dir, progress=progress)


def workload_of(spec: StudySpec, splits: Splits, *, cache_dir: Path, progress: Progress) -> Workload:
    """Load the model of a study of texts to go with examples that were cut already. Raises `InputError`."""
    task, device = resolve_task(spec), check_device(spec.device)
    checkpoint = checkpoint_of(spec, cache_dir, progress)
    max_length, outputs = check_lengths(checkpoint, spec), _outputs(checkpoint, task, splits)
    tokenizer = load_tokenizer(checkpoint)
    names = checkpoint.label_names if checkpoint.has_head else dict(enumerate(splits.search.names))
    tokenised = partial(
        _examples, tokenizer=tokenizer, max_length=max_length, names=None if task.is_regression else names
    )
    roles = {role: tokenised(getattr(splits, role), role) for role in ROLES}
    for role in ("search", "verification"):
        check_labels(roles[role].labels, METRICS[task.metric], role)
    check_tokens(roles.values(), tokenizer, checkpoint)
    storage = Storage.of(checkpoint)
    model = load_model(checkpoint, outputs=outputs, device=device)
    metric = METRICS[task.metric]
    if not checkpoint.has_head and not spec.allow_untrained:
        from optimizer.families.encoders.head import with_trained_head  # training is rare, and loads much

        training = tokenised(splits.train, "train")
        model = with_trained_head(model, tokenizer, training, metric, cache_dir=cache_dir, progress=progress)
    search_logits = predict(model, roles["search"])
    _check_answers(search_logits)
    if not spec.allow_untrained:
        own_names = names if checkpoint.has_head else None
        check_baseline(predictions_of(search_logits), roles["search"].labels, metric, own_names)
    subject = Subject(
        model=model,
        weights_hash=hash_weights(model),
        device=device,
        calibration=roles["calibration"],
        search=roles["search"],
    )
    return Workload(
        subject=subject,
        family=EncoderFamily(
            subject,
            tokenizer=tokenizer,
            sequence_length=spec.sequence_length or int(np.median(roles["search"].lengths)),
            storage=storage,
        ),
        metric=metric,
        verification=roles["verification"],
        train=lambda: tokenised(splits.train, "train"),
        search_logits=search_logits,
        notes=(
            *splits.notes,
            *order_note(splits.search.names, names),
            *checkpoint.notes,
            *storage.notes,
            *_cut_notes(roles),
        ),
    )


def checkpoint_of(spec: StudySpec, cache_dir: Path, progress: Progress) -> Checkpoint:
    """Return the study's checkpoint, fetched from the hub or trained where it is not on this machine."""
    if spec.model == BUILT_IN:
        from optimizer.training.phrases_mini import phrases_mini

        return checked_checkpoint(spec.model, phrases_mini(cache_dir, progress=progress))
    progress(f"looking for {spec.model}", 0, 0)
    return checked_checkpoint(spec.model, locate(spec.model))


def _outputs(checkpoint: Checkpoint, task: Task, splits: Splits) -> int:
    """Return the outputs that the model has, or is to get. Raises `InputError` for a head of another kind of task."""
    if not checkpoint.has_head:
        return 1 if task.is_regression else len(splits.search.names)
    answers, asked = ("scores", "classes") if checkpoint.is_regression else ("classes", "scores")
    if checkpoint.is_regression != task.is_regression:
        raise InputError(
            "--model",
            f"{checkpoint.name} answers with {answers} ({checkpoint.outputs} outputs), {task.metric} on task "
            f"{task.name!r} needs {asked}; give a model of that kind, or another --metric",
        )
    return checkpoint.outputs


def _examples(table: Table, role: str, *, tokenizer: Any, max_length: int, names: dict[int, str] | None) -> Examples:
    labels = table.labels if names is None else label_map(table.names, names, table.present)[table.labels]
    return tokenise(tokenizer, table.texts, labels, role=role, digest=table_hash(table), max_length=max_length)


def _check_answers(logits: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        raise InputError(
            "--model",
            f"answers {broken} of {len(logits)} search examples with NaN or infinity; the checkpoint is broken",
        )


def _cut_notes(roles: dict[str, Examples]) -> list[str]:
    return [
        f"{examples.cut} of {len(examples)} {role} texts were cut to the longest length allowed"
        for role, examples in roles.items()
        if examples.cut and role in ROLES
    ]
