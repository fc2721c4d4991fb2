"""What can be said over all data sets and models alone: tallies, comparisons of rows, and the best that was saved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from objectives.repeats import student_half_width
from optimizer.reproduce.agreement import mean_of
from optimizer.reproduce.images.preset import QUANTITIES, Best, Comparison, ImagePreset, Side, Tally
from optimizer.reproduce.images.rows import ImageRow
from optimizer.reproduce.images.sentences import value_of
from optimizer.reproduce.rows import Figure

Pair = tuple[ImageRow, ImageRow]


def sentences_together(preset: ImagePreset, rows: Sequence[ImageRow]) -> tuple[str, ...]:
    """Return the sentences over the rows of all data sets and models, and what is published of no row."""
    return (
        *(sentence for tally in preset.tallies for sentence in _on_tally(tally, rows)),
        *(sentence for comparison in preset.comparisons for sentence in _on_comparison(comparison, rows)),
        *(sentence for best in preset.best for sentence in _on_best(best, rows)),
        *(f"Of the paper: {remark.text} ({remark.where})." for remark in preset.remarks),
    )


def _on_tally(tally: Tally, rows: Sequence[ImageRow]) -> Iterator[str]:
    about = [row for row in rows if tally.is_about(row.configuration)]
    cases = [(found, row.runs) for row in about if (found := value_of(row, tally.metric)) is not None]
    if cases:
        quantity, held = QUANTITIES[tally.metric], sum(tally.holds(mean_of(found)) for found, _ in cases)
        shown = sum(_is_shown(tally, found, runs) for found, runs in cases)
        yield (
            f"`{', '.join(tally.configurations)}`, over {_places(about)}: {quantity.words} {quantity.claimed(tally)} "
            f"in {held} of {len(cases)} cases ({held / len(cases):.0%}), by the whole interval over the runs in "
            f"{shown} (what counts as comparable is our reading); published: comparable or better in "
            f"{tally.cases} of {tally.of} ({tally.cases / tally.of:.0%}, {tally.where}).{_after(tally.note)}"
        )


def _is_shown(tally: Tally, found: Figure | float, runs: int) -> bool:
    """Return whether a bound holds of the whole interval, and not of a mean that noise may have put there."""
    ends = found.interval(runs) if isinstance(found, Figure) else (mean_of(found),)
    return ends is not None and all(map(tally.holds, ends))


def _on_comparison(comparison: Comparison, rows: Sequence[ImageRow]) -> Iterator[str]:
    pairs = pairs_of(comparison, rows)
    if pairs:
        below = [mean_of(_value(low, comparison)) < mean_of(_value(high, comparison)) for low, high in pairs]
        sides = [_ends(comparison, pair) for pair in pairs]
        yield (
            f"{QUANTITIES[comparison.metric].words} of {_words(comparison.lower)} below that of "
            f"{_words(comparison.higher)}: in {sum(below)} of {len(pairs)} pairs, by the interval of the difference in "
            f"{sum(ends is not None and ends[1] < 0 for ends in sides)}, reversed by it in "
            f"{sum(ends is not None and ends[0] > 0 for ends in sides)}{_without(sides)}; published: in all "
            f"({comparison.where})."
        )


def _without(sides: Sequence[tuple[float, float] | None]) -> str:
    missing = sum(ends is None for ends in sides)
    return f" ({missing} without an interval)" if missing else ""


def _on_best(best: Best, rows: Sequence[ImageRow]) -> Iterator[str]:
    about = [row for row in rows if row.model in best.models and _is_about(best, row)]
    found = [(mean_of(value), row) for row in about if (value := value_of(row, best.metric)) is not None]
    if found:
        quantity, (value, row) = QUANTITIES[best.metric], min(found, key=lambda each: each[0])
        yield (
            f"{quantity.words} at best: published {quantity.show(best.value)} ({best.where}); here "
            f"{quantity.show(value)}, of {row.configuration}, the lowest of {len(found)} means (a lowest one of noise "
            "alone is below zero too)."
        )


def pairs_of(comparison: Comparison, rows: Sequence[ImageRow]) -> list[Pair]:
    """Return the pairs of rows, lower side first, that a comparison is about."""
    within = [row for row in rows if _is_within(comparison, row)]
    lower, higher = comparison.lower, comparison.higher
    return [
        (low, high)
        for low in within
        for high in within
        if low is not high and _is_on(lower, low) and _is_on(higher, high) and _is_paired(comparison, low, high)
    ]


def _is_within(comparison: Comparison, row: ImageRow) -> bool:
    return row.dataset not in comparison.exempt and (not comparison.datasets or row.dataset in comparison.datasets)


def _is_on(side: Side, row: ImageRow) -> bool:
    is_there = side.dataset in (None, row.dataset) and side.model in (None, row.model)
    return is_there and _stars(side.configuration, row.configuration) is not None


def _is_paired(comparison: Comparison, low: ImageRow, high: ImageRow) -> bool:
    lower, higher = comparison.lower, comparison.higher
    names_datasets, names_models = lower.dataset or higher.dataset, lower.model or higher.model
    if (not names_datasets and low.dataset != high.dataset) or (not names_models and low.model != high.model):
        return False
    ours, theirs = _stars(lower.configuration, low.configuration), _stars(higher.configuration, high.configuration)
    return not ours or not theirs or ours == theirs


def _stars(pattern: str, label: str) -> tuple[str, ...] | None:
    """Return what each `*` of a pattern stands for in a label, None where it does not match."""
    found = re.fullmatch("(.*)".join(map(re.escape, pattern.split("*"))), label)
    return None if found is None else found.groups()


def _ends(comparison: Comparison, pair: Pair) -> tuple[float, float] | None:
    """Return a conservative 95 % interval of lower minus higher: the smaller number of runs gives the freedom.

    Counted values differ exactly; None for a value of a single run, and for one made of several means.
    """
    low, high = (_value(row, comparison) for row in pair)
    gap, runs = mean_of(low) - mean_of(high), min(row.runs for row in pair)
    if isinstance(low, int) and isinstance(high, int):
        return gap, gap
    if not isinstance(low, Figure) or not isinstance(high, Figure):
        return None
    if low.deviation is None or high.deviation is None or runs < 2:
        return None
    variances = (figure.deviation**2 / row.runs for figure, row in zip((low, high), pair, strict=True))  # type: ignore[operator]  # neither is None
    half = student_half_width((sum(variances) * runs) ** 0.5, runs)
    return gap - half, gap + half


def _value(row: ImageRow, comparison: Comparison) -> Figure | float:
    found = value_of(row, comparison.metric)
    if found is None:
        raise ValueError(f"{comparison.metric} is no metric to compare rows by")
    return found


def _is_about(best: Best, row: ImageRow) -> bool:
    return any(fnmatchcase(row.configuration, pattern) for pattern in best.configurations)


def _words(side: Side) -> str:
    named = [part for part in (side.model, side.dataset) if part]
    labels = [] if named and side.configuration == "*" else [f"`{side.configuration}`"]
    return " ".join([*named, *labels])


def _places(rows: Sequence[ImageRow]) -> str:
    return ", ".join(dict.fromkeys(f"{row.model} on {row.dataset}" for row in rows))


def _after(note: str) -> str:
    return f" {note}" if note else ""
