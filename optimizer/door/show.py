"""Show: a front as a table, as a picture and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from optimizer.fronts.headline import headline
from optimizer.fronts.recommendation import COSTS
from optimizer.views.member import FrontResult, Member, RunResult, VerificationView
from studies.records import Verdict

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FIRST = ("candidate", "verdict", "drop", *(f"{cost}_ratio" for cost in COSTS))
CHECKED = ("n", "accuracy", "drop", "upper_95", "shrunken_drop", "chance_above")  # columns of the verification
SHOWN = (*FIRST, *(f"verification_{name}" for name in CHECKED[2:]))
COLOURS = {
    Verdict.CERTIFIED: "#2a7",
    Verdict.VERIFIED: "#27a",
    Verdict.REFUTED: "#c33",
    Verdict.MEASURED: "#27a",
    Verdict.UNVERIFIED: "#c90",
}


def table_of(members: Sequence[Member]) -> pd.DataFrame:
    """Return one row per member, its columns named as the fields of `Member`, those of its verification after it."""
    others = [name for name in Member.model_fields if name not in (*FIRST, "verification")]
    checked = [f"verification_{name}" for name in CHECKED]
    return pd.DataFrame([_row(member) for member in members], columns=[*FIRST, *_own(members), *checked, *others])


def _own(members: Sequence[Member]) -> list[str]:
    """Return the columns of the caller's own objectives."""
    return list(dict.fromkeys(f"{name}_ratio" for member in members for name in member.own_ratios))


def figure_of(view: FrontResult, result: RunResult) -> Figure:
    """Return a plotly figure: the drop against the ratio of the first objective, ε as a line where there is one."""
    from plotly.graph_objects import Figure, Scatter

    cost = view.objectives[0]
    figure = Figure()
    for verdict, colour in COLOURS.items():
        some = [member for member in view.items if member.verdict is verdict]
        if some:
            figure.add_trace(
                Scatter(
                    x=[member.ratio(cost) for member in some],
                    y=[_drop(member) for member in some],
                    text=[f"candidate {member.candidate}" for member in some],
                    mode="markers",
                    marker={"color": colour, "size": 10},
                    name=verdict.value,
                )
            )
    if view.epsilon is not None:
        figure.add_hline(y=view.epsilon, line_dash="dot", annotation_text=f"ε = {view.epsilon:g}")
    figure.update_layout(
        title=f"{result.study}: {result.model} on {result.task}",
        xaxis_title=f"{cost}, as a ratio to the dense model's",
        yaxis_title=f"drop of {result.metric}",
    )
    return figure


def html_of(view: FrontResult) -> str:
    """Return the front as HTML: its headline and a table."""
    table = table_of(view.items)[[*SHOWN, *_own(view.items)]].dropna(axis="columns", how="all")
    rows = table.to_html(index=False, float_format=lambda value: f"{value:.4g}", border=0)
    return f"<p>{escape(headline(view))}</p>{rows}"


def _row(member: Member) -> dict[str, Any]:  # Any: values of several kinds
    fields = {name: getattr(member, name) for name in Member.model_fields if name != "verification"}
    found: VerificationView | None = member.verification
    checked = {f"verification_{name}": getattr(found, name) if found else None for name in CHECKED}
    own = {f"{name}_ratio": ratio for name, ratio in member.own_ratios.items()}
    return {**own, **fields, **checked, "verdict": member.verdict.value}


def _drop(member: Member) -> float | None:
    return member.verification.drop if member.verification else member.drop
