"""What was measured and how, what zeroed bits can and cannot do, and which published claims the intervals decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from objectives.statistics.exact import allowed_losses
from optimizer.reproduce.claims import ROUNDING, Claim
from optimizer.reproduce.pretrained.preset import (
    BASELINE,
    QUANTITIES,
    ClaimOfNetworks,
    Order,
    PretrainedPreset,
    Reading,
)
from optimizer.reproduce.pretrained.records import PretrainedRecord
from optimizer.reproduce.pretrained.retrain import stops_at
from optimizer.reproduce.pretrained.rows import Change, PretrainedRow
from optimizer.reproduce.rows import Figure
from search_spaces.transforms.bits.mantissa import MANTISSA, MOST

EXPONENT = MANTISSA + 1  # zeroed bits that reach into the exponent
NOT_DECIDED = "the interval does not decide"
ONE_RUN = "one run decides nothing"


class Span(NamedTuple):
    """A value with its interval, whose ends are None where a single run has none."""

    mean: float
    lower: float | None
    upper: float | None


def sentences(
    preset: PretrainedPreset, rows: Sequence[PretrainedRow], records: Sequence[PretrainedRecord]
) -> tuple[str, ...]:
    """Return the sentences of one network on one data set.

    On the paper's own data a value agrees with a printed one when it is near it. A bound, or an order of two
    configurations, agrees or disagrees only where the whole interval is on one side of it.
    """
    by_label = {row.configuration: row for row in rows}
    return (
        *_on_conditions(preset, records),
        *_on_bits(by_label, records),
        *_on_ranks(by_label, records),
        *_on_readings(preset, records),
        *(sentence for row in rows for sentence in _on_printed(preset, row)),
        *(sentence for bound in preset.bounds for sentence in _on_bound(bound, rows)),
        *(sentence for order in preset.orders for sentence in _on_order(order, by_label)),
        *dict.fromkeys(note for record in records for note in record.notes),
    )


def _on_conditions(preset: PretrainedPreset, records: Sequence[PretrainedRecord]) -> Iterator[str]:
    first, paper = records[0], preset.scales.get("paper")
    key = first.key
    yield (
        f"{key.model} on {key.dataset}, {first.device}: trained on {first.train_examples:,} images at batch "
        f"{key.batch_size}, for {key.epochs} epochs at most; settings are chosen on {first.search_examples:,} search "
        f"images, which also stop the training, and accuracies are of {first.examples:,} verification images that "
        "neither training nor choice has seen."
    )
    yield (
        "Trainings ran one after the other: changes of an epoch are those of a training step in the same rounds as the "
        "baseline's, in processor time on a CPU, and those of a training these times the ratio of the epochs. What "
        "choosing took is in no column."
    )
    if key.dataset not in preset.datasets:
        yield (
            f"{key.dataset} stands in for {preset.datasets[0]}, with a network trained here for {key.base_epochs} "
            "epochs: what is published stands beside it and cannot be reached by it."
        )
    if paper is not None and key.epochs < paper.epochs:
        yield f"This is not the paper's scale: {key.epochs} epochs at most, where the other scale has {paper.epochs}."
    sources = dict.fromkeys(epoch.energy.source for record in records for epoch in record.epochs)
    for source in sources:
        yield (
            f"Energy is that of GPU, CPU and memory, {source}; the PUE of {preset.pue:g} is in no column but its own."
        )


def _on_curve(once: PretrainedRecord) -> Iterator[str]:
    """Say where accuracy falls as more bits are zeroed."""
    curve, bits, seen = once.search_curve, once.bits, once.search_examples
    least = curve[0] - allowed_losses(seen, once.key.tolerance) / seen - ROUNDING
    first = next((count for count, accuracy in enumerate(curve) if accuracy < least), len(curve)) - 1
    yield (
        f"Zeroed bits: {bits} is the largest number within {once.key.tolerance:.0%} on the search images; accuracy "
        f"there is {curve[0]:.2%} with none, {curve[bits]:.2%} with {bits}, {curve[min(bits + 1, MOST)]:.2%} with one "
        f"more. With {EXPONENT}, the sign and seven of eight bits of the exponent are left: {curve[EXPONENT]:.2%}; the "
        f"largest class has {once.largest_class:.2%}."
    )
    if first != bits:
        yield f"That number was found by bisection; bit by bit, accuracy first falls below the tolerance after {first}."


def _on_bits(rows: Mapping[str, PretrainedRow], records: Sequence[PretrainedRecord]) -> Iterator[str]:
    """Say what zeroed bits do to accuracy, to the file and to time: their kernels are those of float32."""
    for record in records:
        if record.key.configuration == "bits-once" and record.key.seed == 0:
            yield from _on_curve(record)
    for label in ("bits-once", "bits-held"):
        if label in rows and (change := rows[label].epoch_time_change) is not None:
            stored = rows[label].stored_ratio
            yield (
                f"{label}: zeroed bits run on the same float32 kernels; in the same rounds a step took "
                f"{change.in_percent} time against the baseline's. Its trained weights take {stored:.2f} of the dense "
                "bytes, packed."
            )
    if "bits-held" in rows:
        yield (
            "Zeroing after each step rounds every weight towards zero: a step that shrinks a weight by anything costs "
            "it the whole last bit that is left, and a step that grows it by less than that bit is lost."
        )
    noise = rows[BASELINE].epoch_time_change if BASELINE in rows else None
    if noise is not None:
        yield (
            f"The baseline's own step took {noise.in_percent} time against that of another dense network in the same "
            "rounds: changes of that size say nothing."
        )
    executed = rows.get("bits-executed")
    if executed is not None and executed.epoch_time_change is not None:
        yield (
            f"bits-executed: bfloat16, 16 bits, is the only such type with kernels of its own; a step took "
            f"{executed.epoch_time_change.in_percent} time against float32 on this machine."
        )


def _on_ranks(rows: Mapping[str, PretrainedRow], records: Sequence[PretrainedRecord]) -> Iterator[str]:
    """Say what layers got a low rank, and how often ranks were raised because all of them together lost too much."""
    for record in records:
        if record.ranks and record.key.configuration in rows:
            again = record.rank_rounds - 1
            most = record.key.rank_rounds - 1
            raised = f"Ranks were raised {again} of at most {most} times" if again else "No rank was raised"
            yield (
                f"{record.key.configuration}, seed {record.key.seed}: {len(record.ranks)} of {record.split_layers} "
                f"layers have a low rank; together they lost {100 * record.search_drop:.2f} points on the search "
                f"images before the last training. {raised}. Time and energy are of the last training."
            )


def _on_readings(preset: PretrainedPreset, records: Sequence[PretrainedRecord]) -> Iterator[str]:
    """Say where the other reading of the minimum improvement would have stopped the trainings."""
    other: Reading = "relative" if preset.reading == "absolute" else "absolute"
    trained = [record for record in records if record.epochs]
    moved = []
    for record in trained:
        losses = [epoch.search_loss for epoch in record.epochs]
        stop = stops_at(losses, record.key.patience, record.key.min_delta, other)
        own = len(losses) if record.is_stopped else None
        if stop != own:
            moved.append(f"{record.key.configuration} {'later' if stop is None else f'after {stop}'}")
    where = f"elsewhere in {len(moved)} ({', '.join(moved)})" if moved else "at the same epoch in all"
    if trained:
        stopped = sum(record.is_stopped for record in trained)
        yield (
            f"Of {len(trained)} trainings {stopped} stopped before the most epochs, by the {preset.reading} reading of "
            f"the minimum improvement; the {other} one would have stopped {where}. A training that never improves "
            f"enough takes {1 + preset.patience} epochs, so that equal numbers of epochs may say nothing else."
        )


def _on_printed(preset: PretrainedPreset, row: PretrainedRow) -> Iterator[str]:
    for claim in row.published if row.dataset in preset.datasets else ():
        quantity, value = QUANTITIES[claim.metric], _span(row, claim.metric)
        if value is not None:
            verdict = "agrees" if quantity.agrees(claim, value.mean) else "disagrees"
            yield (
                f"{row.configuration}: {quantity.words} {_shown(value, claim.metric)}, published "
                f"{quantity.claimed(claim)} ({claim.where}); ours {verdict}."
            )


def _on_bound(bound: ClaimOfNetworks, rows: Sequence[PretrainedRow]) -> Iterator[str]:
    quantity = QUANTITIES[bound.metric]
    for row in rows:
        value = _span(row, bound.metric) if bound.is_about(row.configuration) else None
        if value is None or (bound.metric == "accuracy" and not bound.is_of(row.model)):
            continue
        whose = "" if bound.is_of(row.model) else ", of other networks"
        yield (
            f"{row.configuration}: {quantity.words} {_shown(value, bound.metric)}, published {quantity.claimed(bound)} "
            f"({bound.where}{whose}); {judged(bound, value)}."
        )


def _on_order(order: Order, rows: Mapping[str, PretrainedRow]) -> Iterator[str]:
    quantity = QUANTITIES[order.metric]
    lowest = _span(rows[order.lowest], order.metric) if order.lowest in rows else None
    others = {label: _span(rows[label], order.metric) for label in order.others if label in rows}
    known = {label: span for label, span in others.items() if span is not None}
    if lowest is None or not known:
        return
    exempt = " (published except for this network)" if next(iter(rows.values())).model in order.but else ""
    than = ", ".join(f"{label} {_shown(span, order.metric)}" for label, span in known.items())
    yield (
        f"{quantity.words}: published lowest {order.lowest} ({order.where}){exempt}; here {order.lowest} "
        f"{_shown(lowest, order.metric)}, {than}: {ordered(lowest, list(known.values()))}."
    )


def judged(bound: Claim, value: Span) -> str:
    """Return whether the whole interval is within the bounds, or outside of them; a count has none and needs none."""
    if value.lower is None or value.upper is None:
        return "ours agrees" if bound.holds(value.mean) else "ours disagrees"
    if bound.holds(value.lower) and bound.holds(value.upper):
        return "ours agrees"
    above = bound.at_most is not None and value.lower > bound.at_most
    below = bound.at_least is not None and value.upper < bound.at_least
    return "ours disagrees" if above or below else NOT_DECIDED


def ordered(lowest: Span, others: Sequence[Span]) -> str:
    """Return whether a value's interval is below those of all others, or above that of one."""
    ends = [lowest.lower, lowest.upper, *(end for span in others for end in (span.lower, span.upper))]
    if any(end is None for end in ends):
        return ONE_RUN
    low, high = lowest.lower or 0.0, lowest.upper or 0.0
    if all(high < (span.lower or 0.0) for span in others):
        return "ours agrees"
    return "ours disagrees" if any(low > (span.upper or 0.0) for span in others) else NOT_DECIDED


def _span(row: PretrainedRow, metric: str) -> Span | None:
    """Return a row's value of a metric with its interval, None where it has none of it.

    A setting is exact, and so is the baseline against itself: what its rounds show is noise.
    """
    value: Figure | Change | float | None = getattr(row, metric)
    if isinstance(value, Change):
        return Span(0, 0, 0) if row.configuration == BASELINE else Span(value.mean, value.lower, value.upper)
    if isinstance(value, Figure):
        return Span(value.mean, *(getattr(row, f"{metric}_interval", None) or (None, None)))
    return None if value is None else Span(float(value), None, None)


def _shown(value: Span, metric: str) -> str:
    show = QUANTITIES[metric].show
    if value.lower is None or value.upper is None:
        return show(value.mean)
    return f"{show(value.mean)} [{show(value.lower)}, {show(value.upper)}]"
