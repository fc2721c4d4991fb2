"""The table of tasks: one row per kind of task that a text encoder can be asked. Words only: no torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from optimizer.errors import alternatives


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last layers of a model: transformers' `AutoModelFor…` class, "" for the encoder alone.

    `problem_type` is what its configuration must say, where it could be taken for a head of another kind.
    `answers` is what a head for whole texts answers with, in the words of a checkpoint. `weights` are tensors of which
    only a trained head of this kind has one; none where the architecture's row names it.
    """

    kind: str
    problem_type: str | None = None
    answers: str = ""
    weights: tuple[str, ...] = ()
    wrap: str | None = None  # `module:function` of (encoder, directory): what takes the place of a head

    def wrapped(self, model: Any, directory: Path) -> Any:  # Any: one transformers class per architecture
        """Return a loaded model with what takes the place of its head, as the files beside it say."""
        return _loaded(self.wrap)(model, directory) if self.wrap else model


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of task: its metrics, the usual one first, its head, and the class that reads its data.

    `figures` are what verification measures besides the metric, a function of the task and of labels, dense and pruned
    predictions `(n, …)` to measurements.
    """

    name: str
    metrics: tuple[str, ...]
    head: Head
    reader: str  # `module:class`
    pipeline: str = "text-classification"  # transformers' name of what such a model is for
    call: str = 'logits = model(**tokenizer("some text", return_tensors="pt")).logits'
    trains: bool = True  # whether its labels are enough to train a model
    figures: str | None = None  # `module:function`

    @property
    def metric_names(self) -> str:
        """The metrics in words."""
        return alternatives(self.metrics)

    def reads(self) -> Any:  # Any: a `TextReader`, whose module needs torch
        """Return the reader of its data."""
        return _loaded(self.reader)()

    def measured(self, task: Any, *answered: Any) -> Sequence[Any]:  # Any: a `Task`, arrays and measurements
        """Return the further figures of a member, none for most tasks."""
        return [*_loaded(self.figures)(task, *answered)] if self.figures else []


def _loaded(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


_CLASSES = "SequenceClassification"
_PRETRAINING = ("MaskedLM", "PreTraining", "NextSentencePrediction", "CausalLM")  # heads that are left behind

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="classification",
            metrics=("accuracy", "f1", "matthews"),
            head=Head(kind=_CLASSES, answers="classes"),
            reader="optimizer.tasks.texts.readers:ClassReader",
        ),
        Kind(
            name="regression",
            metrics=("pearson", "spearman"),
            head=Head(kind=_CLASSES, answers="scores"),
            reader="optimizer.tasks.texts.readers:ScoreReader",
        ),
        Kind(
            name="multi-label classification",
            metrics=("micro-f1", "macro-f1", "worst-f1", "label-accuracy", "subset-accuracy"),
            head=Head(kind=_CLASSES, problem_type="multi_label_classification", answers="several labels per text"),
            reader="optimizer.tasks.multilabel.reader:LabelsReader",
            figures="optimizer.tasks.multilabel.by_label:label_drops",
        ),
        Kind(
            name="token classification",
            metrics=("entity-f1", "tag-accuracy"),
            head=Head(kind="TokenClassification", weights=("classifier.weight",)),
            reader="optimizer.tasks.tokens.reader:TagReader",
            pipeline="token-classification",
        ),
        Kind(
            name="question answering",
            metrics=("exact-match", "answer-f1"),
            head=Head(kind="QuestionAnswering", weights=("qa_outputs.weight", "classifier.weight")),
            reader="optimizer.tasks.questions.reader:AnswerReader",
            pipeline="question-answering",
            call='answer = model(**tokenizer("a question", "its context", return_tensors="pt"))',
        ),
        Kind(
            name="similarity",
            metrics=("cosine-spearman", "cosine-pearson"),
            head=Head(kind="", wrap="optimizer.tasks.embeddings.embedder:embedder"),
            reader="optimizer.tasks.embeddings.reader:PairReader",
            pipeline="sentence-similarity",
            trains=False,
        ),
        Kind(
            name="reranking",
            metrics=("ndcg@10", "mrr@10"),
            head=Head(kind=_CLASSES, answers="scores"),
            reader="optimizer.tasks.ranking.reader:RerankReader",
            pipeline="text-ranking",
        ),
        Kind(
            name="retrieval",
            metrics=("cosine-ndcg@10", "cosine-mrr@10"),
            head=Head(kind="", wrap="optimizer.tasks.embeddings.embedder:retriever"),
            reader="optimizer.tasks.ranking.reader:RetrievalReader",
            pipeline="sentence-similarity",
            trains=False,
        ),
    )
}


def trained_head(architectures: Sequence[str] | None) -> str | None:
    """Return the kind of head that `architectures` of a config.json names: a row's, or another's in its own words."""
    found = re.search(r"For([A-Z]\w*)$", next(iter(architectures or ()), ""))
    return found[1] if found and found[1] not in _PRETRAINING else None


def head_of(architectures: Sequence[str] | None, *, is_folder: bool) -> Head:
    """Return the head of an exported model: by `architectures` of its config.json, one of classes where it names none.

    `is_folder`: a sentence-transformers folder, which has none.
    """
    named = trained_head(architectures) or ("" if is_folder else _CLASSES)
    return next((kind.head for kind in KINDS.values() if kind.head.kind == named), Head(kind=named))


def kind_of_metric(metric: str) -> Kind:
    """Return the kind of task that a metric is for, classes for a caller's own, whose study says more."""
    return next((kind for kind in KINDS.values() if metric in kind.metrics), KINDS["classification"])
