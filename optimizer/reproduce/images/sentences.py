"""In plain sentences what holds of what was published, what does not, and what the figures can and cannot mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.reproduce.images.masked import on_masks
from optimizer.reproduce.images.preset import QUANTITIES, ImagePreset, Tally
from optimizer.reproduce.images.rows import HOLDS, REVERSED, ImageRow, OrderDifference
from optimizer.reproduce.rows import Figure

NO_VALIDATION = "validated after each epoch on the test images, for want of others (as the paper does with VisA)"


def sentences(preset: ImagePreset, rows: Sequence[ImageRow], found: Sequence[OrderDifference]) -> tuple[str, ...]:
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


def _on_scale(preset: ImagePreset, row: ImageRow) -> Iterator[str]:
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


def _on_all_orders(found: Sequence[OrderDifference]) -> Iterator[str]:
    for approach, against in dict.fromkeys((difference.approach, difference.against) for difference in found):
        verdicts = [each.verdict for each in found if (each.approach, each.against) == (approach, against)]
        yield (
            f"Accuracy of {approach} against {against}: the published order ({approach} above) is shown in "
            f"{verdicts.count(HOLDS)} of {len(verdicts)} pairs, reversed in {verdicts.count(REVERSED)}."
        )


def _on_order(difference: OrderDifference) -> str:
    runs = f"{difference.runs} run{'s' * (difference.runs > 1)}"
    return (
        f"{difference.above} minus {difference.below} ({difference.against}): {difference.in_points} points of "
        f"accuracy over {runs}; {difference.verdict}."
    )


def _on_published(row: ImageRow) -> Iterator[str]:
    for claim in row.published:
        quantity, value = QUANTITIES[claim.metric], _measured(row, claim.metric)
        yield (
            f"{row.configuration}: {quantity.words} {quantity.show(value)}, published {quantity.claimed(claim)} "
            f"({claim.where}); ours {'agrees' if quantity.agrees(claim, value) else 'disagrees'}."
        )


def _on_tally(tally: Tally, rows: Sequence[ImageRow]) -> Iterator[str]:
    values = [_measured(row, tally.metric) for row in rows if tally.is_about(row.configuration)]
    if values:
        quantity, held = QUANTITIES[tally.metric], sum(map(tally.holds, values))
        yield (
            f"`{', '.join(tally.configurations)}`: {quantity.words} {quantity.claimed(tally)} in {held} of "
            f"{len(values)} cases here; "
            f"published: comparable or better in {tally.cases} of {tally.of} ({tally.where})."
        )


def _measured(row: ImageRow, metric: str) -> float:
    """Return a row's value, the mean where it was measured in several runs."""
    value = getattr(row, metric)
    return value.mean if isinstance(value, Figure) else float(value)
