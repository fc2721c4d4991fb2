"""Orders that a paper reports, tested: differences of accuracy paired by seed, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from objectives.repeats import mean_with_interval
from optimizer.reproduce.images.claims import Order
from optimizer.reproduce.images.preset import Configuration, Preset
from optimizer.reproduce.images.records import RunRecord

HOLDS, REVERSED = "the published order holds", "the published order is reversed"


class Difference(BaseModel):
    """Accuracy of the configuration published as `above` minus that of the one `below`, with its 95 % interval.

    `approach` is that of `above`, `against` that of `below`.
    """

    model_config = ConfigDict(frozen=True)

    above: str
    below: str
    approach: str
    against: str
    technique: str
    mean: float
    lower: float | None
    upper: float | None
    runs: int

    @property
    def verdict(self) -> str:
        """What the interval says of the published order."""
        if self.lower is None or self.upper is None:
            return "one run decides nothing"
        if self.lower > 0:
            return HOLDS
        return REVERSED if self.upper < 0 else "no difference is shown"


def differences(preset: Preset, records: Sequence[RunRecord]) -> tuple[Difference, ...]:
    """Return the differences, seed by seed, of the preset's orders whose configurations were both run."""
    ran = {record.key.configuration for record in records}
    return tuple(_difference(preset, order, records) for order in preset.orders if {order.above, order.below} <= ran)


def _difference(preset: Preset, order: Order, records: Sequence[RunRecord]) -> Difference:
    above, below = preset.configuration(order.above), preset.configuration(order.below)
    left, right = (_accuracies(configuration, records) for configuration in (above, below))
    mean, interval = mean_with_interval([left[seed] - right[seed] for seed in sorted(left)])
    return Difference(
        above=above.label,
        below=below.label,
        approach=above.approach,
        against=below.approach,
        technique=str(above.technique),
        mean=mean,
        lower=None if interval is None else interval.lower,
        upper=None if interval is None else interval.upper,
        runs=len(left),
    )


def _accuracies(configuration: Configuration, records: Sequence[RunRecord]) -> dict[int, float]:
    return {r.key.seed: r.accuracy for r in records if r.key.configuration == configuration.label}
