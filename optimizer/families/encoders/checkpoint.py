"""Checkpoint: a saved text encoder, inspected without loading, and refused by name if it cannot be read as written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from optimizer.errors import InputError, alternatives
from optimizer.families.encoders.saved import check_directory
from optimizer.families.encoders.weights import Stored, check_float, stored_tensors
from optimizer.spec import MAX_LENGTH, StudySpec
from optimizer.tasks.embeddings.pooling import MODULES
from optimizer.tasks.table import KINDS, Head, Kind, trained_head
from search_spaces.layouts.rows import ROWS, Row, architectures

POSITIONS = "embeddings.position_embeddings.weight"
TYPES = "embeddings.token_type_embeddings.weight"
ROBERTA_PAD = 1  # transformers' default


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint on this machine, inspected but not loaded."""

    name: str
    directory: Path
    model_type: str
    config: Mapping[str, Any]  # Any: JSON data
    tensors: Mapping[str, Stored]
    head: Head = KINDS["classification"].head  # that a task asks for

    @property
    def row(self) -> Row:
        """Where its architecture keeps its parts."""
        return ROWS[self.model_type]

    @property
    def has_head(self) -> bool:
        """Whether it holds a trained head of the kind that the task asks for."""
        if not self.head.kind:
            return True
        return self.head_weight is not None and self.trained_for in (None, self.head.kind)

    @property
    def head_weight(self) -> str | None:
        """The tensor by which a head of that kind is known, None where there is none."""
        return next((name for name in self.head.weights or (self.row.classifier,) if name in self.tensors), None)

    @property
    def trained_for(self) -> str | None:
        """The kind of head that its architecture names, or its weights: TokenClassification, …; None without one."""
        told = self.config.get("architectures")
        answers_questions = not told and any(name.startswith("qa_outputs.") for name in self.tensors)
        return "QuestionAnswering" if answers_questions else trained_head(told)

    @property
    def kind(self) -> str | None:
        """The kind of task that its head is for; similarity for embeddings, None for an encoder alone."""
        if not self.trained_for and (self.directory / MODULES).exists():
            return "similarity"
        if not self.has_head and self.trained_for in (None, self.head.kind):
            return None
        fits = [kind for kind in KINDS.values() if kind.head.kind == (self.trained_for or self.head.kind)]
        return next((kind.name for kind in fits if kind.head.answers in ("", self.answers)), None)

    def asked(self, kind: Kind) -> Checkpoint:
        """Return the checkpoint as a task of that kind asks it. Raises `InputError` for a head of another kind."""
        asked = replace(self, head=kind.head)
        if self.trained_for not in (None, kind.head.kind):
            raise InputError(
                "model",
                f"{self.name} is a {self.class_name}, whose head is not for {kind.name}; "
                f"{_fitting(str(self.trained_for))}, or the encoder without its head, which gets a new one",
            )
        if asked.has_head and kind.head.kind:
            _check_head(asked)
        return asked

    @cached_property
    def label_names(self) -> dict[int, str]:
        """The label names by id."""
        return label_names(self.config)

    @property
    def outputs(self) -> int:
        """The number of outputs of the head."""
        return len(self.label_names)

    @property
    def answers(self) -> str:
        """What a head for whole texts answers with; scores where it has one output or says so."""
        problem = self.config.get("problem_type")
        if problem == "multi_label_classification":
            return "several labels per text"
        return "scores" if self.outputs == 1 or problem == "regression" else "classes"

    @property
    def words(self) -> int:
        """The number of token ids that are read: more than rows, where an export lost the rows of some."""
        mapped = [tensor.shape[0] for name, tensor in self.tensors.items() if name.endswith(".token_rows")]
        if mapped:
            return mapped[0]
        return self._rows(self.row.words)

    @property
    def longest(self) -> int:
        """The most tokens of a text; some architectures number positions from behind the padding id."""
        if not any(name.endswith(POSITIONS) for name in self.tensors):
            return int(self.config.get("max_position_embeddings") or MAX_LENGTH)
        if not self.row.positions_follow_padding:
            return self._rows(POSITIONS)
        padding = self.config.get("pad_token_id")
        return self._rows(POSITIONS) - (ROBERTA_PAD if padding is None else int(padding)) - 1

    @property
    def tells_parts(self) -> bool:
        """Whether the model distinguishes the two texts of a pair by their token types."""
        return any(name.endswith(TYPES) and tensor.shape[0] > 1 for name, tensor in self.tensors.items())

    @property
    def notes(self) -> list[str]:
        """What of the directory is not used."""
        notes = []
        if self.head.kind and not self.trained_for and (self.directory / MODULES).exists():
            notes.append(
                f"{self.name} is a sentence-transformers model: its encoder is taken, its pooling and what follows it "
                "(modules.json) are not used"
            )
        if not self.trained_for and re.search(r"For[A-Z]", self.class_name):
            notes.append(f"{self.name} is a {self.class_name}: its encoder is taken, its head is not used")
        return notes

    @property
    def class_name(self) -> str:
        """The class that it was saved by, as far as its config.json names it."""
        return str(next(iter(self.config.get("architectures") or ()), f"model for {self.trained_for}"))

    def _rows(self, name: str) -> int:
        shapes = [tensor.shape for stored, tensor in self.tensors.items() if stored.endswith(name)]
        if not shapes:
            raise InputError("model", f"{self.directory} has no tensor {name!r}; save the whole model again")
        return shapes[0][0]


