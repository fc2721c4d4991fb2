"""The reader of tagged words: a column of words and a column of their tags, names or ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import Metric
from objectives.metrics.entities import ABSENT, TagsError, entity_f1, tag_accuracy
from optimizer.errors import InputError, listed
from optimizer.tasks.texts.columns import with_columns
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.labels import label_map
from optimizer.tasks.texts.lists import Ids, Spelled, list_of, numbered, spelled_lists
from optimizer.tasks.texts.reader import Names, Rows
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table
from optimizer.tasks.tokens.columns import TAG_GUESSES, WORD_GUESSES
from optimizer.tasks.tokens.examples import TaggedExamples, tagged_examples
from optimizer.tasks.tokens.tagging import Tagging

WORDS, TAGS = "text_columns", "label_column"
OUTSIDE = "O"


class TagReader:
    """`TextReader` of one tag per word."""

    is_split = True

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns. Raises `InputError` for more than one column of words."""
        found = with_columns(source, sheet, texts=WORD_GUESSES, labels=TAG_GUESSES)
        if len(found.text_columns or ()) > 1:
            raise InputError(WORDS, f"names {listed(found.text_columns or ())}; give the one column of words")
        return found

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return words and tag ids of every split, and the names of the tags."""
        (words_column,) = source.text_columns or ("",)
        words = {split: list(_words(sheet, words_column)) for split, sheet in sheets.items()}
        column = str(source.label_column)
        tags = {split: list(spelled_lists(sheet, column, TAGS, what="tag")) for split, sheet in sheets.items()}
        for split, sheet in sheets.items():
            _check_lengths(sheet, column, words[split], tags[split])
        names, ids = numbered(tags, sheets, column)
        return {split: _rows(words[split], tags[split], ids) for split in sheets}, names

    def present(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return the tags that words have."""
        return np.unique(labels[labels != ABSENT])

    def outputs(self, names: Names) -> int:
        """Return one output per tag."""
        return len(names)

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> TaggedExamples:
        """Return the examples."""
        ids = label_map(table.names, names, table.present)
        labels = np.where(table.labels == ABSENT, ABSENT, ids[table.labels.clip(min=0)])
        return tagged_examples(encoder, table, labels, role)

    def task(self, metric: str, names: Names) -> Tagging:
        """Return the task. Raises `InputError` for tags that mark no entities where the metric is of entities."""
        tags = [names[index] for index in sorted(names)]
        return Tagging(_metric(metric, tags), outside=tags.index(OUTSIDE) if OUTSIDE in tags else ABSENT)


def _metric(metric: str, tags: Sequence[str]) -> Metric:
    if metric == "tag-accuracy":
        return tag_accuracy()
    try:
        return entity_f1(tags)
    except TagsError as error:
        remedy = "name the tags B-type, I-type and O, or choose tag-accuracy as `metric`"
        raise InputError(TAGS, f"entities cannot be read from the tags {listed(tags)}: {error}; {remedy}") from error


def _words(sheet: Sheet, column: str) -> Iterator[tuple[str, ...] | None]:
    """Yield the words of every row, None where there are none."""
    for row, value in enumerate(sheet.column(column, WORDS)):
        words = list_of(sheet, row, column, WORDS, value, what="word")
        for word in words or ():
            if not isinstance(word, str) or not word.strip():
                where = sheet.where(row, column)
                raise InputError(WORDS, f"{where}: {word!r:.80} is not a word; write each as a string")
        yield tuple(words) if words else None


def _check_lengths(sheet: Sheet, column: str, words: Sequence[Spelled], tags: Sequence[Spelled]) -> None:
    for row, (some, theirs) in enumerate(zip(words, tags, strict=True)):
        if some and theirs and len(some) != len(theirs):
            counts = f"{len(theirs)} tags for {len(some)} words"
            raise InputError(TAGS, f"{sheet.where(row, column)}: {counts}; give one tag per word")


def _rows(words: list[tuple[str, ...] | None], tags: Sequence[Spelled], ids: Ids) -> Rows:
    width = max((len(row) for row in tags if row), default=1)
    labels = np.full((len(tags), width), ABSENT, dtype=np.int64)
    for place, row in enumerate(tags):
        labels[place, : len(row or ())] = [ids[tag] for tag in row or ()]
    return Rows(texts=words, labels=labels, is_unlabelled=np.array([not row for row in tags], dtype=bool))
