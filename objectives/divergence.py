"""Divergence: how far a smaller model's answers are from the dense model's, without labels.

For classifiers the mean Kullback-Leibler divergence KL(dense || smaller) of the class probabilities; for regression
the mean squared difference over the variance of the dense answers. Far less noisy than a difference of accuracies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

FloatArray = NDArray[np.floating]


def divergence(dense_logits: FloatArray, logits: FloatArray) -> float:
    """Return the divergence of `logits` from `dense_logits`: both `(n, classes)`; one column means regression.

    Never negative; 0 for equal answers. Raises `ValueError` when the logits are not finite.
    """
    if not np.isfinite(logits).all():
        raise ValueError("the model's answers are not finite numbers")
    if dense_logits.shape[1] == 1:
        spread = float(np.var(dense_logits)) or 1.0
        return float(np.mean(np.square(logits - dense_logits))) / spread
    dense, small = log_softmax(dense_logits.astype(np.float64), axis=1), log_softmax(logits.astype(np.float64), axis=1)
    return max(0.0, float((np.exp(dense) * (dense - small)).sum(axis=1).mean()))
