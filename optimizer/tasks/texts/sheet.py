"""A sheet: the columns of one split exactly as in its source, and the place of each row there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.errors import InputError, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One split as it was written. `read` returns the values of a column, `(size,)`; `lines`: `(size,)`, from 1.

    `places` name the rows where they have no line or number. `name` is that of the file or split. `notes` say how the
    file was read, where there was a choice.
    """

    name: str
    columns: tuple[str, ...]
    size: int
    read: Callable[[str], Sequence[Any]]  # Any: the source's values
    lines: Sequence[int] | None = None
    places: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    label_names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by column, where the source has them
    corpus: Sequence[str] = ()  # documents that no row needs to name

    def column(self, name: str, field: str) -> Sequence[Any]:
        """Return a column's values. Raises `InputError` for `field` unless the name occurs exactly once."""
        match self.columns.count(name):
            case 1:
                return self.read(name)
            case 0:
                there = ", ".join(map(repr, self.columns))
                raise InputError(field, f"no column {name!r} in {self.name}; the data have {there}")
            case count:
                raise InputError(field, f"{self.name} has {count} columns named {name!r}; rename all but one")

    def where(self, row: int, column: str) -> str:
        """Return the place of a value in words; rows count from 1, without the header."""
        numbered = f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"
        place = numbered if self.places is None else self.places[row]
        return f"{self.name}, {place}, column {column!r}"


def given_names(sheets: Iterable[Sheet], column: str) -> tuple[str, ...]:
    """Return the names that the splits give to the ids in a column, none where there are none.

    Raises `InputError` for splits that name them differently.
    """
    given = {sheet.name: tuple(sheet.label_names[column]) for sheet in sheets if column in sheet.label_names}
    if len(set(given.values())) > 1:
        kinds = "; ".join(f"{name} names {listed(names)}" for name, names in given.items())
        raise InputError("label_column", f"column {column!r}: {kinds}; name the ids alike in all splits")
    return next(iter(given.values()), ())


def sheet_of_dataset(name: str, table: Any) -> Sheet:  # Any: `datasets` is untyped
    """Return the sheet of a table of the datasets library, with the names of its class labels."""
    columns = table.with_format("arrow")[:].to_pydict()
    features = {column: getattr(feature, "feature", feature) for column, feature in table.features.items()}
    names = {column: inner.names for column, inner in features.items() if hasattr(inner, "names")}
    return Sheet(name=name, columns=tuple(columns), size=table.num_rows, read=columns.__getitem__, label_names=names)


def sheet_of(name: str, columns: Mapping[str, Sequence[Any]]) -> Sheet:
    """Return the sheet of columns that are in memory. Raises `InputError` for columns of different lengths."""
    sizes = {column: len(values) for column, values in columns.items()}
    if len(set(sizes.values())) > 1:
        raise InputError("data", f"{name} has columns of different lengths: {sizes}; give a value per row in each")
    return Sheet(name=name, columns=tuple(columns), size=max(sizes.values()), read=columns.__getitem__)
