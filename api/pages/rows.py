"""Rows of the table of all candidates in every state, and its sort columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from api.http.state import State
from optimizer.views.member import Member
from studies.records import Candidate, Study


class Column(StrEnum):
    """What the table is sorted by; its value is the heading."""

    CANDIDATE = "candidate"
    STATE = "state"
    ORIGIN = "origin"
    DROP = "drop"
    SEEN = "seen"
    FLOPS = "FLOPs"
    LATENCY = "latency"
    ENERGY = "energy"
    PARAMETERS = "parameters"
    DIVERGENCE = "divergence"
    VERIFIED = "verified"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate, and its view where it has a drop."""

    candidate: Candidate
    member: Member | None

    def value(self, column: Column) -> Any:  # Any: of one type per column
        """Return what a column shows, None for nothing."""
        candidate, member, outcome = self.candidate, self.member, self.candidate.outcome
        match column:
            case Column.CANDIDATE:
                return candidate.number
            case Column.STATE:
                return candidate.state.value
            case Column.ORIGIN:
                return candidate.proposal.origin.value
            case Column.DROP:
                return outcome.drop if outcome else None
            case Column.SEEN:
                return outcome.seen if outcome else None
            case Column.SECONDS:
                return outcome.seconds if outcome else None
            case Column.VERIFIED:
                return candidate.verification.drop if candidate.verification else None
            case Column.FLOPS:
                return member and member.flops_ratio
            case Column.LATENCY:
                return member and member.latency_ratio
            case Column.ENERGY:
                return member and member.energy_ratio
            case Column.PARAMETERS:
                return member and member.parameters
            case Column.DIVERGENCE:
                return member and member.divergence


def rows_of(study: Study, state: State) -> list[Row]:
    """Return all candidates of a study in number order."""
    members = {member.candidate: member for member in state.records.members(study)} if study.baseline else {}
    return [Row(candidate, members.get(candidate.number)) for candidate in state.records.candidates(study)]
