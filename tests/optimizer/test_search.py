"""The search without a model: ladder, sampler, refinement, the published algorithm, and what a kill leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from search_space_fixture import candidate, groups, harm, settled, space

from optimizer.costs.limits import least_ratio, refuse_unreachable
from optimizer.errors import InputError
from optimizer.evaluation.rivals import Rival
from optimizer.executors.inprocess import InProcess
from optimizer.loop.loop import Budget, Search
from optimizer.samplers import SAMPLERS, make_sampler
from optimizer.samplers.protocol import Told
from optimizer.search.iterative import IterativeProposer
from optimizer.search.ladder import ladder
from optimizer.search.proposer import Proposer, StagedProposer
from optimizer.search.refine import Refiner
from optimizer.search.space import Space
from optimizer.search.steps import Step
from optimizer.selection.feasible import is_feasible
from search_spaces.config import Config
from search_spaces.groups import check_config
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal
from studies.store import StudyStore

EPSILON = 0.01
TRIALS = 24


def feasible(c: Candidate) -> bool:
    return is_feasible(c, EPSILON)


def worth(of: Space) -> object:
    def told(c: Candidate) -> Told | None:
        if c.outcome is None or c.outcome.drop is None or c.proposal.coordinates is None:
            return None
        drop = c.outcome.drop
        losses = drop, of.costs["flops"].ratio(c.config)
        return Told(
            number=c.number, point=c.proposal.coordinates, losses=losses, violations=((drop - EPSILON) / EPSILON,)
        )

    return told


def staged(sampler: str = "tpe", trials: int = TRIALS, limits: dict[str, float] | None = None) -> StagedProposer:
    of = space(limits)
    return StagedProposer(
        of,
        seeds=ladder(of, trials),
        trials=trials,
        make_sampler=lambda: make_sampler(sampler, dimensions=4, seed=7, budget=trials, objectives=2, constraints=1),
        worth=worth(of),  # type: ignore[arg-type]
        refiner=Refiner(of, is_feasible=feasible),
    )


def run(proposer: Proposer, trials: int, history: Sequence[Candidate] = ()) -> list[Candidate]:
    found = list(history)
    while len(found) < trials and (step := proposer.propose(found)) is not None:
        found.append(candidate(len(found), settled(step)))
    return found


@pytest.mark.parametrize("trials", [1, 2, 20, 100, 1000])
def test_the_ladder_takes_at_most_a_third_and_repeats_nothing(trials: int) -> None:
    seeds = [proposal.config for proposal in ladder(space(), trials)]
    assert 1 <= len(seeds) <= max(1, trials // 3)
    assert len(set(seeds)) == len(seeds)
    for config in seeds:
        check_config(config, groups())


def test_the_ladder_keeps_the_limits() -> None:
    limited = space({"flops": 0.55})
    seeds = ladder(limited, 300)
    assert len(seeds) > 5
    assert all(limited.costs["flops"].ratio(proposal.config) <= 0.55 for proposal in seeds)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_stages_follow_each_other_and_no_config_comes_twice(sampler: str) -> None:
    found = run(staged(sampler), TRIALS)
    origins = [c.proposal.origin for c in found]
    assert len(found) == TRIALS
    assert origins == sorted(origins, key=[Origin.LADDER, Origin.SAMPLER, Origin.REFINE].index)
    assert set(origins) == {Origin.LADDER, Origin.SAMPLER, Origin.REFINE}
    assert len({c.config for c in found}) == TRIALS
    for c in found:
        check_config(c.config, groups())


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_a_kill_after_every_candidate_changes_nothing(sampler: str) -> None:
    whole = [c.config for c in run(staged(sampler), TRIALS)]
    history: list[Candidate] = []
    for number in range(TRIALS):
        step = staged(sampler).propose(history)
        assert step is not None
        proposal = settled(step)
        assert proposal.config == whole[number]
        history.append(candidate(number, proposal))


def test_sampled_proposals_keep_the_limits() -> None:
    proposer = staged(limits={"flops": 0.5})
    assert all(space().costs["flops"].ratio(c.config) <= 0.5 for c in run(proposer, TRIALS))


def test_refined_candidates_have_parents_and_improve_on_some_of_them() -> None:
    found = run(staged(), 60)
    refined = [c for c in found if c.proposal.origin is Origin.REFINE]
    assert all(c.proposal.parent is not None and c.proposal.parent < c.number for c in refined)
    flops = space().costs["flops"]
    better = [
        c
        for c in refined
        if harm(c.config) < harm(found[c.proposal.parent or 0].config)
        and flops.total(c.config) <= flops.total(found[c.proposal.parent or 0].config)
    ]
    assert better


def test_twenty_duplicates_end_the_samplers_stage() -> None:
    of = space()

    class Stuck:
        def ask(self, number: int, attempt: int = 0) -> tuple[float, ...]:
            return (0.5, 0.5, 0.5, 0.5)

        def tell(self, told: Told) -> None:
            pass

        def expect(self, point: tuple[float, ...]) -> None:
            pass

        def recall(
            self, told: Sequence[Told], *, forgotten: int = 0, expected: Sequence[tuple[float, ...]] = ()
        ) -> None:
            pass

    proposer = StagedProposer(
        of,
        seeds=ladder(of, 30),
        trials=30,
        make_sampler=Stuck,
        worth=worth(of),  # type: ignore[arg-type]
        refiner=Refiner(of, is_feasible=feasible),
    )
    origins = [c.proposal.origin for c in run(proposer, 30)]
    assert origins.count(Origin.SAMPLER) == 1
    assert origins.count(Origin.REFINE) == 30 - 10 - 1


def held_up_to(tenths: int) -> list[float | None]:
    """Ratios that the published algorithm tries when ε holds up to this many tenths."""

    def is_held(c: Candidate) -> bool:
        return round((c.proposal.coordinates or (0,))[0] * 10) <= tenths

    proposer = IterativeProposer(groups(), is_held)
    return [(c.proposal.coordinates or (None,))[0] for c in run(proposer, 20)]


def test_the_published_algorithm_starts_at_three_tenths_and_stops_where_epsilon_breaks() -> None:
    assert held_up_to(5) == [0.3, 0.4, 0.5, 0.6]
    assert held_up_to(3) == [0.3, 0.4]
    assert held_up_to(1) == [0.3, 0.2, 0.1]
    assert held_up_to(0) == [0.3, 0.2, 0.1]
    assert held_up_to(9) == [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def outcome_of(config: Config) -> Outcome:
    outcome = candidate(0, Proposal(config=config, origin=Origin.USER)).outcome
    assert outcome is not None
    return outcome


class Made:
    """Evaluates without a model."""

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        return outcome_of(config)

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        return tuple(map(harm, configs))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    with closing(open_store(f"sqlite:///{tmp_path}/s.sqlite")) as opened:
        yield opened


def test_the_loop_stores_every_candidate_before_the_next_and_takes_up_the_one_in_flight(store: StudyStore) -> None:
    study = store.create_study("s", {})
    evaluated: list[Config] = []

    class Interrupted(Made):
        def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
            evaluated.append(config)
            if len(evaluated) == 5:
                raise KeyboardInterrupt
            return super().evaluate(config, rivals)

    def go(trials: int) -> None:
        Search(
            study_id=study.id,
            store=store,
            proposer=staged(),
            executor=InProcess(Interrupted()),
            budget=Budget(trials=trials),
            on_finished=lambda _: None,
        ).run()

    with pytest.raises(KeyboardInterrupt):
        go(12)
    states = [c.state for c in store.candidates(study.id)]
    assert states[:4].count(CandidateState.RUNNING) == 0
    assert states[4:] == [CandidateState.RUNNING]
    go(12)
    stored = store.candidates(study.id)
    assert len(stored) == 12
    assert evaluated[4] == evaluated[5]
    assert len(evaluated) == 13
    assert [c.config for c in stored] == [c.config for c in run(staged(), TRIALS)][:12]


def searched(
    store: StudyStore, proposer: Proposer, budget: Budget, *, seconds_each: float = 0.0
) -> tuple[str | None, int]:
    """Return why a search ended early, and after how many candidates."""
    ticks = count()
    study = store.create_study(f"s{len(store.studies())}", {})
    found = Search(
        study_id=study.id,
        store=store,
        proposer=proposer,
        executor=InProcess(Made()),
        budget=budget,
        on_finished=lambda _: None,
        clock=lambda: next(ticks) * seconds_each,
    ).run()
    return found.ended, len(found.candidates)


def test_a_search_that_ends_before_its_trials_says_why(store: StudyStore) -> None:
    assert searched(store, staged(), Budget(trials=12)) == (None, 12)
    ended, candidates = searched(store, staged(), Budget(trials=12, timeout_s=5.0, spent_s=1.0), seconds_each=1.0)
    assert candidates < 12
    assert ended == f"the search ended after {candidates} of 12 trials: the timeout of 5 s was reached"
    ended, candidates = searched(store, staged(limits={"flops": 1e-9}), Budget(trials=12))
    assert (ended or "").startswith(f"the search ended after {candidates} of 12 trials: neither sampler")
    ended, candidates = searched(store, IterativeProposer(groups(), lambda _: True), Budget(trials=12))
    assert ended == f"the search ended after {candidates} of 12 trials: the iterative algorithm stops at the ratio " + (
        "where ε breaks"
    )


def test_a_parent_with_neighbours_under_one_allowance_alone_is_refined() -> None:
    of = space()
    nearly_nothing = Config.of({g.name: int(g.name == "layer.0.heads") for g in groups()}, of.form)
    parent = candidate(0, Proposal(config=nearly_nothing, origin=Origin.USER))
    found = Refiner(of, is_feasible=feasible).propose([parent])
    assert found is not None
    assert found.parent == 0


def test_the_sampler_takes_over_where_refinement_is_dry() -> None:
    class Dry:
        def propose(self, finished: Sequence[Candidate], pending: Sequence[Step]) -> None:
            return None

    proposer = staged()
    proposer._refiner = Dry()  # type: ignore[assignment]
    origins = [c.proposal.origin for c in run(proposer, TRIALS)]
    assert origins == [Origin.LADDER] * (TRIALS // 3) + [Origin.SAMPLER] * (TRIALS - TRIALS // 3)


def test_limits_that_no_config_keeps_are_refused_with_the_least_possible_ratio() -> None:
    of = space()
    least = least_ratio(of.costs["flops"], groups())
    refuse_unreachable({"flops": least, "energy": 1e-9}, of.costs, groups())
    with pytest.raises(InputError, match=rf"limits.flops_ratio: no config is within .* ratio is {least:.4g}"):
        refuse_unreachable({"flops": least / 2}, of.costs, groups())
