"""Shrunken drops: what a study's candidates together say of the true drops of its verified members.

They are computed once per shortlist and stored with its members, so that a front at any ε reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from objectives.measurement import Interval, Measurement, Source
from objectives.statistics import Observed, ShrunkenDrop, shrunken_drops
from studies.records import Candidate, CandidateState, Origin
from studies.store import StudyStore

QUANTITY = "shrunken_drop"

_Drop = tuple[float, float, int]  # the drop, the variance of one example's change, examples


def store_shrunken(
    store: StudyStore, study_id: int, shortlist: Sequence[Candidate], *, cost_of: Callable[[Candidate], float]
) -> None:
    """Store the shrunken drop of every member of a verified shortlist, unless all have one."""
    if all(shrunken_of(candidate) for candidate in shortlist):
        return
    found = _shrunken(store.candidates(study_id), {candidate.id for candidate in shortlist}, cost_of)
    for candidate_id, measurement in found.items():
        store.add_measurements(candidate_id, [measurement])


def shrunken_of(candidate: Candidate) -> ShrunkenDrop | None:
    """Return a candidate's shrunken drop: the last that was stored, None in older studies."""
    found = next((each for each in reversed(candidate.measurements) if each.quantity == QUANTITY), None)
    return ShrunkenDrop(found.value, _error(found.interval)) if found and found.interval else None


def _shrunken(
    candidates: Sequence[Candidate], wanted: set[int], cost_of: Callable[[Candidate], float]
) -> dict[int, Measurement]:
    """Return candidate id -> shrunken drop of the wanted ones that have drops on both kinds of examples."""
    searched = [(c, drop) for c in candidates if (drop := on_search(c)) is not None]
    verified = [
        (place, c, drop)
        for place, (c, _) in enumerate(searched)
        if c.id in wanted and (drop := _on_verification(c)) is not None
    ]
    if not verified:
        return {}
    found = shrunken_drops(
        observed([drop for _, drop in searched]),
        observed([drop for *_, drop in verified]),
        np.array([place for place, *_ in verified]),
        _features([c for c, _ in searched], cost_of),
    )
    return {c.id: _measurement(each, len(searched)) for each, (_, c, _) in zip(found, verified, strict=True)}


def _features(candidates: Sequence[Candidate], cost_of: Callable[[Candidate], float]) -> NDArray[np.float64]:
    """Return what a mean drop depends on: how much was saved, its square, and whether a candidate was trained."""
    saved = np.array([1 - cost_of(candidate) for candidate in candidates])
    trained = np.array([candidate.proposal.origin is Origin.RECOVER for candidate in candidates], dtype=np.float64)
    return np.column_stack([np.ones(len(saved)), saved, saved**2, trained])


def on_search(candidate: Candidate) -> _Drop | None:
    """Return what a candidate's drop on all search examples was, None where it was not evaluated on all of them."""
    outcome = candidate.outcome
    if outcome is None or outcome.drop is None or outcome.state is not CandidateState.COMPLETE or not outcome.seen:
        return None
    if outcome.lost is not None and outcome.gained is not None:
        return _counted(outcome.lost, outcome.gained, outcome.seen)
    interval = next((m.interval for m in candidate.measurements if m.quantity == "drop"), None)
    return None if interval is None else _with_width(outcome.drop, interval, outcome.seen)


def _on_verification(candidate: Candidate) -> _Drop | None:
    verification = candidate.verification
    if verification is None:
        return None
    if verification.lost is not None and verification.gained is not None:
        return _counted(verification.lost, verification.gained, verification.n)
    return _with_width(verification.drop, verification.interval, verification.n)


def _counted(lost: int, gained: int, n: int) -> _Drop:
    drop = (lost - gained) / n
    return drop, (lost + gained) / n - drop**2, n


def _with_width(drop: float, interval: Interval, n: int) -> _Drop:
    return drop, n * _error(interval) ** 2, n


def _error(interval: Interval) -> float:
    """Return the standard error that the interval of a normal estimate tells."""
    return (interval.upper - interval.lower) / (2 * NormalDist().inv_cdf((1 + interval.level) / 2))


def observed(drops: Sequence[_Drop]) -> Observed:
    """Return the drops as arrays."""
    return Observed(*np.array(drops, dtype=np.float64).T)


def _measurement(drop: ShrunkenDrop, candidates: int) -> Measurement:
    return Measurement(
        quantity=QUANTITY,
        value=drop.value,
        unit="1",
        source=Source.MODELLED,
        n=candidates,
        interval=drop.interval,
    )
