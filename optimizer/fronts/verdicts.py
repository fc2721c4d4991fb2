"""Verdicts: the conclusions from the verification of a shortlist at a given ε.

A verdict is computed on demand: at another ε the same figures are judged again. At the ε for which a study fixed its
certification list, members are tested in the list's order until the first that fails. At any other ε p-values are
corrected over the whole list (Holm 1979), and where a study has no list, over the whole shortlist. A member that bought
labels certify at an ε is certified at it and at every larger one.
A study without ε measures: each drop has an interval that holds for all members together. Any ε asked of it is chosen
in sight of the drops, so a member is certified where its upper bound, which holds for all members together, is within
that ε (Bonferroni; Holm's correction holds for an ε that was chosen before).
A metric that counts correct answers has a bound. F1, Matthews' correlation of up to ten classes and means of shares
have those that were stored at verification. With any other metric, and in studies verified before these bounds, a
member is `verified` at most: a bootstrap ignores errors outside its sample.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from objectives.measurement import Conditions, Measurement, Source
from objectives.statistics import (
    DropScore,
    MeanDrop,
    ShrunkenDrop,
    holm,
    paired_drop_p_value,
    paired_drop_upper,
    within_epsilon,
)
from objectives.statistics.power import ALPHA
from optimizer.selection.certification import CertificationList
from optimizer.selection.shrunken import shrunken_of
from optimizer.views.member import Bought
from studies.records import Candidate, Verdict, Verification

UPPER = "drop_upper"  # the quantity of stored bounds


@dataclass(frozen=True, slots=True)
class Judgement:
    """A member's verdict at an ε.

    `upper_95` is its own one-sided 95 % upper bound of the drop, not corrected, if it has one. `blocked_by` is the
    member at which the sequence ended, where this one would have been certified behind it. `bought` is what labels
    say that were bought for it. `shrunken` is its drop corrected for luck, None in older studies.
    """

    verdict: Verdict
    upper_95: float | None
    blocked_by: int | None = None
    bought: Bought | None = None
    shrunken: ShrunkenDrop | None = None
    chance_above: float | None = None  # that the true drop is above ε, at most


def judge(
    candidates: Sequence[Candidate],
    epsilon: float,
    listed: CertificationList | None = None,
    bought: Mapping[int, Bought] = MappingProxyType({}),
) -> dict[int, Judgement]:
    """Return candidate number -> judgement for every verified one of the candidates: a shortlist or a whole list.

    `epsilon` is infinite for a study without ε: its members are measured.

    Members that are not verified yet also count: in a sequence as failures, in Holm's correction by their number.
    """
    tried = {c.number: c.verification for c in candidates if c.verification is not None}
    bounds = {c.number: _bounds(c, c.verification, epsilon) for c in candidates if c.verification is not None}
    p_values = {number: p for number, (_, p) in bounds.items()}
    alpha = listed.alpha if listed else ALPHA
    if listed is None:
        size = max([len(tried), *(verification.shortlist_size for verification in tried.values())])
        certified, end = _corrected(p_values, size, alpha), None
    else:
        certified, end = _on_list(p_values, epsilon, listed)
    shrunken = {c.number: found for c in candidates if (found := shrunken_of(c)) is not None}
    by_labels = {number for number, found in bought.items() if found.is_certified_at(epsilon)}
    waiting = {n for n, p in p_values.items() if p <= alpha and n not in by_labels and _is_behind(n, end, listed)}
    return {
        number: Judgement(
            verdict=_verdict(verification, epsilon, is_certified=number in certified | by_labels),
            upper_95=bounds[number][0],
            blocked_by=end if number in waiting else None,
            bought=bought.get(number),
            shrunken=shrunken.get(number),
            chance_above=_chance_above(epsilon, shrunken.get(number)),
        )
        for number, verification in tried.items()
    }


def _on_list(p_values: Mapping[int, float], epsilon: float, listed: CertificationList) -> tuple[set[int], int | None]:
    """Return the members certified by a list, and the one at which its sequence ends."""
    on_list = {number: p for number, p in p_values.items() if number in listed.members}
    if listed.epsilon is None:
        return {number for number, p in on_list.items() if p <= listed.alpha / len(listed.members)}, None
    if epsilon == listed.epsilon:
        return _in_sequence(p_values, listed.members, listed.alpha)
    return _corrected(on_list, len(listed.members), listed.alpha), None


def _chance_above(epsilon: float, shrunken: ShrunkenDrop | None) -> float | None:
    return None if shrunken is None or math.isinf(epsilon) else shrunken.chance_above(epsilon)


def _corrected(p_values: Mapping[int, float], size: int, alpha: float) -> set[int]:
    """Return the members certified by Holm's correction over `size` members."""
    adjusted = holm([*p_values.values(), *[1.0] * (size - len(p_values))])
    return {number for number, p in zip(p_values, adjusted, strict=False) if p <= alpha}