def label_names(config: Mapping[str, Any]) -> dict[int, str]:
    """Return the label names of a configuration by id, as transformers writes them; LABEL_0, … where it has none.

    Raises `InputError` for names that do not number the labels from 0, each its own.
    """
    given = _given_names(config)
    names = given or {index: f"LABEL_{index}" for index in range(int(config.get("num_labels") or 2))}
    if sorted(names) != list(range(len(names))) or len(set(names.values())) != len(names):
        raise InputError(
            "model",
            f"id2label in config.json must number the labels from 0, each with a name of its own: {given}",
        )
    return dict(sorted(names.items()))


def inspect_checkpoint(name: str, directory: Path) -> Checkpoint:
    """Inspect a directory without loading weights. Raises `InputError` for what cannot be pruned or must not be run."""
    config = check_directory(directory, architectures("tokens"))
    model_type = str(config["model_type"])
    checkpoint = Checkpoint(
        name=name, directory=directory, model_type=model_type, config=config, tensors=stored_tensors(directory)
    )
    check_float(checkpoint.tensors)
    if checkpoint.has_head:
        _check_head(checkpoint)
    return checkpoint


def check_lengths(checkpoint: Checkpoint, spec: StudySpec) -> int:
    """Return the tokens that a text is cut to: `max_length`, whose default is capped at the model's own limit.

    Raises `InputError` for texts or requests longer than the model has positions for.
    """
    asked = {"max_length": spec.max_length, "sequence_length": spec.sequence_length or 0}
    if spec.max_length == MAX_LENGTH:
        asked["max_length"] = 0
    further = (("further_lengths", tokens) for tokens in spec.further_lengths)
    for option, tokens in (*asked.items(), *further):
        if tokens > checkpoint.longest:
            raise InputError(
                option,
                f"must be at most {checkpoint.longest}, the most tokens that {checkpoint.name} reads; got {tokens}",
            )
    return min(spec.max_length, checkpoint.longest)


def _check_head(checkpoint: Checkpoint) -> None:
    rows = checkpoint.tensors[str(checkpoint.head_weight)].shape[0]
    if rows != checkpoint.outputs:
        raise InputError(
            "model", f"config.json names {checkpoint.outputs} labels, the head has {rows} outputs; correct id2label"
        )


def _fitting(head: str) -> str:
    """Return what to give for a head of that kind."""
    fits = [kind for kind in KINDS.values() if kind.head.kind == head]
    if not fits:
        return "no task here asks for such a head; give another model"
    return f"give data for {alternatives([kind.name for kind in fits])}"


def _given_names(config: Mapping[str, Any]) -> dict[int, str]:
    try:
        if names := config.get("id2label"):
            return {int(index): str(name) for index, name in names.items()}
        return {int(index): str(name) for name, index in (config.get("label2id") or {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError("model", f"id2label in config.json cannot be read: {error}") from error
