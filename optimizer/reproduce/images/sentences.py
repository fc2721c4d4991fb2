"""In plain sentences what holds of what was published, what does not, and what the figures can and cannot mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.reproduce.agreement import verdict, written
from optimizer.reproduce.images.masked import on_masks
from optimizer.reproduce.images.preset import AFTERWARDS, QUANTITIES, ImagePreset
from optimizer.reproduce.images.records import ImageRecord
from optimizer.reproduce.images.rows import ABOVE, BELOW, HOLDS, REVERSED, ImageRow, OrderDifference
from optimizer.reproduce.rows import Figure

NARROW = (
    "Steps of training compute in {precision}, for which this processor has instructions; weights, their gradients, "
    "Adam, every accuracy and all of inference are float32."
)
ONCE = (
    "{rows} prune the dense network of the same seed, which is trained once, as the paper does: time and energy of "
    "their training are the dense one's, so that there is no change to judge."
)
NO_VALIDATION = "validated after each epoch on the test images, for want of others (as the paper does with VisA)"


def sentences(preset: ImagePreset, rows: Sequence[ImageRow], found: Sequence[OrderDifference]) -> tuple[str, ...]:
    """Return the sentences of one data set and model.

    A measured change or loss agrees with a published one when it is within a quarter of it, a change also within one
    percent; an accuracy when it is within three points. A bound is met or broken by the whole interval over the runs.
    """
    return (
        *_on_scale(preset, rows[0]),
        *_on_all_orders(found),
        *(_on_order(difference) for difference in found),
        *(sentence for row in rows for sentence in _on_published(row)),
        *on_masks(preset, rows),
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
    if row.training_precision != "float32":
        yield NARROW.format(precision=row.training_precision)
    afterwards = [each.label for each in preset.configurations if each.technique == AFTERWARDS]
    if afterwards:
        yield ONCE.format(rows=", ".join(afterwards))


def on_accounts(records: Sequence[ImageRecord]) -> Iterator[str]:
    """Warn of energies of training that were accounted in two ways."""
    if len({epoch.spent is None for record in records for epoch in record.epochs}) > 1:
        yield (
            "Some of these trainings ran in an older version, whose joules follow elapsed time and leave out memory "
            "that is held: compare none across versions; a new output directory has all in one account."
        )


def _on_all_orders(found: Sequence[OrderDifference]) -> Iterator[str]:
    for approach, against in dict.fromkeys((difference.approach, difference.against) for difference in found):
        compared = [each for each in found if (each.approach, each.against) == (approach, against)]
        verdicts = [each.verdict for each in compared]
        if compared[0].published:
            yield (
                f"Accuracy of {approach} against {against}: the published order ({approach} above) is shown in "
                f"{verdicts.count(HOLDS)} of {len(verdicts)} pairs, reversed in {verdicts.count(REVERSED)}."
            )
        else:
            yield (
                f"Accuracy of {approach} against {against}, which the paper does not compare: above in "
                f"{verdicts.count(ABOVE)} of {len(verdicts)} pairs, below in {verdicts.count(BELOW)}."
            )


def _on_order(difference: OrderDifference) -> str:
    runs = f"{difference.runs} run{'s' * (difference.runs > 1)}"
    return (
        f"{difference.above} minus {difference.below} ({difference.against}): {difference.in_points} points of "
        f"accuracy over {runs}; {difference.verdict}."
    )


def _on_published(row: ImageRow) -> Iterator[str]:
    for claim in row.published:
        quantity, found = QUANTITIES[claim.metric], value_of(row, claim.metric)
        if found is not None:
            yield (
                f"{row.configuration}: {quantity.words} {written(quantity, found, row.runs)}, published "
                f"{quantity.claimed(claim)} ({claim.where}); {verdict(quantity, claim, found, row.runs)}."
            )


def value_of(row: ImageRow, metric: str) -> Figure | float | None:
    """Return a row's value, None for a spread of a single run."""
    found: Figure | float | None = getattr(row, metric)
    return found
