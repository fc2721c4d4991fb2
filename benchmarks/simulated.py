"""A study without a model: the real proposer over configs whose outcome is a formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np

from benchmarks.outcomes import groups, outcome_of
from optimizer.costs.costs import linear_cost
from optimizer.samplers import make_sampler
from optimizer.samplers.protocol import Told
from optimizer.search.ladder import ladder
from optimizer.search.proposer import StagedProposer
from optimizer.search.refine import Refiner
from optimizer.search.space import Space
from optimizer.selection.feasible import is_feasible
from search_spaces.config import Form
from search_spaces.groups import GroupKind
from studies.records import Candidate, CandidateState

EPSILON = 0.02


@cache
def space() -> Space:
    """Return the space of its configs."""
    made = groups()
    flops = linear_cost(made, {g.name: 8.0 if g.kind is GroupKind.HEADS else 1.0 for g in made}, dense=700.0)
    harms = {g.name: (1 + g.layer) * (1 - np.array(g.levels) / g.units) ** 2 for g in made}
    return Space(made, Form.RECONSTRUCTED, {"flops": flops}, harms, {})


def proposer(trials: int, *, seed: int, sampler: str = "nsga2") -> StagedProposer:
    """Return a study's proposer."""
    return proposer_in(space(), trials, seed=seed, sampler=sampler)


def proposer_in(of: Space, trials: int, *, seed: int, sampler: str) -> StagedProposer:
    """Return the proposer of a study that seeks the least FLOPs of a space within `EPSILON`."""
    return StagedProposer(
        of,
        seeds=ladder(of, trials),
        trials=trials,
        make_sampler=lambda: make_sampler(
            sampler, dimensions=of.dimensions, seed=seed, budget=trials, objectives=2, constraints=1
        ),
        worth=partial(told, of),
        refiner=Refiner(of, is_feasible=partial(is_feasible, epsilon=EPSILON)),
    )


def told(of: Space, candidate: Candidate) -> Told | None:
    """Return what a sampler is told of a candidate."""
    outcome, point = candidate.outcome, candidate.proposal.coordinates
    if outcome is None or outcome.drop is None or point is None:
        return None
    losses = outcome.drop, of.costs["flops"].ratio(candidate.config)
    violations = ((outcome.drop - EPSILON) / EPSILON,)
    return Told(number=candidate.number, point=point, losses=losses, violations=violations)


def problems(candidates: Sequence[Candidate], trials: int) -> list[str]:
    """Return what is wrong with a search: candidates lost, doubled, without a reason or with another's answer."""
    found = [f"{len(candidates)} of {trials} candidates"] if len(candidates) != trials else []
    found += ["numbers with gaps"] if [c.number for c in candidates] != list(range(len(candidates))) else []
    doubled = [config for config, count in Counter(c.config for c in candidates).items() if count > 1]
    found += [f"proposed twice: {config.canonical_json()}" for config in doubled]
    for candidate in candidates:
        outcome = candidate.outcome
        if outcome is None:
            found.append(f"#{candidate.number} never finished")
        elif outcome.state is CandidateState.FAILED:
            found += [] if outcome.reason else [f"#{candidate.number} failed without a reason"]
        elif replace(outcome, seconds=0.0) != outcome_of(candidate.config):
            found.append(f"#{candidate.number} has another's outcome")
    return found
