"""What a paper claims and where: values of single rows, counts over rows, orders, the rest."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict

MetricName = Literal[
    "accuracy",
    "accuracy_change",
    "time_change",
    "energy_change",
    "training_accuracy",
    "loss",
    "training_s",
    "training_j",
    "training_time_change",
    "training_energy_change",
    "inference_s",
    "weights",
]


class Frozen(BaseModel):
    """What is parsed once and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bounds(Frozen):
    """A metric of the configurations that `configuration` names or matches (`*_SET`, `*`), and its bounds.

    Accuracies are fractions; changes are relative to the dense network, that of accuracy in points as a fraction;
    times in seconds, energies in joules, of a whole training or of one image.
    """

    configuration: str
    metric: MetricName
    at_least: float | None = None
    at_most: float | None = None

    def is_about(self, label: str) -> bool:
        """Return whether a configuration is meant."""
        return fnmatchcase(label, self.configuration)


class Published(Bounds):
    """A value, or a bound where the text gives only that, of every configuration that is meant."""

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    value: float | None = None
    where: str


class Tally(Bounds):
    """In how many cases the text finds a bound to hold; where the text says "comparable", the bound is ours."""

    cases: int
    of: int
    where: str


class Order(Frozen):
    """Two configurations of which the text puts the accuracy of one above that of the other."""

    above: str
    below: str


class Remark(Frozen):
    """A printed number that belongs to no single row, in words; it is shown, not compared."""

    text: str
    where: str
