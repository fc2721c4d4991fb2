"""Metrics by name: a model's quality as one number, higher is better. Numpy only; `hub` wraps them for others."""

from __future__ import annotations

from collections.abc import Mapping

from objectives.metrics.classification import correct, f1, matthews
from objectives.metrics.correlation import pearson, spearman
from objectives.metrics.metric import Kind, Metric, mean_of

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="accuracy", kind=Kind.CLASSIFICATION, weighted=mean_of(correct), score=correct),
        Metric(name="f1", kind=Kind.CLASSIFICATION, weighted=f1),
        Metric(name="matthews", kind=Kind.CLASSIFICATION, weighted=matthews),
        Metric(name="pearson", kind=Kind.REGRESSION, weighted=pearson),
        Metric(name="spearman", kind=Kind.REGRESSION, weighted=spearman),
    )
}

__all__ = ["METRICS", "Kind", "Metric"]
