"""Tables of rows: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from optimizer.reproduce.rows import Figure, Row

Shown = TypeVar("Shown", bound=Row)


class Column(NamedTuple, Generic[Shown]):
    """A column of a table: its head, and the cell of a row."""

    head: str
    cell: Callable[[Shown], str]


def figure(head: str, name: str, scale: float, digits: int, *, missing: str = "–") -> Column[Any]:
    """Return the column of a figure, mean ± standard deviation over the runs, both times `scale`."""
    return _known(head, name, lambda found: found.written(scale, digits), missing)


def change(head: str, name: str, *, missing: str = "–") -> Column[Any]:
    """Return the column of a mean change against dense, in percent."""
    return _known(head, name, lambda found: f"{found.mean:+.1%}", missing)


def points(head: str, name: str) -> Column[Any]:
    """Return the column of a mean change of accuracy, in points."""
    return _known(head, name, lambda found: f"{100 * found.mean:+.2f}", "–")


def _known(head: str, name: str, write: Callable[[Figure], str], missing: str) -> Column[Any]:
    def cell(row: Row) -> str:
        found: Figure | None = getattr(row, name)
        return missing if found is None else write(found)

    return Column(head, cell)


def markdown(rows: Sequence[Shown], columns: Sequence[Column[Shown]], energy_source: str) -> str:
    """Return one table, the source of energies in the heads of their columns."""
    heads = [f"{column.head} ({energy_source})" if "J" in column.head else column.head for column in columns]
    lines = [heads, ["---"] * len(columns), *([column.cell(row) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def listed(sentences: Iterable[str]) -> str:
    """Return sentences as a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def comma_separated(rows: Sequence[Shown], published: Callable[[Shown], str]) -> str:
    """Return every field of every row but its epochs, batches and curve; deviations have columns."""
    return csv_of([_flat(row) | {"published": published(row)} for row in rows])


def csv_of(lines: Sequence[Mapping[str, object]]) -> str:
    """Return lines as CSV; a field that a line lacks is empty."""
    text = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _flat(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.model_dump(exclude={"epochs", "batches", "training_curve", "published"}).items():
        flat |= (
            {f"{name}_{part}": number for part, number in value.items()} if isinstance(value, dict) else {name: value}
        )
    return flat
