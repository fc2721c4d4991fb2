"""The elite is Optuna's own, in its order."""

from __future__ import annotations

from random import Random

import optuna
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers.nsgaii._elite_population_selection_strategy import NSGAIIElitePopulationSelectionStrategy

from optimizer.samplers.elite import elite
from optimizer.samplers.protocol import Told

values = st.sampled_from([0.0, 0.1, 0.2, 0.30000000000000004, 0.7, 1.0])


@st.composite
def populations(draw: st.DrawFn) -> list[Told]:
    objectives, constraints = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    row = st.tuples(
        st.tuples(*[values] * objectives), st.tuples(*[st.sampled_from([-1.0, 0.0, 0.5, 2.0])] * constraints)
    )
    return [
        Told(number=number, point=(0.5,), losses=losses, violations=violations)
        for number, (losses, violations) in enumerate(draw(st.lists(row, min_size=2, max_size=40)))
    ]


@given(population=populations(), share=st.floats(0.1, 1.0))
@settings(max_examples=150, deadline=None)
def test_optuna_selects_the_same_parents_in_the_same_order(population: list[Told], share: float) -> None:
    size = max(2, round(share * len(population)))
    study = optuna.create_study(directions=["minimize"] * len(population[0].losses))
    trials = [
        optuna.trial.create_trial(
            values=told.losses, constraints={str(index): value for index, value in enumerate(told.violations)}
        )
        for told in population
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    theirs = NSGAIIElitePopulationSelectionStrategy(population_size=size)(study, trials)
    assert [told.number for told in elite(population, size).parents] == [trial.number for trial in theirs]


@given(population=populations(), share=st.floats(0.1, 1.0), chance=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_parents_stay_when_anybody_leaves_that_shares_no_rank_with_one(
    population: list[Told], share: float, chance: Random
) -> None:
    size = max(2, round(share * len(population)))
    parents, ranked = elite(population, size)
    left = [told for told in population if told in ranked or chance.random() < 0.5]
    assert elite(left, size).parents == parents
