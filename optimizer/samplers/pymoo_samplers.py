"""pymoo's genetic algorithms by their operators: a generation's children are a list that follows from its ancestors.

pymoo's algorithm object lives through a whole run and is saved by pickling it. We call its parts instead, survival
for the parents and mating for the children, on a population rebuilt from what was told.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowding, binary_tournament
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.algorithms.moo.sms import SMSEMOA, LeastHypervolumeContributionSurvival, cv_and_dom_tournament
from pymoo.algorithms.moo.unsga3 import UNSGA3
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.util.ref_dirs import get_reference_directions

from optimizer.samplers.protocol import Point, Told
from optimizer.samplers.replay import Problem, ReplaySampler


class PymooSampler(ReplaySampler):
    """What the adapters share: uniform points until there are parents, then the children of each generation."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._cube = PymooProblem(
            n_var=problem.dimensions, n_obj=problem.objectives, n_ieq_constr=problem.constraints, xl=0.0, xu=1.0
        )
        self._litters: dict[tuple[int, int], NDArray[np.float64]] = {}  # children by generation and attempt

    @abstractmethod
    def _algorithm(self) -> GeneticAlgorithm:
        """Return the operators, all our own: pymoo's defaults are objects that every algorithm of a process shares."""

    def _shared(self, compare: Callable[..., Any]) -> Mapping[str, Any]:
        """Return what the algorithms have in common but for the tournament's comparison.

        A mutation wider than the usual PM(20) keeps a population of ten from growing alike: over twenty seeds of the
        tests' synthetic study NSGA-II has a hypervolume of 0.134, against 0.118.
        """
        return {
            "pop_size": self._problem.population,
            "selection": TournamentSelection(func_comp=compare),
            "crossover": SBX(eta=15, prob=0.9),
            "mutation": PM(eta=5),
        }

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return a child of the current generation, or a uniform point while there are no parents."""
        if self._generation == 0:
            return self._problem.uniform(number, attempt)
        litter = self._generation, attempt
        if litter not in self._litters:
            self._litters[litter] = self._children(attempt)
        children = self._litters[litter]
        # by number, not by how many were told: a candidate that failed is never told, and the next must differ
        return tuple(children[number % len(children)].tolist())

    def _children(self, attempt: int) -> NDArray[np.float64]:
        """Return the `(population, d)` children that the generation's parents have at this attempt."""
        algorithm = self._algorithm()
        algorithm.random_state = np.random.default_rng(self._problem.sequence(self._generation, attempt, 0))
        children = algorithm.mating.do(
            self._cube,
            self._parents(algorithm.survival),
            self._problem.population,
            algorithm=algorithm,
            random_state=algorithm.random_state,
        )
        points: NDArray[np.float64] = children.get("X").clip(0.0, 1.0)
        return points

    def _parents(self, survival: Any) -> Population:
        """Return the best of all ancestors; the same ones for every child of the generation."""
        return survival.do(
            self._cube, population_of(self._ancestors), n_survive=self._problem.population, random_state=self._rng()
        )

    def _rng(self) -> np.random.Generator:
        """Return the generator that chooses this generation's parents."""
        return np.random.default_rng(self._problem.sequence(self._generation))

    def _directions(self) -> NDArray[np.float64]:
        return directions(self._problem.objectives, self._problem.population)


class PymooNsga2Sampler(PymooSampler):
    """NSGA-II (Deb et al. 2002, https://doi.org/10.1109/4235.996017), feasible first."""

    def _algorithm(self) -> GeneticAlgorithm:
        return NSGA2(**self._shared(binary_tournament), survival=RankAndCrowding())


class PymooNsga3Sampler(PymooSampler):
    """NSGA-III (Deb and Jain 2014, https://doi.org/10.1109/TEVC.2013.2281535): one niche per reference direction."""

    def _algorithm(self) -> GeneticAlgorithm:
        return NSGA3(self._directions(), **self._shared(feasible_then_random))


