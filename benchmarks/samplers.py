"""How good what samplers find is, and what a proposal takes, on a simulated model of 24 groups.

    python -m benchmarks.samplers --sampler tpe --candidates 100 --seeds 10
    python -m benchmarks.samplers --sampler optuna-gp               # Optuna's Gaussian processes, which no study uses
    python -m benchmarks.samplers --sampler gp --among 25,100,1000  # a proposal when so many are told

Each seed is a search by the sampler alone, without ladder and refinement. Prints the median hypervolume of (drop / ε,
FLOPs ratio) up to (1, 1) with its lowest and highest, and the seconds of processor time of a proposal.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution

from benchmarks.large_study import evaluated, space
from benchmarks.simulated import EPSILON
from optimizer.fronts.front import hypervolume
from optimizer.samplers import make_sampler
from optimizer.samplers.protocol import Point, Sampler, Told
from optimizer.samplers.replay import Problem, ReplaySampler
from optimizer.search.window import Window

ASKS = 16
STARTUP = 10  # candidates that Optuna's Gaussian processes are told before they begin


class OptunaGp(ReplaySampler):
    """Optuna's Gaussian processes, a new sampler and study for each ask, as studies do with its genetic samplers."""

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return what a fresh sampler proposes."""
        if len(self._told) < STARTUP:
            return self._problem.uniform(number, attempt)
        names = [f"x{axis}" for axis in range(self._problem.dimensions)]
        axes: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in names}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.GPSampler(
                seed=self._problem.seed_of(number, attempt), n_startup_trials=0, deterministic_objective=True
            )
        study = optuna.create_study(directions=["minimize"] * self._problem.objectives, sampler=sampler)
        for told in self._told:
            study.add_trial(
                optuna.trial.create_trial(
                    values=told.losses,
                    params=dict(zip(names, told.point, strict=True)),
                    distributions=axes,
                    constraints={str(index): value for index, value in enumerate(told.violations)},
                )
            )
        return tuple(study.ask(axes).params.values())


def worth(number: int, point: Point) -> Told:
    """Return what the config at a point is worth."""
    config = space().at_point(point)
    drop = evaluated(config).drop or 0.0
    losses = drop, space().costs["flops"].ratio(config)
    return Told(number=number, point=point, losses=losses, violations=((drop - EPSILON) / EPSILON,))


def searched(sampler: Sampler, candidates: int) -> tuple[float, float]:
    """Return the hypervolume that a search reaches, and the seconds of processor time of a proposal."""
    told, feasible, spent = Window(), list[tuple[float, float]](), 0.0
    for number in range(candidates):
        started = time.process_time()
        sampler.recall(told.latest, forgotten=told.forgotten)
        point = sampler.ask(number)
        spent += time.process_time() - started
        told.add(found := worth(number, point))
        if found.is_feasible:
            feasible.append((found.losses[0] / EPSILON, found.losses[1]))
    return hypervolume(feasible, (1.0, 1.0)) if feasible else 0.0, spent / candidates


def seconds_among(sampler: Sampler, candidates: int) -> float:
    """Return the seconds of processor time of a proposal when so many candidates of random points were told."""
    chance = np.random.default_rng(0)
    sampler.recall([worth(n, tuple(chance.random(space().dimensions).tolist())) for n in range(candidates)])
    sampler.ask(candidates)  # imports what it needs
    started = time.process_time()
    for number in range(ASKS):
        sampler.ask(candidates + number)
    return round((time.process_time() - started) / ASKS, 4)


def figures(make: Callable[[int], Sampler], seeds: int, candidates: int) -> dict[str, float]:
    """Return what searches of so many seeds reach."""
    runs = [searched(make(seed), candidates) for seed in range(seeds)]
    volumes = [volume for volume, _ in runs]
    found = {"hypervolume": median(volumes), "lowest": min(volumes), "highest": max(volumes)}
    return {**{name: round(value, 4) for name, value in found.items()}, "s": round(median(s for _, s in runs), 4)}


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--among", default="", help="candidates told, with commas")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    counts = {"dimensions": space().dimensions, "budget": options.candidates, "objectives": 2, "constraints": 1}

    def made(seed: int) -> Sampler:
        if options.sampler == "optuna-gp":
            return OptunaGp(Problem(seed=seed, **counts))
        return make_sampler(options.sampler, seed=seed, **counts)

    for count in map(int, options.among.split(",") if options.among else ()):
        seconds = seconds_among(made(0), count)
        print(json.dumps({"sampler": options.sampler, "among": count, "s": seconds}), flush=True)
    if not options.among:
        print(json.dumps({"sampler": options.sampler, **figures(made, options.seeds, options.candidates)}))


if __name__ == "__main__":
    main()
