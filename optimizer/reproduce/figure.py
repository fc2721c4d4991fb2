"""A figure over the runs of a configuration: mean and standard deviation."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict


class Figure(BaseModel):
    """A measured mean with its standard deviation over the runs, None for a single run."""

    model_config = ConfigDict(frozen=True)

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return mean and deviation of at least one value."""
        return cls(mean=statistics.fmean(values), deviation=statistics.stdev(values) if len(values) > 1 else None)


def with_deviation(figure: Figure, *, scale: float, digits: int) -> str:
    """Return mean ± standard deviation, the mean alone of a single run, both times `scale`."""
    mean = f"{figure.mean * scale:.{digits}f}"
    return mean if figure.deviation is None else f"{mean} ± {figure.deviation * scale:.{digits}f}"
