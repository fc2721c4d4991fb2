"""How good what samplers find is, and what a proposal takes, on a simulated model of 24 groups.

    python -m benchmarks.samplers --sampler tpe --candidates 100 --seeds 10
    python -m benchmarks.samplers --sampler gp --windows 25,50,100  # what Gaussian processes are fitted to
    python -m benchmarks.samplers --sampler gp --among 25,50,100    # a proposal when so many are told, all fitted to

Each seed is a search by the sampler alone, without ladder and refinement. Prints for each sampler or window the median
hypervolume of (drop / ε, FLOPs ratio) up to (1, 1) with its lowest and highest, and the seconds of processor time of a
proposal.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from benchmarks.large_study import evaluated, space
from benchmarks.simulated import EPSILON
from optimizer.fronts.front import hypervolume
from optimizer.samplers import make_sampler
from optimizer.samplers.optuna_samplers import GpSampler
from optimizer.samplers.protocol import Point, Sampler, Told
from optimizer.samplers.replay import Problem
from optimizer.search.window import Window

ASKS = 3


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
    parser.add_argument("--windows", default="", help="of gp, with commas")
    parser.add_argument("--among", default="", help="candidates told, with commas")
    options = parser.parse_args()
    counts = {"dimensions": space().dimensions, "budget": options.candidates, "objectives": 2, "constraints": 1}

    def windowed(latest: int, seed: int) -> Sampler:
        return GpSampler(Problem(seed=seed, **counts), latest=latest)

    def named(seed: int) -> Sampler:
        return make_sampler(options.sampler, seed=seed, **counts)

    for count in map(int, options.among.split(",") if options.among else ()):
        told = windowed(count, 0) if options.sampler == "gp" else named(0)
        print(json.dumps({"sampler": options.sampler, "among": count, "s": seconds_among(told, count)}), flush=True)
    if options.among:
        return
    makes: dict[str, Callable[[int], Sampler]] = {options.sampler: named}
    if options.windows:
        makes = {f"gp of {each}": partial(windowed, int(each)) for each in options.windows.split(",")}
    for name, make in makes.items():
        print(json.dumps({"sampler": name, **figures(make, options.seeds, options.candidates)}), flush=True)


if __name__ == "__main__":
    main()
