"""Labels: the file that a person fills in, written and read back."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from optimizer.certify.answers import Answers, Given, answers_of
from optimizer.certify.ask import Row, rows_of
from optimizer.certify.sequence import Plan
from optimizer.certify.standing import bought_by, give_labels, wanted_rows
from optimizer.errors import InputError
from optimizer.fronts.bought import BATCH, Standing
from optimizer.tasks.texts.files import READERS, read_file
from optimizer.tasks.texts.sheet import Sheet
from search_spaces.files import written_whole
from studies.purchases import Purchase
from studies.records import Study
from studies.store import StudyStore

ID, LABEL = "id", "label"


def refuse_taken(path: Path | None) -> None:
    """Raise `InputError` for a labelling file that exists already."""
    if path is not None and path.exists():
        raise InputError("to", f"{path} exists and may hold labels; give another file")


def write_next(store: StudyStore, study: Study, path: Path | None, *, batch: int = BATCH) -> Path | None:
    """Write a csv file of the rows to label now, those asked before first; return it, None where no row is wanted.

    It has an empty column of labels and shows no model's answer. Without a `path` it is named after the study and the
    first row; such a file is left as it is where it exists, since it has these rows. Raises `InputError` for a `path`
    that exists.
    """
    refuse_taken(path)
    rows = [(row.id, row.text.content) for row in wanted_rows(store, study, batch=batch)]
    return write_rows(rows, Plan.of(bought_by(store, study)[-1]).columns, path, study.slug)


def write_rows(
    rows: Sequence[tuple[str, Sequence[str]]], columns: Sequence[str], path: Path | None, study: str
) -> Path | None:
    """Write (id, texts) rows as `write_next` does."""
    if not rows:
        return None
    found = path or Path(f"{study}-labels-{rows[0][0]}.csv")
    if not found.exists():
        _write(rows, columns, found)
    return found


def take_back(store: StudyStore, study: Study, path: Path) -> Standing:
    """Keep the labels of a filled-in file, and return the standing. Raises `InputError`."""
    return give_labels(store, study, read_labels(path, bought_by(store, study)))


def _write(rows: Sequence[tuple[str, Sequence[str]]], columns: Sequence[str], path: Path) -> None:
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([ID, *_named(columns), LABEL])
        writer.writerows([name, *texts, ""] for name, texts in rows)


def read_labels(path: Path, purchases: Sequence[Purchase]) -> Answers:
    """Return the labels of a filled-in file. Rows without a label may be left out.

    Raises `InputError` naming the row for a text that was changed, an unknown or repeated id, and what is no label.
    """
    sheet = _sheet(path)
    ids, labels = ([_text(value) for value in sheet.column(column, "labels")] for column in (ID, LABEL))
    given = (Given(name, labels[place], sheet.where(place, LABEL)) for place, name in enumerate(ids))
    found = answers_of(given, purchases)
    texts = {row.id: (row, Plan.of(purchase)) for purchase in purchases for row in rows_of(purchase)}
    for place, name in enumerate(ids):
        _check_text(sheet, place, *texts[name])
    return found


def _sheet(path: Path) -> Sheet:
    if path.suffix not in READERS:
        raise InputError("labels", f"{path} is not a file of {', '.join(READERS)}; save it as csv")
    try:
        return read_file(path)
    except InputError as error:
        raise InputError("labels", str(error).removeprefix(f"{error.field}: ")) from error


def _check_text(sheet: Sheet, place: int, row: Row, plan: Plan) -> None:
    for column, text in zip(_named(plan.columns), row.text.content, strict=True):
        if _spaced(_text(sheet.column(column, "labels")[place])) != _spaced(text):
            raise InputError(
                "labels",
                f"{sheet.where(place, column)}: the text was changed; restore {text!r:.80} and fill in labels only",
            )


def _named(columns: Sequence[str]) -> list[str]:
    """Return the columns of texts, with another name where it is that of an own column."""
    return [f"{column} (text)" if column in (ID, LABEL) else column for column in columns]


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _spaced(text: str) -> str:
    return " ".join(text.split())
