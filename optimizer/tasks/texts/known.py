"""Known tasks of texts: the columns of text and label, the names of the labels, the kind and metric. One table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from optimizer.errors import InputError, UnknownNameError
from optimizer.spec import StudySpec
from optimizer.tasks.table import KINDS, kind_of_metric

GLUE = "nyu-mll/glue"
BUILT_IN = "phrases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the examples of a text task come from, and what they are.

    `labels` are names in the order of the data's own label ids; empty for regression. `kind` names a row of
    `tasks/table.py`; it, the metric and the columns are None where the user's own data set decides.
    """

    name: str
    text_columns: tuple[str, ...] | None
    label_column: str | None
    metric: str | None = None
    labels: tuple[str, ...] = ()
    subset: str | None = None  # of the GLUE data set on the hub
    validation: str = "validation"
    kind: str | None = None
    likely: str | None = None  # the kind of the model's head, where the data do not say another

    @property
    def is_known(self) -> bool:
        """Whether the task is one of the table, whose labels and splits are known."""
        return self.name in TASKS

    def of_kind(self, kind: str | None) -> Source:
        """Return the source of a task of that kind, if one is known, with its usual metric where none is asked for."""
        return self if kind is None else replace(self, kind=kind, metric=self.metric or KINDS[kind].metrics[0])

    def reader(self) -> Any:  # Any: a `TextReader`, whose module needs torch
        """Return the reader of a source whose kind is known."""
        return KINDS[str(self.kind)].reads()


def _glue(name: str, texts: str, metric: str, labels: str, **more: object) -> Source:
    columns, names = tuple(texts.split()), tuple(labels.split())
    return Source(
        name=name,
        text_columns=columns,
        label_column="label",
        metric=metric,
        labels=names,
        subset=name,
        **{"kind": "classification", **more},  # type: ignore[arg-type]
    )


TASKS: Mapping[str, Source] = {
    task.name: task
    for task in (
        Source(
            name=BUILT_IN,
            text_columns=("sentence",),
            label_column="label",
            metric="accuracy",
            labels=("negative", "positive"),
            kind="classification",
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
        _glue("stsb", "sentence1 sentence2", "pearson", "", kind="regression"),
    )
}


def resolve_task(spec: StudySpec, *, has_data: bool = False) -> Source:
    """Return where the examples of a spec come from, with the spec's own columns and metric over the table's.

    `has_data`: the data are given in Python. Raises `UnknownNameError` for a name outside the table without data,
    `InputError` for a metric of another kind.
    """
    known = TASKS.get(spec.task)
    if known is None and spec.data is None and not has_data:
        raise UnknownNameError("task", spec.task, TASKS, remedy="For a data set of your own give `data` as well.")
    asked = None if spec.metric is None else kind_of_metric(spec.metric).name
    source = known or Source(name=spec.task, text_columns=None, label_column=None, kind=asked)
    if asked not in (None, source.kind):
        kind = KINDS[str(source.kind)]
        raise InputError(
            "metric", f"{spec.metric!r} does not fit task {spec.task!r}, a {kind.name}: {kind.metric_names}"
        )
    return replace(
        source,
        text_columns=spec.text_columns or source.text_columns,
        label_column=spec.label_column or source.label_column,
        metric=spec.metric or source.metric,
    )
