"""The headline: a study in one or two sentences, the leanest certified member first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.views.latencies import change_of, places_of, times, title_of
from optimizer.views.member import FrontResult, LatencyView, Member, RunResult, most_accurate
from studies.records import Verdict

_COSTS = {"flops": "FLOPs", "bit_operations": "bit operations"}


def headline(found: RunResult | FrontResult) -> str:
    """Return a front's leanest certified member and, if another is leaner, the leanest verified one with its doubt."""
    members = found.front if isinstance(found, RunResult) else found.items
    if found.epsilon is None:
        return _without_epsilon(members, found.limits, found.objectives[0])
    if not members:
        return f"Nothing is feasible: no candidate has a drop within {found.epsilon:g}."
    cost = found.objectives[0]
    certified = leanest(members, cost, Verdict.CERTIFIED)
    held = leanest(members, cost, Verdict.CERTIFIED, Verdict.VERIFIED)
    if held is None:
        return f"No member of the front has a drop within {found.epsilon:g} on the verification examples."
    first = "No member is certified." if certified is None else f"Leanest certified: {_in_words(certified, cost)}."
    if held is certified:
        return first
    return f"{first} Leanest verified: {_in_words(held, cost)}{in_doubt(held, found.epsilon)}."


def bounds_in_words(found: RunResult | FrontResult) -> str:
    """Return what bounds a front: its ε, or its limits where it has none."""
    if found.epsilon is not None:
        return f"ε = {found.epsilon:g}"
    return f"within {_limits_in_words(found.limits)}, no ε"


def leanest(members: Sequence[Member], cost: str, *verdicts: Verdict) -> Member | None:
    """Return the member of these verdicts with the least `cost`, or of masked weights with the fewest parameters.

    FLOPs stand for bit operations where weights may have fewer bits, as in the search.
    """
    some = [member for member in members if member.verdict in verdicts]
    return min(some, key=lambda m: (m.parameters if m.recipe else _lean(m, cost), m.candidate), default=None)


def in_doubt(member: Member, epsilon: float | None) -> str:
    """Return a verified member's drop corrected for luck and its chance to be above ε; nothing in older studies."""
    checked = member.verification
    if checked is None or checked.shrunken_drop is None:
        return ""
    corrected = f"; corrected for luck the drop is {checked.shrunken_drop:.4f}"
    if epsilon is None or checked.chance_above is None:
        return corrected
    return f"{corrected}, and the chance that it is above ε = {epsilon:g} is at most {checked.chance_above:.0%}"


def drop_in_words(member: Member) -> str:
    """Return a member's drop on the verification examples with its interval, before that on the search examples."""
    checked = member.verification
    if checked is None:
        return f"drop {member.drop:.4f} on {member.seen:,} search examples, not verified"
    together = f", 95 % for all {checked.interval_members} verified members together"
    held = f", {member.answered.qualifier}" if member.answered and member.answered.qualifier else ""
    return (
        f"drop {checked.drop:.4f} [{checked.interval[0]:.4f}, {checked.interval[1]:.4f}] on {checked.n:,} "
        f"verification examples{together if checked.interval_members > 1 else ''}{held}"
    )


def _lean(member: Member, cost: str) -> float:
    ratio = None if cost == "flops" else member.ratio(cost)
    return member.leanness if ratio is None else ratio


def _without_epsilon(members: Sequence[Member], limits: Mapping[str, float], cost: str) -> str:
    best = most_accurate(members)
    if best is None:
        return f"Nothing is feasible: no candidate is within {_limits_in_words(limits)}."
    found = f"{_saving(best, cost)}, {drop_in_words(best)}{in_doubt(best, None)}"
    return f"Smallest predicted drop within {_limits_in_words(limits)}: {found}."


def _limits_in_words(limits: Mapping[str, float]) -> str:
    costs = [f"{limit:g} of the {_COSTS.get(cost, cost)}" for cost, limit in limits.items()]
    return " and ".join(costs) or "no limits"


def _in_words(member: Member, cost: str) -> str:
    return f"{_saving(member, cost)}, {drop_in_words(member)}"


def _saving(member: Member, cost: str) -> str:
    """Return what a member needs; for masked weights, which kernels may ignore, also whether it is faster."""
    if member.recipe is None or member.parameters_ratio is None:
        return f"candidate #{member.candidate} with {_shares(member, cost)}"
    places = places_of([member])
    titles = [title_of(place, places) for place in places]
    timed = ", ".join(f"{_timed(view)} at {title}" for view, title in zip(member.latency, titles, strict=True))
    return (
        f"candidate #{member.candidate} with {member.parameters_ratio:.0%} of the dense model's parameters "
        f"({member.recipe.words}) and {member.flops_ratio:.0%} of its FLOPs, latency {timed}"
    )


def _shares(member: Member, cost: str) -> str:
    """Return what is left of the named cost, unless that is no gain, of the FLOPs, and of bit operations."""
    ratio = member.ratio(cost) if getattr(member, f"{cost}_gain", True) else None
    shares = [] if cost in _COSTS or ratio is None else [f"{ratio:.0%} of the dense model's {cost}"]
    whose = "its" if shares else "the dense model's"
    shares.append(f"{member.flops_ratio:.0%} of {whose} FLOPs")
    if member.bit_operations_ratio is not None:
        shares.append(f"{member.bit_operations_ratio:.1%} of its bit operations")
    return " and ".join([", ".join(shares[:-1]), shares[-1]] if shares[1:] else shares)


def _timed(view: LatencyView) -> str:
    return f"{change_of(view, times)} ({view.kernels})" if view.gain and view.kernels else change_of(view, times)
