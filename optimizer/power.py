"""The conclusions that a study's verification can reach, stated before any of its examples is used."""

from __future__ import annotations

from objectives.metrics import Metric
from objectives.statistics import SCORED, describe_power


def what_can_be_concluded(n: int, epsilon: float, metric: Metric) -> str:
    """Return one sentence on what `n` verification examples can show at `epsilon`, a drop in the metric's unit."""
    if metric.is_count:
        return describe_power(n, epsilon)
    if metric.name in SCORED:
        return (
            f"with n={n:,} a drop of {metric.name} can be certified at ε = {epsilon:g} only where the rarest class has "
            "enough examples: four lost examples of any kind must stay within ε"
        )
    return (
        f"with n={n:,} a drop of {metric.name} can be verified at ε = {epsilon:g}, but not certified: {metric.name} "
        "has no bound that holds for small samples"
    )
