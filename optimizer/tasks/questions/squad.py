"""SQuAD's JSON layout: articles of paragraphs, each a context with its questions; one row per question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from optimizer.errors import InputError
from optimizer.tasks.questions.columns import ANSWERS, CONTEXT, QUESTION
from optimizer.tasks.texts.sheet import Sheet

LAYOUT = '{"data": [{"paragraphs": [{"context": …, "qas": [{"question": …, "answers": […]}]}]}]}'


class _Row(NamedTuple):
    place: str
    question: Any  # Any: JSON data, as are the others
    context: Any
    answers: Any


def read_squad(path: Path, content: dict[str, Any]) -> Sheet:
    """Return the questions of a file. Raises `InputError` for another layout, and for `is_impossible` with answers."""
    rows = list(_rows(path, content))
    columns = {
        QUESTION: [row.question for row in rows],
        CONTEXT: [row.context for row in rows],
        ANSWERS: [row.answers for row in rows],
    }
    return Sheet(
        name=str(path),
        columns=tuple(columns),
        size=len(rows),
        read=columns.__getitem__,
        places=[row.place for row in rows],
    )


def _rows(path: Path, content: dict[str, Any]) -> Iterator[_Row]:
    for a, article in _numbered(path, content, "data", ""):
        for p, paragraph in _numbered(path, article, "paragraphs", f"article {a}"):
            for q, asked in _numbered(path, paragraph, "qas", f"article {a}, paragraph {p}"):
                place = f"article {a}, paragraph {p}, question {q}"
                _check_impossible(path, place, asked)
                yield _Row(place, asked.get("question"), paragraph.get("context"), asked.get("answers"))


def _numbered(path: Path, holder: dict[str, Any], key: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of the list that a holder has under a key, numbered from 1."""
    found = holder.get(key)
    for number, each in enumerate(found if isinstance(found, list) else [found], start=1):
        if not isinstance(each, dict):
            where = ", ".join(part for part in (str(path), place) if part)
            raise InputError("data", f"{where}: {key!r} must be a list of objects; SQuAD's layout is {LAYOUT}")
        yield number, each


def _check_impossible(path: Path, place: str, asked: dict[str, Any]) -> None:
    said = asked.get("is_impossible")
    if isinstance(said, bool) and isinstance(asked.get("answers"), list) and said == bool(asked["answers"]):
        found = "has answers" if said else "has none"
        remedy = "set it to true where a question has no answer, and to false elsewhere"
        raise InputError("data", f"{path}, {place}: is_impossible is {str(said).lower()} and it {found}; {remedy}")
