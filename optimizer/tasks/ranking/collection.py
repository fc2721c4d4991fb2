"""Collections: directories as BEIR's, with a corpus, queries, and judgements of both by their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from optimizer.errors import InputError
from optimizer.tasks.texts.files import READERS, read_file
from optimizer.tasks.texts.sheet import Sheet

CORPUS, QUERIES = "corpus", "queries"
ID, TITLE, TEXT = "_id", "title", "text"
JUDGED = {"query-id": QUERIES, "corpus-id": CORPUS}  # columns of judgements
COLUMNS = {"query": "query-id", "document": "corpus-id", "relevance": "score"}


def collection_files(names: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files of corpus and queries among those of a directory, none unless it has both."""
    found = {path.stem: path for path in names.values() if path.stem in (CORPUS, QUERIES) and path.suffix in READERS}
    return found if len(found) == 2 else {}


def judged_sheets(judgements: Mapping[str, Sheet], files: Mapping[str, Path]) -> dict[str, Sheet]:
    """Return judgements with the texts of query and document in place of their ids, and the whole corpus.

    Raises `InputError` for texts without an id, and for ids that are not there, or there twice.
    """
    texts = {name: _texts(read_file(path)) for name, path in files.items()}
    found = {split: _with_texts(sheet, texts) for split, sheet in judgements.items()}
    first = next(iter(found))
    found[first] = replace(found[first], notes=(*found[first].notes, *_notes(texts)))
    return found


def _notes(texts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield how many texts are not told apart from others."""
    corpus, queries = ([*texts[name].values()] for name in (CORPUS, QUERIES))
    if aside := len(corpus) - len({*corpus} - {""}):
        yield f"corpus: {aside} of {len(corpus)} documents without a text, or with that of another, were set aside"
    if shared := len(queries) - queries.count("") - len({*queries} - {""}):
        yield f"queries: {shared} of {len(queries)} have the text of another and share its judgements"


def _texts(sheet: Sheet) -> dict[str, str]:
    """Return the texts by id; a title comes first, joined to its text by a space."""
    texts: dict[str, str] = {}
    titles = sheet.column(TITLE, "data") if TITLE in sheet.columns else [""] * sheet.size
    for row, each in enumerate(zip(sheet.column(ID, "data"), titles, sheet.column(TEXT, "data"), strict=True)):
        key, *parts = each
        for column, part in zip((TITLE, TEXT), parts, strict=True):
            if not isinstance(part, str | None):
                raise InputError("data", f"{sheet.where(row, column)}: holds {part!r:.80}; write the text as a string")
        if key is None or str(key) in texts:
            found = "no id" if key is None else f"the id {key!r} occurs twice"
            raise InputError("data", f"{sheet.where(row, ID)}: {found}; give each text its own")
        texts[str(key)] = " ".join(part for part in parts if part and part.strip())
    return texts


def _with_texts(sheet: Sheet, texts: Mapping[str, Mapping[str, str]]) -> Sheet:
    values = {column: list(sheet.column(column, "data")) for column in COLUMNS.values()}
    for column, name in JUDGED.items():
        for row, key in enumerate(values[column]):
            if str(key) not in texts[name]:
                raise InputError(
                    "data", f"{sheet.where(row, column)}: {key!r} is no id of {name}; add it, or remove the row"
                )
        values[column] = [texts[name][str(key)] for key in values[column]]
    return replace(
        sheet,
        columns=tuple(COLUMNS),
        read=lambda column: values[COLUMNS[column]],
        corpus=tuple(texts[CORPUS].values()),
    )
