"""Rows: per configuration the mean and the deviation of its runs, relative to the dense model of the same seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from objectives.repeats import mean_with_interval, student_half_width
from optimizer.reproduce.ledger import Record, Scored


class Figure(BaseModel):
    """A measured mean with its standard deviation over the runs, None for a single run."""

    model_config = ConfigDict(frozen=True)

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self | None:
        """Return mean and deviation of the values that are known, None where none is."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(mean=statistics.fmean(known), deviation=statistics.stdev(known) if len(known) > 1 else None)

    def interval(self, runs: int) -> tuple[float, float] | None:
        """Return Student's 95 % interval of the mean over `runs`, None for a single run."""
        if self.deviation is None or runs < 2:
            return None
        half = student_half_width(self.deviation, runs)
        return self.mean - half, self.mean + half

    def written(self, scale: float, digits: int) -> str:
        """Return mean ± standard deviation, the mean alone of a single run, both times `scale`."""
        mean = f"{self.mean * scale:.{digits}f}"
        return mean if self.deviation is None else f"{mean} ± {self.deviation * scale:.{digits}f}"


class Difference(BaseModel):
    """A difference of accuracies in points as a fraction, with its 95 % interval, None for a single sample."""

    model_config = ConfigDict(frozen=True)

    mean: float
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, samples: Sequence[float], **fields: Any) -> Self:
        """Return the mean of paired differences with Student's interval."""
        mean, interval = mean_with_interval(samples)
        lower, upper = (None, None) if interval is None else (interval.lower, interval.upper)
        return cls(mean=mean, lower=lower, upper=upper, **fields)

    @property
    def in_points(self) -> str:
        """The difference and its interval in points."""
        ends = (
            "" if self.lower is None or self.upper is None else f" [{100 * self.lower:+.2f}, {100 * self.upper:+.2f}]"
        )
        return f"{100 * self.mean:+.2f}{ends}"

    def says(self, above: str, below: str) -> str:
        """Return what the interval shows: `above` for a difference above zero, `below` for one below."""
        if self.lower is None or self.upper is None:
            return "one run decides nothing"
        if self.lower > 0:
            return above
        return below if self.upper < 0 else "no difference is shown"


class Row(BaseModel):
    """A configuration of one model on one data set. Seconds and joules; qualities and changes are fractions."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    model: str
    configuration: str


RowKind = TypeVar("RowKind", bound=Row)
Measure = Callable[[Record, Record], float | None]  # of a run and of the dense run of the same seed


def by_seed(records: Sequence[Record], label: str) -> dict[int, Record]:
    """Return the records of a configuration by the seed of their run."""
    return {record.key.seed: record for record in records if record.key.configuration == label}


def row_of(
    kind: type[RowKind],
    found: Mapping[int, Record],
    dense: Mapping[int, Record],
    measures: Mapping[str, Measure[Record]],
    **given: object,
) -> RowKind:
    """Return a row of the runs of a configuration.

    A `Figure` is over the runs, of its measure, else of the record's field of that name; every other field that is not
    given is that of the first run or its key.
    """
    first = next(iter(found.values()))
    every: dict[str, Measure[Any]] = {"accuracy_change": _accuracy_change, **measures}
    fields: dict[str, object] = {"runs": len(found), **given}
    for name, field in kind.model_fields.items():
        if field.annotation in (Figure, Figure | None):
            measure: Measure[Any] = every.get(name, _field(name))
            fields[name] = Figure.of(measure(record, dense[seed]) for seed, record in found.items())
        elif name not in fields:
            fields[name] = getattr(first if hasattr(first, name) else first.key, name)
    return kind.model_validate(fields)


def _field(name: str) -> Measure[Any]:
    return lambda record, _: getattr(record, name)


def _accuracy_change(record: Scored, dense: Scored) -> float:
    """Return a change without what floats add to it, so that none is 0 and not -0."""
    return round(record.accuracy - dense.accuracy, 12) + 0.0


def accuracy_relative(record: Scored, dense: Scored) -> float | None:
    """Return a change as a fraction of the dense accuracy, None where that is 0."""
    return record.accuracy / dense.accuracy - 1 if dense.accuracy else None
