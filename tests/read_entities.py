"""Entities read from tags one by one, as a check of the metric that reads them all at once."""

from __future__ import annotations


def entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Read entities from left to right, as conlleval does: (type, first word, last word)."""
    found, start = set(), None
    for place, tag in enumerate([*tags, "O"]):
        before = tags[place - 1] if place else "O"
        goes_on = tag[0] in "IE" and before[0] in "BI" and before[2:] == tag[2:]
        if start is not None and not goes_on:
            found.add((before[2:], start, place - 1))
            start = None
        if tag != "O" and start is None:
            start = place
    return found


def f1(wanted: list[list[str]], found: list[list[str]]) -> float:
    pairs = [(entities(one), entities(other)) for one, other in zip(wanted, found, strict=True)]
    total = sum(len(one) + len(other) for one, other in pairs)
    return 2 * sum(len(one & other) for one, other in pairs) / total if total else 0.0
