"""CoNLL files: a word per line with its tag in the last column, and an empty line between sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from optimizer.errors import InputError
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.tokens.columns import TAG_GUESSES, WORD_GUESSES

DOCUMENT = "-DOCSTART-"
Line = tuple[int, list[str]]  # its number and its fields


def read_conll(path: Path, text: str) -> Sheet:
    """Return words and tags of every sentence. Raises `InputError` for lines without a word and a tag."""
    sentences = list(_sentences(path, text))
    columns = {
        WORD_GUESSES[0]: [[fields[0] for _, fields in sentence] for sentence in sentences],
        TAG_GUESSES[0]: [[fields[-1] for _, fields in sentence] for sentence in sentences],
    }
    return Sheet(
        name=str(path),
        columns=tuple(columns),
        size=len(sentences),
        read=columns.__getitem__,
        lines=[sentence[0][0] for sentence in sentences],
    )


def _sentences(path: Path, text: str) -> Iterator[list[Line]]:
    sentence: list[Line] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        fields = _fields(line)
        if fields and fields[0] == DOCUMENT:
            continue
        if fields:
            _check(path, number, fields, sentence)
            sentence.append((number, fields))
        elif sentence:
            yield sentence
            sentence = []


def _fields(line: str) -> list[str]:
    """Return the fields of a line: between tabs where it has any, else between blanks."""
    line = line.rstrip("\r")
    return [field.strip(" ") for field in line.split("\t")] if line.strip() and "\t" in line else line.split()


def _check(path: Path, number: int, fields: list[str], sentence: list[Line]) -> None:
    if len(fields) < 2 or not all((fields[0], fields[-1])):
        raise InputError("data", f"{path}, line {number}: needs a word and its tag, got {' '.join(fields)!r:.80}")
    if sentence and len(sentence[0][1]) != len(fields):
        first, wanted = sentence[0][0], len(sentence[0][1])
        counts = f"has {len(fields)} fields, line {first} has {wanted}"
        raise InputError("data", f"{path}, line {number}: {counts}; write the same columns in every line")
