"""Verdicts: the conclusions from the verification of a shortlist at a given ε.

A verdict is computed on demand: at another ε the same figures are judged again. `certified` needs the one-sided
95 % bound to hold for all certified members at once, so p-values are corrected over the whole shortlist (Holm 1979).
Only a metric that counts correct answers has such a bound here: with F1, Matthews' correlation, Pearson or Spearman a
member is `verified` at most. A bootstrap ignores errors outside its sample: in simulated studies of 60 examples
(F1, true drop 0.029, ε = 0.01, ten members) it certified 69 % of the members.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectives.statistics import holm, paired_drop_p_value, paired_drop_upper, within_epsilon
from studies.records import Candidate, Verdict, Verification

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Judgement:
    """A member's verdict at an ε, and its own one-sided 95 % upper bound of the drop (not corrected), if it has one."""

    verdict: Verdict
    upper_95: float | None


def judge(candidates: Sequence[Candidate], epsilon: float) -> dict[int, Judgement]:
    """Return candidate number -> judgement for every verified candidate of a shortlist.

    Members of the shortlist that are not verified yet also count in Holm's correction.
    """
    tried = [(c.number, c.verification) for c in candidates if c.verification is not None]
    bounds = [_bounds(verification, epsilon) for _, verification in tried]
    size = max([len(tried), *(verification.shortlist_size for _, verification in tried)])
    adjusted = holm([p for _, p in bounds] + [1.0] * (size - len(tried)))[: len(tried)]
    return {
        number: Judgement(_verdict(verification, epsilon, float(p)), upper)
        for (number, verification), (upper, _), p in zip(tried, bounds, adjusted, strict=True)
    }


def pack_predictions(labels: NDArray[np.generic], dense: NDArray[np.generic], candidate: NDArray[np.generic]) -> bytes:
    """Return labels, dense and candidate predictions as the bytes of one `(3, n, …)` array in numpy's own format."""
    buffer = io.BytesIO()
    kind = np.float32 if labels.ndim == 1 else np.result_type(labels.dtype.kind + "2")  # ids of words are many
    np.save(buffer, np.stack([labels, dense, candidate]).astype(kind), allow_pickle=False)
    return buffer.getvalue()


def _verdict(verification: Verification, epsilon: float, adjusted_p: float) -> Verdict:
    if not _holds(verification, epsilon):
        return Verdict.REFUTED
    return Verdict.CERTIFIED if adjusted_p <= ALPHA else Verdict.VERIFIED


def _holds(verification: Verification, epsilon: float) -> bool:
    if verification.lost is None or verification.gained is None:
        return verification.drop <= epsilon
    return within_epsilon(verification.lost, verification.gained, verification.n, epsilon)


def _bounds(verification: Verification, epsilon: float) -> tuple[float | None, float]:
    """Return the one-sided 95 % upper bound of the drop and the p-value of "the drop is above ε"."""
    if verification.lost is None or verification.gained is None:
        return None, 1.0
    counts = verification.lost, verification.gained, verification.n
    return paired_drop_upper(*counts), paired_drop_p_value(*counts, epsilon)
