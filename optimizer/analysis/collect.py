"""Collect: the models that a user names, by directory, pattern, study or table, without opening any.

Of a graph it is read which files hold its weights.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from optimizer.analysis.facts import Facts, facts_of
from optimizer.analysis.manifest import Row, read_manifest
from optimizer.analysis.sources.graphs import Graphs, files_of
from optimizer.analysis.sources.source import Described, Entry
from optimizer.analysis.sources.table import source_of
from optimizer.errors import InputError

FindStudy = Callable[[str, Described], Sequence[Entry] | None]  # the models of a study, None for another name
FORMS = "an export, a Hugging Face folder, an ONNX file or a file of weights"


def collected(
    named: Sequence[str], described: Described, *, table: Path | None, parent: Path | None, find_study: FindStudy
) -> list[Entry]:
    """Return the models of all names, each once. Raises `InputError` for a name that stands for none."""
    found = [entry for name in named for entry in _of_name(name, described, find_study)]
    if table is not None:
        found += _of_table(table, described)
    if parent is not None:
        found.append(_of_parent(parent, found, described))
    whole = list({(each.place, each.name): each for each in found}.values())
    return _distinct(whole)


def _of_name(name: str, described: Described, find_study: FindStudy) -> list[Entry]:
    place = Path(name)
    if place.exists():
        return _of_place(place, described)
    matched = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    if matched:
        entries = [entry for each in matched for entry in _at(Path(each), described)]
        if not entries:
            raise InputError("models", f"nothing that {name} matches is {FORMS}")
        return entries
    members = find_study(name, described)
    if members is None:
        raise InputError("models", f"{name!r} is no file, no directory, no pattern that matches, and no stored study")
    return list(members)


def _of_place(place: Path, described: Described) -> list[Entry]:
    """Return the model that a place is, else those that a directory holds."""
    found = [*_at(place, described)] or [
        entry for inner in (sorted(place.iterdir()) if place.is_dir() else ()) for entry in _at(inner, described)
    ]
    if not found:
        raise InputError("models", f"{place} is not {FORMS}, nor a directory with some")
    return found


def _at(place: Path, described: Described, facts: Facts | None = None) -> Iterator[Entry]:
    source = source_of(place)
    if source is not None:
        stem = place.stem if place.is_file() else place.resolve().name
        load = partial(source.load, place, described)
        stamp, size = _written(place)
        yield Entry(
            name=stem,
            place=str(place.resolve()),
            source=source.name,
            facts=facts or facts_of(stem),
            load=load,
            stamp=stamp,
            size=size,
        )


def _written(place: Path) -> tuple[str, int]:
    """Return what changes with the files of a model, and their bytes; weights beside a graph are among them."""
    own = [each.stat() for each in (place, *place.rglob("*")) if each.is_file()]
    beside = [each.stat() for each in files_of(place)[1:]] if Graphs().takes(place) else []
    size = sum(each.st_size for each in (*own, *beside))
    dates = max(each.st_mtime_ns for each in own), *(each.st_mtime_ns for each in beside)
    return "-".join(map(str, (size, *dates))), size


def _of_table(table: Path, described: Described) -> list[Entry]:
    rows = read_manifest(table)
    found = [entry for place in _only_parents(rows) for entry in _at(place, described, Facts(is_unpruned=True))]
    for row in rows:
        own = replace(described, inputs=row.inputs) if row.inputs else described
        entries = [*_at(row.place, own, row.facts)]
        if not entries:
            raise InputError("manifest", f"{row.place} is not {FORMS}")
        found += [
            replace(entry, parent=str(row.parent) if row.parent else None, metric=row.metric) for entry in entries
        ]
    return found


def _only_parents(rows: Sequence[Row]) -> list[Path]:
    """Return the unpruned models that have no row of their own."""
    places = {row.place for row in rows}
    return [place for place in dict.fromkeys(row.parent for row in rows) if place is not None and place not in places]


def _of_parent(parent: Path, entries: Sequence[Entry], described: Described) -> Entry:
    """Return the unpruned model that the user names for all."""
    place = str(parent.resolve())
    own = next((entry for entry in entries if entry.place == place), None) or next(_at(parent, described), None)
    if own is None:
        raise InputError("parent", f"{parent} is not {FORMS}")
    return replace(own, facts=own.facts.model_copy(update={"is_unpruned": True}))


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """Return the models, those of one name called by their directory and their whole name, or by their path."""
    longer: tuple[Callable[[Entry], str], ...] = (_with_directory, lambda entry: entry.place)
    for name in longer:
        counts = Counter(entry.name for entry in entries)
        entries = [each if counts[each.name] == 1 else replace(each, name=name(each)) for each in entries]
    return list(entries)


def _with_directory(entry: Entry) -> str:
    return "/".join(Path(entry.place).parts[-2:])
