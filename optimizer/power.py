"""What a study's verification can conclude, said before any of its examples is used."""

from __future__ import annotations

from objectives.metrics import Metric
from objectives.statistics import describe_power


def what_can_be_concluded(n: int, epsilon: float, metric: Metric) -> str:
    """Return in one sentence what `n` verification examples can conclude at `epsilon`, a drop in the metric's unit."""
    if metric.is_mean:
        return describe_power(n, epsilon)
    return (
        f"with n={n:,} a drop of {metric.name} can be verified at ε = {epsilon:g}, not certified: {metric.name} is no "
        "mean over examples, so examples that change cannot be counted"
    )
