"""Groups: every pruned model with the unpruned one that it comes from, as the user, a table or the names say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.analysis.sources.source import Entry
from optimizer.errors import InputError, listed

REMEDY = "give `parent`, or a column of that name in `manifest`"


@dataclass(frozen=True, slots=True)
class Group:
    """An unpruned model, and those that were pruned from it, by distribution, then the most complete first."""

    parent: Entry
    models: tuple[Entry, ...]


def grouped(entries: Sequence[Entry], parent: str | None) -> list[Group]:
    """Return the groups; `parent` is the place of the one unpruned model where the user named it.

    Raises `InputError` where a model has no unpruned one, or several.
    """
    found: dict[str, list[Entry]] = {}
    places = {entry.place: entry for entry in entries} | {entry.name: entry for entry in entries}
    parents = {}
    for entry in entries:
        if entry.facts.is_unpruned or entry.place == parent:
            continue
        own = _parent_of(entry, entries, places, parent)
        parents[own.name] = own
        found.setdefault(own.name, []).append(entry)
    if not found:
        raise InputError("models", "there are only unpruned models; give some that were pruned")
    return [Group(parents[name], tuple(sorted(models, key=_order))) for name, models in found.items()]


def _parent_of(entry: Entry, entries: Sequence[Entry], places: dict[str, Entry], parent: str | None) -> Entry:
    told = entry.parent or parent
    if told is not None:
        if told not in places or places[told] is entry:
            raise InputError("parent", f"{told}, the unpruned model of {entry.name}, is not among the models; add it")
        return places[told]
    unpruned = [each for each in entries if each.facts.is_unpruned]
    same = [each for each in unpruned if each.facts.origin == entry.facts.origin]
    candidates = same or ([] if any(entry.facts.origin) else unpruned)
    if not candidates:
        raise InputError("parent", f"nothing says which unpruned model {entry.name} comes from; {REMEDY}")
    if len(candidates) > 1:
        names = listed([each.name for each in candidates])
        raise InputError("parent", f"{entry.name} may come from any of {names}; {REMEDY}")
    return candidates[0]


def _order(entry: Entry) -> tuple[str, str, float, str]:
    facts = entry.facts
    return facts.method, facts.distribution, facts.ratio if facts.ratio is not None else 0.0, entry.name
