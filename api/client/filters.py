"""Filters: what narrows a front or a recommendation, as keywords and as a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, get_args

from optimizer.errors import UnknownNameError
from optimizer.spec import CostName
from studies.records import Verdict

Query = Mapping[str, object]


class FrontFilter(TypedDict, total=False):
    """Fields left out do not filter. `limits` are upper ratios to the dense model's cost."""

    epsilon: float | None
    objectives: Sequence[str] | None
    limits: Mapping[str, float] | None
    max_energy_j: float | None  # per inference
    min_accuracy: float | None  # of the task's metric
    verdict: Sequence[Verdict] | None


def query_of(chosen: FrontFilter) -> Query:
    """Return a filter as the query that the server reads. Raises `UnknownNameError` for a limit on no cost."""
    plain = {name: value for name, value in chosen.items() if name != "limits"}
    limits = chosen.get("limits") or {}
    for cost in limits:
        if cost not in get_args(CostName):  # the server would pass over a parameter that it does not know
            raise UnknownNameError("limits", cost, get_args(CostName))
    return {**plain, **{f"max_{cost}_ratio": limit for cost, limit in limits.items()}}
