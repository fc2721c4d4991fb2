"""Divergence: how far a smaller model's answers are from the dense model's, without labels.

Far less noisy than a difference of accuracies. Never negative; 0 for equal answers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax

FloatArray = NDArray[np.floating]


def kl_divergence(dense_logits: FloatArray, logits: FloatArray) -> float:
    """Return the mean Kullback-Leibler divergence KL(dense || smaller) of the classes: both `(n, classes)`.

    Raises `ValueError` when the logits are not finite.
    """
    _check(logits)
    dense, small = log_softmax(dense_logits.astype(np.float64), axis=1), log_softmax(logits.astype(np.float64), axis=1)
    return max(0.0, float((np.exp(dense) * (dense - small)).sum(axis=1).mean()))


def squared_divergence(dense: FloatArray, answers: FloatArray) -> float:
    """Return the mean squared difference over the variance of the dense answers: both `(n, 1)`.

    Raises `ValueError` when the answers are not finite.
    """
    _check(answers)
    spread = float(np.var(dense)) or 1.0
    return float(np.mean(np.square(answers - dense))) / spread


def labels_divergence(dense_logits: FloatArray, logits: FloatArray) -> float:
    """Return the mean over examples of the divergences KL(dense || smaller) of all labels: both `(n, labels)`.

    Every label applies or does not, with the probability that is the sigmoid of its logit. Raises `ValueError` when the
    logits are not finite.
    """
    _check(logits)
    dense, small = dense_logits.astype(np.float64), logits.astype(np.float64)
    applies = expit(dense) * (log_expit(dense) - log_expit(small))
    does_not = expit(-dense) * (log_expit(-dense) - log_expit(-small))
    return max(0.0, float((applies + does_not).sum(axis=1).mean()))


def cosine_divergence(dense: FloatArray, answers: FloatArray) -> float:
    """Return the mean of 1 minus the cosine between vectors: both `(n, width)`.

    Raises `ValueError` when the vectors are not finite.
    """
    _check(answers)
    products = np.einsum("ij,ij->i", dense, answers, dtype=np.float64)
    lengths = np.linalg.norm(dense.astype(np.float64), axis=1) * np.linalg.norm(answers.astype(np.float64), axis=1)
    cosines = np.divide(products, lengths, out=np.zeros(len(products)), where=lengths > 0)
    return max(0.0, float(1 - cosines.mean()))


def _check(answers: FloatArray) -> None:
    if not np.isfinite(answers).all():
        raise ValueError("the model's answers are not finite numbers")
