"""Choice: which members labels are bought for, in which order, and whether they can be; torch is not needed for it."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.certify.sequence import AGREEMENT, BETTING, Plan, members_of, waiting_members
from optimizer.errors import InputError, listed
from optimizer.fronts.bought import Double
from optimizer.fronts.fronts import members_of as views_of
from optimizer.selection.certification import BUYABLE
from optimizer.spec import StudySpec
from optimizer.views.member import Member
from studies.purchases import Purchase
from studies.records import Candidate, Study, Verdict


def refuse_unbuyable(study: Study, spec: StudySpec) -> None:
    """Raise `InputError` for a study whose members no bought labels can certify."""
    if why := why_unbuyable(study, spec):
        raise InputError("study", why)


def why_unbuyable(study: Study, spec: StudySpec) -> str | None:
    """Return why no bought labels can certify a study's members, None where they can."""
    metric = study.context.get("metric", spec.metric)
    if metric != BUYABLE:
        return (
            f"{study.slug!r} is judged by {metric}; labels where two models disagree, one class each, certify "
            f"{BUYABLE} alone; label a random sample of all texts and start a study with it as its test split"
        )
    if spec.epsilon is None:
        return (
            f"{study.slug!r} has limits and no ε that a certificate could be for; start a study with "
            f"`start_from={study.slug}` and `epsilon`, which takes its candidates"
        )
    if not spec.label_error:
        return (
            f"{study.slug!r} has spent its 5 % error on verification and keeps none for bought labels; start a new "
            "study, which keeps `label_error` for them"
        )
    return None


def sequence_of(
    study: Study, candidates: Sequence[Candidate], purchases: Sequence[Purchase], chosen: Sequence[int]
) -> tuple[int, ...]:
    """Return the members of a new purchase: those that wait from earlier ones, then new ones, most costly first.

    Without `chosen` the new ones are the verified members that are cheaper than every certified one and that no cheaper
    one beats in its corrected drop: with so many texts a member that truly holds ε passes, and any other before it
    could end the sequence. Raises `InputError` for a candidate that is not verified or is certified already, and where
    none is left.
    """
    spec = StudySpec.stored(study.spec)
    known = {member.candidate: member for member in views_of(study, candidates)}
    before, waits = members_of(purchases), waiting_members(purchases)
    cost = spec.objectives[0]
    if chosen:
        new = [_verified(number, known, study) for number in dict.fromkeys(chosen) if number not in waits]
    else:
        certified = [_ratio(m, cost) for m in known.values() if m.verdict is Verdict.CERTIFIED]
        leanest = min(certified, default=float("inf"))
        lean = [m for m in known.values() if m.verdict is Verdict.VERIFIED and _ratio(m, cost) < leanest]
        new = [m for m in lean if not any(_ratio(o, cost) < _ratio(m, cost) and _drop(o) <= _drop(m) for o in lean)]
    added = sorted(new, key=lambda member: (-_ratio(member, cost), member.candidate))
    members = (*waits, *(member.candidate for member in added if member.candidate not in before))
    if not members:
        raise InputError(
            "candidate", f"{study.slug!r} has no verified member that is leaner than its certified ones; name one"
        )
    return members


def rule_of(purchases: Sequence[Purchase], double: Double | None) -> str:
    """Return the rule of a new purchase: that of the first one. Raises `InputError` for a wish for another."""
    if not purchases:
        return AGREEMENT if double == "all" else BETTING
    first = Plan.of(purchases[0])
    if double not in (None, first.double):
        whose = "all" if first.double == "all" else "a tenth"
        raise InputError(
            "double", f"of this study's labels {whose} are asked twice, which its first texts fixed; leave it out"
        )
    return first.rule


def _ratio(member: Member, cost: str) -> float:
    found = member.ratio(cost)
    return member.leanness if found is None else found


def _drop(member: Member) -> float:
    """Return a verified member's drop, corrected for luck where the study has told it."""
    if member.verification is None:
        return float("inf")
    corrected = member.verification.shrunken_drop
    return member.verification.drop if corrected is None else corrected


def _verified(number: int, known: dict[int, Member], study: Study) -> Member:
    verdict = known[number].verdict if number in known else None
    if verdict is Verdict.VERIFIED:
        return known[number]
    there = [m.candidate for m in known.values() if m.verdict is Verdict.VERIFIED]
    why = "does not exist" if verdict is None else f"is {verdict.value}"
    raise InputError(
        "candidate",
        f"{number} {why}; labels are bought for verified members, of {study.slug!r}: {listed(there) or 'none'}",
    )
