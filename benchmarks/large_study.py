"""A study of a hundred thousand candidates without a model: its space, and outcomes by a formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import insert

from benchmarks.outcomes import groups_of, share
from benchmarks.simulated import EPSILON, proposer_in
from objectives.measurement import Measurement, Source
from optimizer.costs.costs import linear_cost
from optimizer.search.proposer import StagedProposer
from optimizer.search.space import Space
from optimizer.spec import StudySpec
from search_spaces.config import Config, Form
from search_spaces.groups import Group, GroupKind
from studies.records import CandidateState, Origin, Outcome, Proposal
from studies.sql.convert import measurement_values, outcome_values, proposal_values
from studies.sql.rows import set_last_number
from studies.sql.store import SqlStore
from studies.sql.tables import Base, StudyRow

LAYERS, HEADS, NEURONS, STEP = 12, 12, 768, 32
EXAMPLES = 872
HEAD_COST, DENSE = 128.0, 30_000.0
BATCH = 5000  # rows written together


@cache
def groups() -> tuple[Group, ...]:
    """Return the heads and neurons of a model of the size of BERT-base, its neurons in 24 levels."""
    return groups_of(layers=LAYERS, heads=HEADS, neurons=NEURONS, step=STEP)


@cache
def space() -> Space:
    """Return the space of its configs."""
    made = groups()
    unit_costs = {g.name: HEAD_COST if g.kind is GroupKind.HEADS else 1.0 for g in made}
    harms = {g.name: (1 + g.layer / 4) * (1 - np.array(g.levels) / g.units) ** 2 / 4 for g in made}
    return Space(made, Form.RECONSTRUCTED, {"flops": linear_cost(made, unit_costs, dense=DENSE)}, harms, {})


def evaluated(config: Config) -> Outcome:
    """Return the outcome of a config: harms that add up, with a part of chance that belongs to the config."""
    kept, tables = config.as_dict(), space().harms
    alone = sum(float(tables[g.name][g.levels.index(kept[g.name])]) for g in groups())
    divergence = alone * (0.9 + 0.2 * share(config, "divergence"))
    lost = min(EXAMPLES, round(EXAMPLES * 0.02 * divergence))
    flops = space().costs["flops"].total(config)
    return Outcome(
        state=CandidateState.COMPLETE,
        drop=lost / EXAMPLES,
        seen=EXAMPLES,
        lost=lost,
        gained=0,
        measurements=(
            Measurement(quantity="flops", value=flops, unit="FLOP", source=Source.COUNTED),
            Measurement(quantity="parameters", value=flops / 2, unit="1", source=Source.COUNTED),
            Measurement(quantity="size", value=flops * 2, unit="B", source=Source.COUNTED),
            Measurement(quantity="divergence", value=divergence, unit="nat", source=Source.MEASURED, n=128),
        ),
    )


def proposer_of(sampler: str, trials: int, *, seed: int) -> StagedProposer:
    """Return a study's proposer."""
    return proposer_in(space(), trials, seed=seed, sampler=sampler)


def spec_of(sampler: str, trials: int) -> Mapping[str, Any]:
    """Return what such a study is stored with."""
    fields = {"model": "none", "task": "sst2", "data": "none", "epsilon": EPSILON, "sampler": sampler, "trials": trials}
    return StudySpec.model_validate(fields).model_dump(mode="json")


def stored_baseline() -> list[Measurement]:
    """Return the dense model's measurements."""
    return [
        Measurement(quantity="accuracy", value=0.9, unit="1", source=Source.MEASURED, n=EXAMPLES),
        Measurement(quantity="flops", value=DENSE, unit="FLOP", source=Source.COUNTED),
        Measurement(quantity="parameters", value=DENSE / 2, unit="1", source=Source.COUNTED),
        Measurement(quantity="size", value=DENSE * 2, unit="B", source=Source.COUNTED),
    ]


def fill(store: SqlStore, study_id: int, count: int) -> None:
    """Give a study so many candidates of random configs, without the time that starting and finishing them takes."""
    rng, now = np.random.default_rng(0), datetime.now(UTC)
    seen = set[Config]()
    with store.database.write() as session:
        while len(seen) < count:
            candidates, measurements = [], []
            for config in _random_configs(rng, seen, min(BATCH, count - len(seen))):
                outcome, number = evaluated(config), len(seen)
                seen.add(config)
                proposal = Proposal(config=config, origin=Origin.SAMPLER, coordinates=tuple(rng.random(4).tolist()))
                belongs = {"id": number + 1, "study_id": study_id, "number": number, "revision": number + 5}
                moments = {"started_at": now, "finished_at": now, "shortlisted": False}
                candidates.append(belongs | moments | proposal_values(proposal) | outcome_values(outcome))
                of = {"study_id": study_id, "candidate_id": number + 1, "later": False}
                measurements += [of | measurement_values(each) for each in outcome.measurements]
            session.execute(insert(Base.metadata.tables["candidates"]), candidates)
            session.execute(insert(Base.metadata.tables["measurements"]), measurements)
        if not count:
            return
        study = session.get_one(StudyRow, study_id)
        study.revision = study.results_revision = count + 5
        set_last_number(session.connection(), Base.metadata.tables["candidates"], count)  # whose numbers are given here


def _random_configs(rng: np.random.Generator, seen: set[Config], count: int) -> Iterator[Config]:
    while count:
        share = rng.uniform(0.5, 1.0)
        wished = np.clip(share + rng.normal(0, 0.2, len(groups())), 0, 1)
        kept = {g.name: g.levels[round(w * (len(g.levels) - 1))] for g, w in zip(groups(), wished, strict=True)}
        config = Config.of(kept)
        if config not in seen:
            count -= 1
            yield config
