"""Layer-wise against global: differences paired by seed, and in plain sentences what holds of what was published."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from objectives.repeats import mean_with_interval
from optimizer.reproduce.preset import Configuration, Preset
from optimizer.reproduce.records import RunRecord
from optimizer.reproduce.rows import PublishedValue, Row

LAYER_WISE = "layer-wise"
HOLDS, REVERSED = "the published order holds", "the published order is reversed"
POINTS_OFF = 0.03  # of an accuracy that the paper gives as "almost" or "nearly"
METRICS = {
    "accuracy": "accuracy",
    "accuracy_change": "accuracy against dense",
    "time_change": "inference time against dense",
    "energy_change": "inference energy against dense",
}


class Difference(BaseModel):
    """Accuracy of a layer-wise configuration minus that of a global one, with its 95 % interval over seeds."""

    model_config = ConfigDict(frozen=True)

    layer_wise: str
    compared_with: str
    approach: str
    technique: str
    mean: float
    lower: float | None
    upper: float | None
    runs: int

    @property
    def verdict(self) -> str:
        """What the interval says of the published order, layer-wise above global."""
        if self.lower is None or self.upper is None:
            return "one run decides nothing"
        if self.lower > 0:
            return HOLDS
        return REVERSED if self.upper < 0 else "no difference is shown"


def differences(preset: Preset, records: Sequence[RunRecord]) -> tuple[Difference, ...]:
    """Return every layer-wise configuration minus each global one of its technique and ratio, seed by seed."""
    return tuple(_difference(ours, other, records) for ours, other in _pairs(preset))


def _pairs(preset: Preset) -> Iterator[tuple[Configuration, Configuration]]:
    for ours in preset.configurations:
        for other in preset.configurations:
            is_same = other.technique == ours.technique and other.approach != LAYER_WISE
            is_as_sparse = other.as_sparse_as == ours.label or (
                other.as_sparse_as is None and other.ratio == ours.ratio
            )
            if ours.approach == LAYER_WISE and is_same and is_as_sparse:
                yield ours, other


def _difference(ours: Configuration, other: Configuration, records: Sequence[RunRecord]) -> Difference:
    left, right = (_accuracies(configuration, records) for configuration in (ours, other))
    mean, interval = mean_with_interval([left[seed] - right[seed] for seed in sorted(left)])
    return Difference(
        layer_wise=ours.label,
        compared_with=other.label,
        approach=other.approach,
        technique=str(ours.technique),
        mean=mean,
        lower=None if interval is None else interval.lower,
        upper=None if interval is None else interval.upper,
        runs=len(left),
    )


def _accuracies(configuration: Configuration, records: Sequence[RunRecord]) -> dict[int, float]:
    return {r.key.seed: r.accuracy for r in records if r.key.configuration == configuration.label}


def sentences(preset: Preset, rows: Sequence[Row], found: Sequence[Difference]) -> tuple[str, ...]:
    """Return what holds of the published claims, what does not, and what the sparsity can save at most.

    A measured change agrees with a published one when it is within a quarter of it, or within one point; an accuracy
    when it is within three.
    """
    promised = min((p.value for p in preset.published if p.metric == "time_change" and p.value), default=0.0)
    return (
        *_on_all_orders(found),
        *(_on_order(difference) for difference in found),
        *(sentence for row in rows for sentence in _on_published(row)),
        *_on_index(rows),
        *(_on_ceiling(row, promised) for row in rows if row.approach == LAYER_WISE),
        *_on_noise(rows),
        *_on_kernels(rows),
    )


def _on_all_orders(found: Sequence[Difference]) -> Iterator[str]:
    for approach in dict.fromkeys(difference.approach for difference in found):
        verdicts = [difference.verdict for difference in found if difference.approach == approach]
        yield (
            f"Accuracy of layer-wise against {approach}: the published order (layer-wise above) is shown in "
            f"{verdicts.count(HOLDS)} of {len(verdicts)} pairs, reversed in {verdicts.count(REVERSED)}."
        )


def _on_order(difference: Difference) -> str:
    interval = "" if difference.lower is None else f" [{_points(difference.lower)}, {_points(difference.upper or 0)}]"
    return (
        f"{difference.layer_wise} minus {difference.compared_with} ({difference.approach}): "
        f"{_points(difference.mean)}{interval} points of accuracy over {difference.runs} runs; {difference.verdict}."
    )


def _on_published(row: Row) -> Iterator[str]:
    for published in row.published:
        measured = getattr(row, published.metric).mean
        said = "agrees" if _agrees(published, measured) else "disagrees"
        yield (
            f"{row.configuration}: {METRICS[published.metric]} {measured:+.2%}, "
            f"published {_published_words(published)} ({published.where}); ours {said}."
        )


def _agrees(published: PublishedValue, measured: float) -> bool:
    if published.value is not None:
        near = POINTS_OFF if published.metric == "accuracy" else max(0.01, abs(published.value) / 4)
        return abs(measured - published.value) <= near
    lowest = -math.inf if published.at_least is None else published.at_least
    highest = math.inf if published.at_most is None else published.at_most
    return lowest <= measured <= highest


def _published_words(published: PublishedValue) -> str:
    if published.value is not None:
        return f"{published.value:+.2%}"
    bounds = (("at least", published.at_least), ("at most", published.at_most))
    return " and ".join(f"{word} {bound:+.2%}" for word, bound in bounds if bound is not None)


def _on_index(rows: Sequence[Row]) -> Iterator[str]:
    of = {(row.technique, row.nominal_sparsity, row.approach): row for row in rows}
    pairs = [
        (row, of.get((row.technique, row.nominal_sparsity, "global"))) for row in rows if row.approach == LAYER_WISE
    ]
    if not pairs:
        return
    better = [ours.configuration for ours, other in pairs if other and ours.efficiency_index > other.efficiency_index]
    yield (
        f"The Efficiency Index of layer-wise is above that of global in {len(better)} of {len(pairs)} pairs "
        "(published: in all); both run the same dense kernels, so that no order in it comes from the sparsity."
    )


def _on_ceiling(row: Row, promised: float) -> str:
    possible = row.overall_sparsity >= -promised
    verdict = "could come from this sparsity with such a kernel" if possible else "cannot come from this sparsity"
    return (
        f"{row.configuration} removes {row.pruned_weights:,} of {row.weights:,} weights ({row.overall_sparsity:.2%}): "
        f"even a kernel that skipped every zero would save at most {row.overall_sparsity:.2%} of the multiplications; "
        f"its time was {row.time_change.mean:+.1%} against the dense one's. The {promised:+.0%} of time that the paper "
        f"reports at best {verdict}."
    )


def _on_noise(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.technique is None:
            yield (
                f"A trained dense network took {row.time_change.mean:+.1%} time against an untrained one of the same "
                "shape, in the same rounds: changes of that size say nothing."
            )


def _on_kernels(rows: Sequence[Row]) -> Iterator[str]:
    for name, field in (
        ("taking dead neurons out", "removed_time_change"),
        ("compressed sparse rows", "csr_time_change"),
    ):
        tried = [(row, getattr(row, field)) for row in rows if getattr(row, field) is not None]
        gains = [f"{row.configuration} {change:+.1%}" for row, change in tried if change < -0.02]
        if tried:
            yield f"Time with {name}, against dense: {', '.join(gains)}." if gains else f"No gain from {name}."


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
