"""Answering: the task of the first and the last word of an answer in a context."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.divergence import kl_divergence
from objectives.metrics import Metric
from objectives.metrics.answers import ANSWERS
from optimizer.tasks.task import Batch, Labelled, Reduction

if TYPE_CHECKING:
    from optimizer.tasks.questions.examples import QuestionExamples

LONGEST = 30  # tokens of an answer, as usual for SQuAD
NEVER = -1e9  # a logit
COMMON = 20  # texts that are tried as the one answer to all


@dataclass(frozen=True, slots=True)
class Answering:
    """`Task` of a part of a context: outputs `(windows, tokens, 2)` tell where an answer starts and where it ends.

    A batch has the windows of its questions. `places` `(batch, windows, tokens)` says where in all their tokens each
    token of a context is, -1 where there is none; the first token of a window stands for "no answer here". `labels`
    `(windows, 2)` are the first and the last token of the answer. Predictions are texts `(n,)`.
    """

    divergence_unit: ClassVar[str] = "nat"
    metric: Metric = ANSWERS["exact-match"]

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the cross-entropy of first and last token: their mean over all windows, or their sum."""
        return F.cross_entropy(_of_windows(outputs, batch), batch["labels"], reduction=reduction)

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
        """Return the mean divergence from the teacher's first and last tokens."""
        found, told = (_of_windows(each, batch).transpose(1, 2).flatten(0, 1) for each in (outputs, wanted))
        return F.kl_div(found.log_softmax(dim=1), told.log_softmax(dim=1), log_target=True, reduction="batchmean")

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the logits less their mean over each window, which a softmax ignores, 0 where no answer can be."""
        logits, may = _at_places(outputs, batch), _may(batch)
        means = (logits * may).sum(dim=2, keepdim=True) / may.sum(dim=2, keepdim=True).clamp_min(1)
        return (logits - means) * may

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the logits of the tokens: `(batch, windows, tokens, 2)`, NaN where no answer can be."""
        return _at_places(outputs, batch).masked_fill(~_may(batch), float("nan"))

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:
        """Return the texts of the likeliest answers, "" for none: `(n,)`."""
        asked = cast("QuestionExamples", examples)
        found, scores = _likeliest(answers[:, :, 1:])
        nothing = np.nanmin(answers[:, :, 0].sum(axis=2), axis=1)
        is_none = ~np.isfinite(scores) | (asked.may_refuse & (nothing > scores))
        texts = [asked.text(n, *where) for n, where in enumerate(found)]
        return np.where(is_none, "", np.array(texts, dtype=object))

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the mean Kullback-Leibler divergence of first and last tokens, in nats."""
        seen = ~np.isnan(dense[:, :, 0, 0])
        may = ~np.isnan(dense[seen])
        both = (np.where(may, each[seen], NEVER).swapaxes(1, 2) for each in (dense, answers))
        return kl_divergence(*(each.reshape(-1, each.shape[2]) for each in both))

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the metric of one text for all questions: none, or one of the most frequent answers."""
        common = Counter(text for texts in labels for text in texts).most_common(COMMON)
        return self.metric.best_constant(np.array(["", *(text for text, _ in common)], dtype=object), labels)


def _may(batch: Batch) -> Tensor:
    return (batch["places"] >= 0)[..., None]


def _at_places(outputs: Tensor, batch: Batch) -> Tensor:
    """Return the outputs at all places: `(batch, windows, tokens, 2)`."""
    return outputs.flatten(0, 1)[batch["places"].clamp_min(0)]


def _of_windows(outputs: Tensor, batch: Batch) -> Tensor:
    """Return the logits of all windows that there are: `(windows, tokens, 2)`, very low where no answer can be."""
    logits = _at_places(outputs, batch).masked_fill(~_may(batch), NEVER)
    return logits[batch["places"][..., 0] >= 0]


def _likeliest(logits: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return window, first and last token `(n, 3)` of the span with the highest sum of two logits, and that sum."""
    known = np.where(np.isnan(logits), -np.inf, logits)
    starts, ends = known[..., 0], known[..., 1]
    best, length = np.full_like(starts, -np.inf), np.zeros(starts.shape, dtype=np.intp)
    for more in range(min(LONGEST, starts.shape[2])):
        sums = starts[..., : starts.shape[2] - more] + ends[..., more:]
        is_better = sums > best[..., : sums.shape[2]]
        best[..., : sums.shape[2]][is_better] = sums[is_better]
        length[..., : sums.shape[2]][is_better] = more
    flat = best.reshape(len(best), -1).argmax(axis=1)
    window, first = np.divmod(flat, starts.shape[2])
    rows = np.arange(len(best))
    last = first + length[rows, window, first]
    return np.stack([window, first + 1, last + 1], axis=1), best[rows, window, first]
