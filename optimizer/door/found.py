"""The front in Python: what a study found, to look at, to choose from and to filter again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from optimizer.door.folder import Folder
from optimizer.door.home import Kept
from optimizer.door.member import FrontMember
from optimizer.door.show import figure_of, html_of, table_of
from optimizer.errors import InputError, NothingFeasibleError, UnknownNameError
from optimizer.fronts.fronts import front_of, members_of
from optimizer.fronts.headline import bounds_in_words, headline, in_doubt
from optimizer.fronts.recommendation import COSTS, Rule, recommend
from optimizer.views.footprint import Footprint, footprint
from optimizer.views.member import FrontResult, Member, RunResult, most_accurate
from studies.records import Verdict

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


class Front:
    """The members of a study's front, fewest FLOPs first: `len`, iteration, and `front[3]`, which is candidate 3.

    `result` is the whole run; `view` the front at this ε and under these limits.
    """

    def __init__(self, kept: Kept, result: RunResult, view: FrontResult | None = None) -> None:
        self._kept, self.result = kept, result
        self.view = view or front_of(kept.study, kept.candidates)

    @property
    def epsilon(self) -> float | None:
        """The tolerated drop; None where limits alone bound the study."""
        return self.view.epsilon

    def __len__(self) -> int:
        return len(self.view.items)

    def __iter__(self) -> Iterator[FrontMember]:
        return (FrontMember(member, self._kept) for member in self.view.items)

    def __getitem__(self, candidate: int) -> FrontMember:
        """Return a candidate by its number. Raises `KeyError` naming the members."""
        for member in self.view.items:
            if member.candidate == candidate:
                return FrontMember(member, self._kept)
        numbers = ", ".join(str(member.candidate) for member in self.view.items)
        raise KeyError(f"candidate {candidate} is not on the front; its members are {numbers or 'none'}")

    @property
    def candidates(self) -> list[Member]:
        """All evaluated candidates of the study."""
        return members_of(self._kept.study, self._kept.candidates)

    def table(self) -> pd.DataFrame:
        """Return one row per member, the columns named as the fields of `Member`."""
        return table_of(self.view.items)

    def to_optuna(self, storage: Any = None) -> Any:  # Any: optuna is untyped
        """Return all candidates as trials of a new Optuna study, in memory or in a `storage` (an object or its URL).

        The constraint of each is drop - ε. Raises `InputError` where the storage has a study of that name.
        """
        from optimizer.door.trials import optuna_study

        return optuna_study(self.result, self.candidates, storage)

    def to_mlflow(self, uri: str, *, member: int | None = None) -> str:
        """Log the study to MLflow, with a member as a model, the recommended one by default; return the id of the run.

        Raises `InputError` where mlflow is not installed.
        """
        from optimizer.door.tracking import log_to_mlflow

        if not self.view.items:
            return log_to_mlflow(self.result, self.candidates, uri)
        chosen = self.recommend() if member is None else self[member]
        folder = Folder()
        chosen.export(folder.path)
        return log_to_mlflow(self.result, self.candidates, uri, export=folder.path)

    def plot(self) -> Figure:
        """Return the drop against the first objective's ratio, a point per member."""
        return figure_of(self.view, self.result)

    def _repr_html_(self) -> str:
        return html_of(self.view)

    def __repr__(self) -> str:
        return (
            f"<front of {self.view.study!r}: {len(self)} members, {bounds_in_words(self.view)}. {headline(self.view)}>"
        )

    def best(self, **limits: float) -> FrontMember:
        """Return the certified member with the smallest drop within limits such as `max_latency_ratio=0.5`.

        Where none is certified, it is a verified one, with a warning. On a front without ε, which certifies nothing, it
        is the one with the smallest drop on the search examples. Raises `NothingFeasibleError` naming the member
        nearest to the limits where there is none, `InputError` for an unknown limit.
        """
        wanted = self._checked(limits)
        self._refuse_empty()
        if self.epsilon is None:
            within = [m for m in self.view.items if _excess(m, wanted) <= 0]
            if best := most_accurate(within):
                return FrontMember(best, self._kept)
        for verdict in (Verdict.CERTIFIED, Verdict.VERIFIED):
            within = [m for m in self.view.items if m.verdict is verdict and _excess(m, wanted) <= 0]
            if within:
                chosen = min(within, key=_drop)
                if verdict is Verdict.VERIFIED:
                    warnings.warn(_not_certified(chosen, self.epsilon), stacklevel=2)
                return FrontMember(chosen, self._kept)
        raise NothingFeasibleError(_nearest(self.view.items, wanted))

    def knee(self) -> FrontMember:
        """Return the front's knee. Raises `NothingFeasibleError` where the front has none."""
        return self.recommend(Rule.KNEE)

    def recommend(
        self,
        rule: Rule | str | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        order: Sequence[str] | None = None,
        max_drop: float | None = None,
    ) -> FrontMember:
        """Return the member that a rule chooses, with its `reason`; the argument that is given names the rule.

        As `recommend` of this package does.
        """
        self._refuse_empty()
        given = {Rule.WEIGHTS: weights, Rule.LEXICOGRAPHIC: order, Rule.BUDGET: max_drop}
        named = rule or next((name for name, value in given.items() if value is not None), None)
        found = recommend(self.view, named, weights=weights, order=order, max_drop=max_drop)
        return FrontMember(found.member, self._kept, found.reason)

    def footprint(self, region: str, *, pue: float = 1.0) -> Footprint:
        """Return what the study has spent: joules, watt-hours, grams of CO2 in a region's grid. Raises `InputError`."""
        return footprint(self.result, region=region, pue=pue)

    def _refuse_empty(self) -> None:
        if not self.view.items:
            raise NothingFeasibleError(f"the front is empty: {self.view.why_empty}")

    def refilter(
        self, epsilon: float | None = None, *, objectives: Sequence[str] | None = None, **limits: float
    ) -> Front:
        """Return the front of the stored candidates at another ε, over other objectives or within limits.

        Nothing is measured. Above the study's own ε, `view.undecided` counts stopped candidates that might belong to
        it. Raises `InputError` for an unknown limit or objective.
        """
        wanted = {
            name.removeprefix("max_").removesuffix("_ratio"): limit for name, limit in self._checked(limits).items()
        }
        if epsilon is not None and not (isinstance(epsilon, Real) and 0 <= epsilon < 1):
            raise InputError("epsilon", f"must be a number in [0, 1), got {epsilon!r}")
        view = front_of(
            self._kept.study, self._kept.candidates, epsilon=epsilon, objectives=objectives, limits=wanted or None
        )
        return Front(self._kept, self.result, view)

    @property
    def _costs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*COSTS, *self.result.objectives)))

    def _checked(self, limits: Mapping[str, float]) -> Mapping[str, float]:
        known = [f"max_{cost}_ratio" for cost in self._costs]
        for name, limit in limits.items():
            if name not in known:
                raise UnknownNameError("limit", name, known)
            if not (isinstance(limit, Real) and limit > 0):
                raise InputError(name, f"must be a number above 0, got {limit!r}")
        return limits


