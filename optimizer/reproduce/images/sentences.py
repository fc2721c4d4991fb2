"""In plain sentences what holds of what was published, what does not, and what the figures can and cannot mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.reproduce.images.claims import Tally
from optimizer.reproduce.images.compare import HOLDS, REVERSED, Difference
from optimizer.reproduce.images.masked import on_masks
from optimizer.reproduce.images.preset import Preset
from optimizer.reproduce.images.quantities import QUANTITIES, agrees, in_words, is_within, measured
from optimizer.reproduce.images.rows import Row

NO_VALIDATION = "validated after each epoch on the test images, for want of others (as the paper does with VisA)"


def sentences(preset: Preset, rows: Sequence[Row], found: Sequence[Difference]) -> tuple[str, ...]:
    """Return the sentences of one data set and model.

    A measured change, time, energy or loss agrees with a published one when it is within a quarter of it, a change
    also within one point; an accuracy when it is within three.
    """
    return (
        *_on_scale(preset, rows[0]),
        *_on_all_orders(found),
        *(_on_order(difference) for difference in found),
        *(sentence for row in rows for sentence in _on_published(row)),
        *(sentence for tally in preset.tallies for sentence in _on_tally(tally, rows)),
        *on_masks(preset, rows),
        *(f"Also published: {remark.text} ({remark.where})." for remark in preset.remarks),
    )


def _on_scale(preset: Preset, row: Row) -> Iterator[str]:
    if row.dataset not in preset.datasets:
        yield f"The paper says nothing of {row.dataset}; its values are of {', '.join(preset.datasets)}."
    paper = preset.scales.get("paper")
    if paper is not None and (row.runs < paper.runs or len(row.epochs) < paper.epochs):
        yield (
            f"This is not the paper's scale: {row.runs} run{'s' * (row.runs > 1)} of {len(row.epochs)} epochs on "
            f"{row.training_examples:,} images, where the paper has {paper.runs} of {paper.epochs} on all of them."
        )
    if preset.validates_epochs:
        validated = f"validated on {row.validation_examples:,} others" if row.validation_examples else NO_VALIDATION
        yield f"Trained on {row.training_examples:,} images, {validated}, tested on {row.test_examples:,}."


def _on_all_orders(found: Sequence[Difference]) -> Iterator[str]:
    for approach, against in dict.fromkeys((difference.approach, difference.against) for difference in found):
        verdicts = [each.verdict for each in found if (each.approach, each.against) == (approach, against)]
        yield (
            f"Accuracy of {approach} against {against}: the published order ({approach} above) is shown in "
            f"{verdicts.count(HOLDS)} of {len(verdicts)} pairs, reversed in {verdicts.count(REVERSED)}."
        )


def _on_order(difference: Difference) -> str:
    lower, upper = difference.lower, difference.upper
    interval = "" if lower is None or upper is None else f" [{_points(lower)}, {_points(upper)}]"
    runs = f"{difference.runs} run{'s' * (difference.runs > 1)}"
    return (
        f"{difference.above} minus {difference.below} ({difference.against}): {_points(difference.mean)}{interval} "
        f"points of accuracy over {runs}; {difference.verdict}."
    )


def _on_published(row: Row) -> Iterator[str]:
    for published in row.published:
        quantity, value = QUANTITIES[published.metric], measured(row, published.metric)
        said = in_words(published.metric, published.value, published.at_least, published.at_most)
        yield (
            f"{row.configuration}: {quantity.words} {quantity.show(value)}, published {said} ({published.where}); "
            f"ours {'agrees' if agrees(published, value) else 'disagrees'}."
        )


def _on_tally(tally: Tally, rows: Sequence[Row]) -> Iterator[str]:
    values = [measured(row, tally.metric) for row in rows if tally.is_about(row.configuration)]
    if values:
        held = sum(is_within(value, tally.at_least, tally.at_most) for value in values)
        yield (
            f"`{tally.configuration}`: {QUANTITIES[tally.metric].words} "
            f"{in_words(tally.metric, None, tally.at_least, tally.at_most)} in {held} of {len(values)} cases here; "
            f"published: comparable or better in {tally.cases} of {tally.of} ({tally.where})."
        )


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