class PymooUnsga3Sampler(PymooSampler):
    """U-NSGA-III (Seada and Deb 2016, https://doi.org/10.1109/TEVC.2015.2459718): NSGA-III with niche tournaments."""

    def _algorithm(self) -> GeneticAlgorithm:
        return UNSGA3(self._directions(), **self._shared(feasible_then_niche))


class PymooSmsEmoaSampler(PymooSampler):
    """SMS-EMOA (Beume et al. 2007, https://doi.org/10.1016/j.ejor.2006.08.008): least hypervolume leaves first.

    One loss has no hypervolume in pymoo; its order by rank is that of NSGA-II.
    """

    def _algorithm(self) -> GeneticAlgorithm:
        survival = RankAndCrowding() if self._problem.objectives == 1 else LeastHypervolumeContributionSurvival()
        return SMSEMOA(**self._shared(cv_and_dom_tournament), survival=survival)


class PymooCtaeaSampler(PymooSampler):
    """C-TAEA (Li et al. 2019, https://doi.org/10.1109/TEVC.2018.2855411): an archive for each of two aims.

    One archive converges under the constraints, the other spreads without them. Both are mated.
    """

    def _algorithm(self) -> GeneticAlgorithm:
        return CTAEA(self._directions(), crossover=SBX(n_offsprings=1, eta=15, prob=0.9), mutation=PM(eta=5))

    def _parents(self, survival: Any) -> Population:
        """Return both archives, one after the other, as restricted mating wants them."""
        size, told = self._problem.population, self._ancestors
        spread = population_of(told[:-size]) if len(told) > size else Population()
        archives = survival.do(self._cube, population_of(told), spread, n_survive=size, random_state=self._rng())
        return Population.merge(*archives)


def population_of(told: Sequence[Told]) -> Population:
    """Return these candidates as pymoo holds them, evaluated."""
    return Population.new(
        X=np.array([t.point for t in told]),
        F=np.array([t.losses for t in told]),
        G=np.array([t.violations for t in told]),
    )


@cache
def directions(objectives: int, population: int) -> NDArray[np.float64]:
    """Return up to `population` unit weights `(n, objectives)`, evenly spread (Das and Dennis 1998)."""
    if objectives == 1:
        return np.ones((1, 1))
    partitions = 1
    while comb(partitions + objectives, objectives - 1) <= population:
        partitions += 1
    weights: NDArray[np.float64] = get_reference_directions("das-dennis", objectives, n_partitions=partitions)
    return weights


def feasible_then_random(population: Population, pairs: Any, *, random_state: np.random.Generator, **_: Any) -> Any:
    """Return the lesser violation of each pair, `(n, 1)`; pymoo's own comparison stumbles over two alike."""
    return _winners(population, pairs, random_state, lambda one, other: (one.CV[0], other.CV[0]))


def feasible_then_niche(population: Population, pairs: Any, *, random_state: np.random.Generator, **_: Any) -> Any:
    """Return the lesser violation of each pair, in one niche the lower rank, then the closer to its direction."""

    def values(one: Any, other: Any) -> tuple[Any, Any]:
        if one.CV[0] <= 0 and other.CV[0] <= 0 and one.get("niche") == other.get("niche"):
            return one.get("rank", "dist_to_niche"), other.get("rank", "dist_to_niche")
        return one.CV[0], other.CV[0]

    return _winners(population, pairs, random_state, values)


def _winners(
    population: Population,
    pairs: NDArray[np.int_],
    rng: np.random.Generator,
    values: Callable[[Any, Any], tuple[Any, Any]],
) -> NDArray[np.int_]:
    """Return the index of the lesser of each pair, `(n, 1)`; equals are drawn."""
    winners = []
    for a, b in pairs:
        one, other = values(population[a], population[b])
        winners.append(rng.choice([a, b]) if one == other else a if one < other else b)
    return np.array(winners)[:, None]