def _ratio(member: Member, limit: str) -> float | None:
    return member.ratio(limit.removeprefix("max_").removesuffix("_ratio"))


def _excess(member: Member, limits: Mapping[str, float]) -> float:
    """Return by how much a member is over its tightest limit, as a share of it; 0 or less is within."""
    ratios = {name: _ratio(member, name) for name in limits}
    return max((float("inf") if r is None else r / limits[name] - 1 for name, r in ratios.items()), default=0.0)


def _drop(member: Member) -> float:
    if member.verification is None:
        raise ValueError("only verified members are compared")
    return member.verification.drop


def _not_certified(member: Member, epsilon: float | None) -> str:
    return (
        f"no certified member is within the limits; candidate {member.candidate} is verified only: its drop was "
        f"observed within ε, without proof that it stays there{in_doubt(member, epsilon)}"
    )


def _nearest(members: Sequence[Member], limits: Mapping[str, float]) -> str:
    """Return why no member is within the limits, and which is nearest."""
    held = [m for m in members if m.verdict in (Verdict.CERTIFIED, Verdict.VERIFIED, Verdict.MEASURED)]
    if not held:
        return "no member of the front held its drop on the verification examples; raise epsilon"
    nearest = min(held, key=lambda member: _excess(member, limits))
    ratios = (f"{name.removeprefix('max_')} {_ratio(nearest, name)}" for name in limits)
    return f"no member is within the limits; nearest is candidate {nearest.candidate} with {', '.join(ratios)}"
