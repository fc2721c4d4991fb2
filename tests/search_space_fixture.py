"""A space without a model, for the tests of the search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.outcomes import groups_of
from optimizer.costs.costs import linear_cost
from optimizer.search.space import Space
from optimizer.search.steps import Step
from search_spaces.config import Config, Form
from search_spaces.groups import Group, GroupKind
from studies.records import Candidate, CandidateState, Outcome, Proposal


def groups(layers: int = 3, *, neurons: int = 96, step: int = 8) -> tuple[Group, ...]:
    return groups_of(layers=layers, heads=12, neurons=neurons, step=step)


def space(limits: dict[str, float] | None = None) -> Space:
    made = groups()
    flops = linear_cost(made, {g.name: 8.0 if g.kind is GroupKind.HEADS else 1.0 for g in made}, dense=700.0)
    harms = {g.name: (1 + g.layer) * (1 - np.array(g.levels) / g.units) ** 2 for g in made}
    return Space(made, Form.RECONSTRUCTED, {"flops": flops}, harms, limits or {})


def harm(config: Config) -> float:
    """The made-up truth: what the tables say, with an interaction that they do not know."""
    kept = config.as_dict()
    alone = sum((1 + g.layer) * (1 - kept[g.name] / g.units) ** 2 for g in groups())
    return alone * (1 + 0.3 * (kept["layer.0.heads"] < 4))


def settled(step: Step, harm: Callable[[Config], float] = harm) -> Proposal:
    """What is proposed: of neighbours the one of least harm."""
    return step if isinstance(step, Proposal) else step.closest([*map(harm, step.configs)])


def candidate(
    number: int, proposal: Proposal, *, epsilon: float = 0.01, harm: Callable[[Config], float] = harm
) -> Candidate:
    """A finished candidate whose drop is its harm, two points at all removed."""
    drop = round(872 * 0.012 * harm(proposal.config)) / 872
    stopped = drop > 4 * epsilon
    outcome = Outcome(
        state=CandidateState.STOPPED if stopped else CandidateState.COMPLETE,
        drop=drop,
        seen=128 if stopped else 872,
        lost=round(drop * 872),
        gained=0,
    )
    return Candidate(id=number + 1, study_id=1, number=number, proposal=proposal, state=outcome.state, outcome=outcome)
