"""The conclusions that a study's verification can reach, stated before any of its examples is used."""

from __future__ import annotations

from objectives.metrics import Metric
from objectives.statistics import (
    SCORED,
    describe_power,
    largest_certifiable_drop,
    largest_certifiable_mean_drop,
    paired_drop_interval,
)
from objectives.statistics.power import ALPHA, DISCORDANT_SHARE
from optimizer.selection.certification import verification_alpha
from optimizer.selection.shortlist import SIZE
from optimizer.spec import StudySpec


def what_can_be_concluded(n: int, spec: StudySpec, metric: Metric) -> str:
    """Return one sentence on what `n` verification examples can show at the spec's ε, a drop in the metric's unit.

    Without an ε it is how precisely they measure a drop.
    """
    epsilon = spec.epsilon
    if epsilon is None:
        return _what_can_be_measured(n, metric)
    if metric.is_count:
        alpha = verification_alpha(spec, metric)
        return describe_power(n, epsilon, alpha=alpha) + _remedy(n, epsilon, spec, alpha)
    if metric.name in SCORED:
        return (
            f"with n={n:,} a drop of {metric.name} can be certified at ε = {epsilon:g} only where the rarest class has "
            "enough examples: four lost examples of any kind must stay within ε"
        )
    if metric.is_share:
        drop = largest_certifiable_mean_drop(n, epsilon)
        found = f"a drop of at most {drop:.4f}" if drop >= 0 else f"only a gain of at least {-drop:.4f}"
        return (
            f"with n={n:,} {found} in {metric.name} can be certified at ε = {epsilon:g}, less where examples lose and "
            "gain much"
        )
    return (
        f"with n={n:,} a drop of {metric.name} can be verified at ε = {epsilon:g}, but not certified: {metric.name} "
        "has no bound that holds for small samples"
    )


def _what_can_be_measured(n: int, metric: Metric) -> str:
    if not metric.is_count:
        return f"with n={n:,} drops of {metric.name} get intervals for all verified members together; no ε is tested"
    changed = round(n * DISCORDANT_SHARE / 2)
    reach = paired_drop_interval(changed, changed, n, 1 - ALPHA / SIZE).upper
    return (
        f"with n={n:,} and {100 * DISCORDANT_SHARE:.3g} % discordant examples a drop is measured to ±{reach:.4f}, for "
        f"all {SIZE} members of a shortlist together; no ε is tested"
    )


def _remedy(n: int, epsilon: float, spec: StudySpec, alpha: float) -> str:
    """Return what to do where only a gain would be certified."""
    drop = largest_certifiable_drop(n, DISCORDANT_SHARE, epsilon, alpha=alpha)
    if drop is not None and drop >= 0:
        return ""
    later = ", or label a few fresh texts afterwards with `optimize certify`" if spec.label_error else ""
    return f". Give more labelled examples: `verification_data` of texts, a larger test split of images{later}"
