"""Metrics of answers in words: exact match and F1 of words by SQuAD's definition.

A prediction is a text, "" for "no answer". A label is a tuple of the texts that are right, () where a question has no
answer; the best of them counts. Case, punctuation, English articles and spacing are ignored.

Reference: Rajpurkar et al. 2018, https://arxiv.org/abs/1806.03822, and its evaluation script (version 2.0).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from objectives.metrics.metric import Array, FloatArray, Kind, Metric, mean_of, share_metric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Return a text in lower case without punctuation and articles, its words joined by single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split())


def exact(predictions: Array, labels: Array) -> FloatArray:
    """Return 1.0 where the prediction is one of the right answers, else 0.0, `(n,)`."""
    return _best(lambda found, wanted: float(found == wanted), predictions, labels)


def words_f1(predictions: Array, labels: Array) -> FloatArray:
    """Return the F1 of the words that a prediction shares with the nearest right answer, 0 to 1: `(n,)`."""
    return _best(_f1, predictions, labels)


def _best(score: Callable[[str, str], float], predictions: Array, labels: Array) -> FloatArray:
    pairs = zip(map(normalised, predictions), map(_right, labels), strict=True)
    return np.array([max(score(found, wanted) for wanted in right) for found, right in pairs])


def _right(answers: Sequence[str]) -> Sequence[str]:
    """Return the right answers; "no answer" is right where none of them has a word."""
    return [text for text in map(normalised, answers) if text] or [""]


def _f1(found: str, wanted: str) -> float:
    one, other = found.split(), wanted.split()
    if not one or not other:
        return float(one == other)
    return 2 * (Counter(one) & Counter(other)).total() / (len(one) + len(other))


ANSWERS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="exact-match", kind=Kind.ANSWERS, weighted=mean_of(exact), score=exact),
        share_metric("answer-f1", Kind.ANSWERS, words_f1),
    )
}