def _in_sequence(p_values: Mapping[int, float], members: Sequence[int], alpha: float) -> tuple[set[int], int | None]:
    """Return the members certified before the first failure, and that failure if there is one."""
    end = next((place for place, number in enumerate(members) if p_values.get(number, 1.0) > alpha), None)
    return set(members[:end]), None if end is None else members[end]


def _is_behind(number: int, end: int | None, listed: CertificationList | None) -> bool:
    if listed is None or end is None or number not in listed.members:
        return False
    return listed.members.index(number) > listed.members.index(end)


def pack_predictions(labels: NDArray[np.generic], dense: NDArray[np.generic], candidate: NDArray[np.generic]) -> bytes:
    """Return labels, dense and candidate predictions as the bytes of one `(3, n, …)` array in numpy's own format.

    Texts are three lists in JSON.
    """
    if labels.dtype == object:
        return json.dumps([part.tolist() for part in (labels, dense, candidate)], ensure_ascii=False).encode()
    buffer = io.BytesIO()
    kind = np.float32 if labels.ndim == 1 or labels.dtype.kind == "f" else np.int16  # ids of words are many
    np.save(buffer, np.stack([labels, dense, candidate]).astype(kind), allow_pickle=False)
    return buffer.getvalue()


def _verdict(verification: Verification, epsilon: float, *, is_certified: bool) -> Verdict:
    if math.isinf(epsilon):
        return Verdict.MEASURED
    if not _holds(verification, epsilon):
        return Verdict.REFUTED
    return Verdict.CERTIFIED if is_certified else Verdict.VERIFIED


def _holds(verification: Verification, epsilon: float) -> bool:
    if verification.lost is None or verification.gained is None:
        return verification.drop <= epsilon
    return within_epsilon(verification.lost, verification.gained, verification.n, epsilon)


def drop_uppers(score: DropScore | MeanDrop, listed: CertificationList, n: int) -> list[Measurement]:
    """Return the bounds to store with a member: at 95 %, and at the list's error for itself and for all at once.

    None for a member that never answers with a class with which the dense model does: it is verified at most.
    """
    if isinstance(score, DropScore) and not score.is_certifiable:
        return []
    bounds = {(1, ALPHA), (1, listed.alpha), (len(listed.members), listed.alpha)}
    return [
        Measurement(
            quantity=UPPER,
            value=score.upper_at(1 - alpha / together),
            unit="1",
            source=Source.MEASURED,
            n=n,
            conditions={"members": together, "alpha": alpha},
        )
        for together, alpha in sorted(bounds)
    ]


def _bounds(candidate: Candidate, verification: Verification, epsilon: float) -> tuple[float | None, float]:
    """Return the one-sided 95 % upper bound of the drop and the p-value of "the drop is above ε".

    Of a stored bound that is within ε, only the level is known: the p-value is at most that.
    """
    if verification.lost is None or verification.gained is None:
        stored = {_error_of(m.conditions): m.value for m in candidate.measurements if m.quantity == UPPER}
        holding = [alpha / members for (members, alpha), upper in stored.items() if upper <= epsilon]
        return stored.get((1, ALPHA)), min(holding) * (1 - 1e-9) if holding else 1.0
    counts = verification.lost, verification.gained, verification.n
    return paired_drop_upper(*counts), 1.0 if math.isinf(epsilon) else paired_drop_p_value(*counts, epsilon)


def _error_of(conditions: Conditions) -> tuple[int, float]:
    """Return the members that a stored bound holds for at once, and its error; earlier versions stored no error."""
    return int(str(conditions["members"])), float(str(conditions.get("alpha", ALPHA)))
