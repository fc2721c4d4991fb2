"""The headline: a study in one or two sentences, the leanest certified member first."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.member import FrontResult, Member, RunResult
from studies.records import Verdict


def headline(found: RunResult | FrontResult) -> str:
    """Return a front's leanest certified member and, if another is leaner, the leanest verified one with its doubt."""
    members = found.front if isinstance(found, RunResult) else found.items
    if not members:
        return f"Nothing is feasible: no candidate has a drop within {found.epsilon:g}."
    certified = leanest(members, Verdict.CERTIFIED)
    held = leanest(members, Verdict.CERTIFIED, Verdict.VERIFIED)
    if held is None:
        return f"No member of the front has a drop within {found.epsilon:g} on the verification examples."
    first = "No member is certified." if certified is None else f"Leanest certified: {_in_words(certified)}."
    if held is certified:
        return first
    return f"{first} Leanest verified: {_in_words(held)}{in_doubt(held, found.epsilon)}."


def leanest(members: Sequence[Member], *verdicts: Verdict) -> Member | None:
    """Return the member of these verdicts with the fewest FLOPs, or of masked weights with the fewest parameters."""
    some = [member for member in members if member.verdict in verdicts]
    return min(some, key=lambda m: (m.parameters if m.recipe else m.flops_ratio, m.candidate), default=None)


def in_doubt(member: Member, epsilon: float) -> str:
    """Return a verified member's drop corrected for luck and its chance to be above ε; nothing in older studies."""
    checked = member.verification
    if checked is None or checked.shrunken_drop is None or checked.chance_above is None:
        return ""
    return (
        f"; corrected for luck the drop is {checked.shrunken_drop:.4f}, and the chance that it is above ε = "
        f"{epsilon:g} is at most {checked.chance_above:.0%}"
    )


def _in_words(member: Member) -> str:
    checked = member.verification
    if checked is None:
        raise ValueError("a member with a verdict was verified")
    return (
        f"{_saving(member)}, drop {checked.drop:.4f} [{checked.interval[0]:.4f}, {checked.interval[1]:.4f}] "
        f"on {checked.n:,} verification examples"
    )


def _saving(member: Member) -> str:
    """Return what a member needs; for masked weights, which kernels may ignore, also whether it is faster."""
    if member.recipe is None or member.parameters_ratio is None:
        return f"candidate #{member.candidate} with {member.flops_ratio:.0%} of the dense model's FLOPs"
    gains = [f"×{each.ratio:.2f} ({each.kernels})" if each.gain else "no gain" for each in member.latency]
    timed = ", ".join(f"{gain} at batch {each.batch}" for gain, each in zip(gains, member.latency, strict=True))
    return (
        f"candidate #{member.candidate} with {member.parameters_ratio:.0%} of the dense model's parameters "
        f"({member.recipe.words}) and {member.flops_ratio:.0%} of its FLOPs, latency {timed}"
    )
