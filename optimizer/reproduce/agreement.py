"""Agreement: what a measured mean says of a published value or bound, given how much it varies from run to run."""

from __future__ import annotations

from optimizer.reproduce.claims import Published, Quantity
from optimizer.reproduce.rows import Figure

AGREES, DISAGREES = "ours agrees", "ours disagrees"
NOT_JUDGED = "shown, not judged: another machine measured it"
ONE_RUN = "one run decides nothing"
UNDECIDED = "undecided: the interval of ours reaches beyond the bound"


def verdict(quantity: Quantity, claim: Published, found: Figure | float, runs: int) -> str:
    """Return what a value says of a claim.

    A published value is compared with the mean. A bound is met or broken where the whole 95 % interval over the runs
    is on one side of it: noise around "at most 0 %" is neither. Values that are counted have no interval.
    """
    if not quantity.is_judged:
        return NOT_JUDGED
    if claim.value is not None or not isinstance(found, Figure):
        return AGREES if quantity.agrees(claim, mean_of(found)) else DISAGREES
    ends = found.interval(runs)
    if ends is None:
        return ONE_RUN
    if all(map(claim.holds, ends)):
        return AGREES
    is_above = claim.at_most is not None and ends[0] > claim.at_most
    is_below = claim.at_least is not None and ends[1] < claim.at_least
    return DISAGREES if is_above or is_below else UNDECIDED


def mean_of(found: Figure | float) -> float:
    """Return a value, the mean where it was measured in several runs."""
    return found.mean if isinstance(found, Figure) else float(found)


def written(quantity: Quantity, found: Figure | float, runs: int) -> str:
    """Return a value as people write it, with its interval over the runs where it has one."""
    ends = found.interval(runs) if isinstance(found, Figure) else None
    shown = quantity.show(mean_of(found))
    return shown if ends is None else f"{shown} [{quantity.show(ends[0])}, {quantity.show(ends[1])}]"
