"""Tasks: the columns of text and label, the names of the labels, the metric. One table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optimizer.errors import InputError, UnknownNameError
from optimizer.spec import StudySpec

GLUE = "nyu-mll/glue"
BUILT_IN = "phrases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A supervised text task. `labels` are names in the order of the data's own label ids; empty for regression.

    `text_columns` and `label_column` are None where the user's own data set decides.
    """

    name: str
    text_columns: tuple[str, ...] | None
    label_column: str | None
    metric: str
    labels: tuple[str, ...] = ()
    subset: str | None = None  # of the GLUE data set on the hub
    validation: str = "validation"
    is_regression: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the task is one of the table, whose labels and splits are known."""
        return self.name in TASKS


def _glue(name: str, texts: str, metric: str, labels: str, **more: object) -> Task:
    columns, names = tuple(texts.split()), tuple(labels.split())
    return Task(
        name=name,
        text_columns=columns,
        label_column="label",
        metric=metric,
        labels=names,
        subset=name,
        **more,  # type: ignore[arg-type]
    )


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name=BUILT_IN,
            text_columns=("sentence",),
            label_column="label",
            metric="accuracy",
            labels=("negative", "positive"),
        ),
        _glue("sst2", "sentence", "accuracy", "negative positive"),
        _glue("cola", "sentence", "matthews", "unacceptable acceptable"),
        _glue("mrpc", "sentence1 sentence2", "f1", "not_equivalent equivalent"),
        _glue("qqp", "question1 question2", "f1", "not_duplicate duplicate"),
        _glue("qnli", "question sentence", "accuracy", "entailment not_entailment"),
        _glue("rte", "sentence1 sentence2", "accuracy", "entailment not_entailment"),
        _glue(
            "mnli",
            "premise hypothesis",
            "accuracy",
            "entailment neutral contradiction",
            validation="validation_matched",
        ),
        _glue("stsb", "sentence1 sentence2", "pearson", "", is_regression=True),
    )
}


def resolve_task(spec: StudySpec) -> Task:
    """Return the task of a spec, with the spec's own columns and metric over the table's.

    Raises `UnknownNameError` for a name outside the table without `data`, `InputError` for a metric of the wrong kind.
    """
    known = TASKS.get(spec.task)
    if known is None and spec.data is None:
        raise UnknownNameError("--task", spec.task, TASKS, remedy="For a data set of your own give --data as well.")
    task = known or Task(name=spec.task, text_columns=None, label_column=None, metric=spec.metric or "accuracy")
    is_regression = task.is_regression if known else task.metric in ("pearson", "spearman")
    if spec.metric and (spec.metric in ("pearson", "spearman")) != is_regression:
        kind = "regression: pearson or spearman" if is_regression else "classification: accuracy, f1 or matthews"
        raise InputError("--metric", f"{spec.metric!r} does not fit task {spec.task!r}, a {kind}")
    return replace(
        task,
        text_columns=spec.text_columns or task.text_columns,
        label_column=spec.label_column or task.label_column,
        metric=spec.metric or task.metric,
        is_regression=is_regression,
    )
