"""Delimited text: csv with quoting as in RFC 4180; tsv as plain lines, or quoted where the whole file is written so.

A stray quote can swallow the rows up to the next one. So each reading is checked against the file's own lines, and a
file that can be read in two ways is refused.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path

from optimizer.errors import InputError
from optimizer.tasks.texts.sheet import Sheet

SEPARATORS = {".csv": ",", ".tsv": "\t"}
LONGEST_FIELD = 2**31 - 1  # characters; the csv module allows 131,072 unless told otherwise
REMEDY = "quote texts that hold a separator, a quote or a line break, and double the quotes inside; or use jsonl"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file in one reading, the header first, without blank lines; `lines` are where they begin."""

    fields: list[list[str]]
    lines: list[int]
    blank: int

    def misfit(self) -> int | None:
        """Return the first row that has more or fewer fields than the header, None where all fit."""
        width = len(self.fields[0])
        return next((row for row, fields in enumerate(self.fields) if len(fields) != width), None)

    def fits(self) -> bool:
        """Whether all rows have as many fields as the header."""
        return self.misfit() is None


def read_delimited(path: Path, text: str) -> Sheet:
    """Return the sheet of a csv or tsv file. Raises `InputError` naming the line that does not fit."""
    separator = SEPARATORS[path.suffix]
    if not text.strip():
        raise InputError("data", f"{path} is empty")
    rows, notes = _csv(path, text) if separator == "," else _tsv(path, text)
    misfit = rows.misfit()
    if misfit is not None:
        raise InputError(
            "data",
            f"{path}, line {rows.lines[misfit]}: has {len(rows.fields[misfit])} fields, the header "
            f"{len(rows.fields[0])}; {REMEDY}",
        )
    header, *body = rows.fields
    if rows.blank:
        notes = (*notes, f"{path.name}: {rows.blank} blank lines were skipped")
    return Sheet(
        name=str(path),
        columns=tuple(header),
        size=len(body),
        read=lambda column: [fields[header.index(column)] for fields in body],
        lines=rows.lines[1:],
        notes=notes,
    )


def _csv(path: Path, text: str) -> tuple[Rows, tuple[str, ...]]:
    quoted = _parsed(path, text, ",", csv.QUOTE_MINIMAL)
    _refuse_two_readings(path, quoted, _parsed(path, text, ",", csv.QUOTE_NONE))
    return quoted, ()


def _tsv(path: Path, text: str) -> tuple[Rows, tuple[str, ...]]:
    plain = _parsed(path, text, "\t", csv.QUOTE_NONE)
    if '"' not in text:
        return plain, ()
    try:
        quoted = _parsed(path, text, "\t", csv.QUOTE_MINIMAL)
    except InputError:
        return plain, (f"{path.name}: quote characters are read as part of the texts",)
    if quoted.fits() and (_is_written_with_quotes(quoted, text) or not plain.fits()):
        _refuse_two_readings(path, quoted, plain)
        return quoted, (f"{path.name}: quote characters are read as quoting",)
    return plain, (f"{path.name}: quote characters are read as part of the texts",)


def _parsed(path: Path, text: str, separator: str, quoting: int) -> Rows:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)  # type: ignore[arg-type]
    fields, lines, blank, begin = [], [], 0, 1
    try:
        for row in reader:
            if row:
                fields.append(row)
                lines.append(begin)
            else:
                blank += 1
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError("data", f"{path}, line {begin}: {error}; {REMEDY}") from error
    return Rows(fields, lines, blank)


def _refuse_two_readings(path: Path, quoted: Rows, plain: Rows) -> None:
    """Raise `InputError` where quotes join lines that are complete rows by themselves.

    They are where every line of the file is one, or where a value inside the quotes stands in its column elsewhere.
    """
    width, all_fit = len(quoted.fields[0]), plain.fits()
    values = [{fields[column] for fields in quoted.fields if len(fields) == width} for column in range(width)]
    for begin, joined in _joined(quoted, plain):
        if all(len(fields) == width for fields in joined) and (all_fit or _is_known(joined, values)):
            raise InputError(
                "data",
                f"{path}, line {begin}: a quote begins here that ends on a later line, yet every line is a complete "
                f"row by itself; {REMEDY}",
            )


def _joined(quoted: Rows, plain: Rows) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield every row that quotes make of several lines: where it begins, and the plain fields of its lines."""
    for begin, end in pairwise([*quoted.lines, plain.lines[-1] + 1]):
        first, last = bisect_left(plain.lines, begin), bisect_left(plain.lines, end)
        if last - first > 1:
            yield begin, plain.fields[first:last]


def _is_known(joined: list[list[str]], values: list[set[str]]) -> bool:
    """Whether a value between the opening and the closing quote is one that other rows have in its column."""
    width = len(values)
    opening = next((i for i, field in enumerate(joined[0]) if field.startswith('"')), width)
    closing = next((i for i, field in reversed([*enumerate(joined[-1])]) if field.endswith('"')), 0)
    inside = [(row, range(width)) for row in joined[1:-1]]
    inside += [(joined[0], range(opening + 1, width)), (joined[-1], range(closing))]
    return any(row[column] in values[column] for row, columns in inside for column in columns)


def _is_written_with_quotes(rows: Rows, text: str) -> bool:
    """Whether a writer that quotes all fields, or those that need it, writes these rows as this very text."""
    return any(_normal(_written(rows, quoting)) == _normal(text) for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))


def _written(rows: Rows, quoting: int) -> str:
    file = StringIO()
    csv.writer(file, delimiter="\t", quoting=quoting, lineterminator="\n").writerows(rows.fields)  # type: ignore[arg-type]
    return file.getvalue()


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").strip("\n")
