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
            raise InputError(WORDS, f"names {listed(found.text_columns or ())}; tagged words are in one column")
        return found

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return words and tag ids of every split, and the names of the tags."""
        (words_column,) = source.text_columns or ("",)
        words = {split: list(_words(sheet, words_column)) for split, sheet in sheets.items()}
        tags = {split: list(_tags(sheet, str(source.label_column))) for split, sheet in sheets.items()}
        for split, sheet in sheets.items():
            _check_lengths(sheet, str(source.label_column), words[split], tags[split])
        names = _names(tags, sheets, str(source.label_column))
        return {split: _rows(words[split], tags[split], names) for split in sheets}, names

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
        words = _listed(sheet, row, column, WORDS, value, "words")
        for word in words or ():
            if not isinstance(word, str) or not word.strip():
                raise InputError(
                    WORDS, f"{sheet.where(row, column)}: {word!r:.80} is not a word; write each as a string"
                )
        yield tuple(words) if words else None


def _tags(sheet: Sheet, column: str) -> Iterator[tuple[str, ...] | None]:
    """Yield the tags of every row as they are spelled, None where there are none."""
    for row, value in enumerate(sheet.column(column, TAGS)):
        tags = _listed(sheet, row, column, TAGS, value, "tags")
        for tag in tags or ():
            is_id = isinstance(tag, int | np.integer) and not isinstance(tag, bool) and tag >= 0
            if not is_id and not (isinstance(tag, str) and tag.strip()):
                what = f"{tag!r:.80} is not a tag; write a name, or an id counted from 0"
                raise InputError(TAGS, f"{sheet.where(row, column)}: {what}")
        if len({isinstance(tag, str) for tag in tags or ()}) > 1:
            raise InputError(TAGS, f"{sheet.where(row, column)}: holds names and ids; use one of them")
        yield tuple(map(str, tags)) if tags else None


def _listed(sheet: Sheet, row: int, column: str, field: str, value: Any, what: str) -> Sequence[Any] | None:
    if value is None or isinstance(value, list | tuple | np.ndarray):
        return None if value is None else list(value)
    raise InputError(
        field,
        f"{sheet.where(row, column)}: holds {value!r:.80}, not a list of {what}; "
        "give parquet or jsonl with lists, or CoNLL files (.conll) with a word and its tag per line",
    )


def _check_lengths(
    sheet: Sheet, column: str, words: Sequence[Sequence[str] | None], tags: Sequence[Sequence[str] | None]
) -> None:
    for row, (some, theirs) in enumerate(zip(words, tags, strict=True)):
        if some and theirs and len(some) != len(theirs):
            raise InputError(TAGS, f"{sheet.where(row, column)}: {len(theirs)} tags for {len(some)} words")


def _names(
    tags: Mapping[str, Sequence[Sequence[str] | None]], sheets: Mapping[str, Sheet], column: str
) -> tuple[str, ...]:
    """Return the names of the tags by id. Raises `InputError` for splits that spell them differently."""
    spelled = {split: {tag for row in rows for tag in row or ()} for split, rows in tags.items()}
    every = set().union(*spelled.values())
    numbers = {split: all(tag.isdecimal() for tag in found) for split, found in spelled.items() if found}
    if len(set(numbers.values())) > 1:
        kinds = ", ".join(f"{sheets[s].name} has {'ids' if is_id else 'names'}" for s, is_id in numbers.items())
        raise InputError(TAGS, f"column {column!r}: {kinds}; use one of them in all splits")
    if not every or not all(numbers.values()):
        return tuple(sorted(every))
    given = next((sheet.label_names[column] for sheet in sheets.values() if column in sheet.label_names), ())
    count = max(map(int, every)) + 1
    if given and count > len(given):
        raise InputError(TAGS, f"column {column!r}: id {count - 1}, but the file names {len(given)} tags")
    return tuple(given) or tuple(map(str, range(count)))


def _rows(words: list[tuple[str, ...] | None], tags: Sequence[Sequence[str] | None], names: Sequence[str]) -> Rows:
    ids = {name: index for index, name in enumerate(names)}
    width = max((len(row) for row in tags if row), default=1)
    labels = np.full((len(tags), width), ABSENT, dtype=np.int64)
    for place, row in enumerate(tags):
        labels[place, : len(row or ())] = [ids[tag] if tag in ids else int(tag) for tag in row or ()]
    return Rows(texts=words, labels=labels, is_unlabelled=np.array([row is None for row in tags], dtype=bool))
