"""Ratios: a cost relative to another one's in the same rounds, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from objectives.measurement import Measurement
from objectives.repeats import mean_with_interval


class Ratio(BaseModel):
    """A cost relative to that of a baseline in the same rounds, with its 95 % interval; one value has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    lower: float
    upper: float

    @classmethod
    def of(cls, measured: Measurement) -> Self:
        """Return a measured ratio."""
        interval = measured.interval
        return cls(
            value=measured.value,
            lower=interval.lower if interval else measured.value,
            upper=interval.upper if interval else measured.value,
        )

    @classmethod
    def alone(cls, value: float) -> Self:
        """Return a value without an interval."""
        return cls(value=value, lower=value, upper=value)

    @property
    def as_change(self) -> str:
        """The change that it is, in percent, and its interval."""
        return f"{self.value - 1:+.1%} [{self.lower - 1:+.1%}, {self.upper - 1:+.1%}]"


def order(one: Ratio, other: Ratio) -> int:
    """Return 1 where one is shown to be above the other, -1 where below, 0 where their intervals overlap."""
    return int(one.lower > other.upper) - int(one.upper < other.lower)


def pooled(ratios: Sequence[Ratio]) -> Ratio:
    """Return the ratio of several runs: that of a single one, else their mean with Student's interval over the runs."""
    if len(ratios) == 1:
        return ratios[0]
    mean, interval = mean_with_interval([ratio.value for ratio in ratios])
    return Ratio(value=mean, lower=interval.lower if interval else mean, upper=interval.upper if interval else mean)
