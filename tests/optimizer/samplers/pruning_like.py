"""A small world like pruning: twelve layers, four coordinates that say how much each loses, two losses, one limit.

Cost falls linearly with what is removed, the drop rises ever faster and very differently from layer to layer, and only
a temperature and a slope near the right ones spare the layers that hurt. One twentieth of the cube is feasible.
"""

from __future__ import annotations

import moocore
import numpy as np

from optimizer.samplers.protocol import Point, Sampler, Told

DIMENSIONS, EPSILON = 4, 0.01
DEPTH = np.linspace(-1, 1, 12)
HARM = np.exp(np.array([1.4, 0.9, 1.2, 0.3, 0.7, -0.2, 0.1, -0.9, -0.3, -1.2, -0.8, -1.6]))  # first layers hurt most


def losses(point: Point) -> tuple[float, float]:
    """Return (drop, cost ratio) of a point: head ratio, FFN ratio, temperature, depth slope."""
    heads, ffn, temperature, slope = point
    tilt = np.exp(-2 * temperature * np.log(HARM) + 4 * (slope - 0.4) * DEPTH)
    shape = np.minimum(tilt / tilt.mean(), 2.5)
    removed = [np.minimum(0.97, ratio * shape) for ratio in (heads, ffn)]
    drop = sum(weight * np.mean(HARM * r**2 / (1 - r)) for weight, r in zip((0.3, 0.06), removed, strict=True))
    cost = 1 - 0.35 * removed[0].mean() - 0.65 * removed[1].mean()
    return float(drop), float(cost)


def evaluated(number: int, point: Point) -> Told:
    """Return what this candidate is worth; the violation is scaled by ε, as in a study."""
    drop, cost = losses(point)
    return Told(number=number, point=point, losses=(drop, cost), violations=((drop - EPSILON) / EPSILON,))


def run(sampler: Sampler, candidates: int) -> list[Told]:
    """Return all candidates of a search, in order."""
    history: list[Told] = []
    for number in range(candidates):
        history.append(evaluated(number, sampler.ask(number)))
        sampler.tell(history[-1])
    return history


def hypervolume(history: list[Told]) -> float:
    """Return the feasible hypervolume of (drop / ε, cost ratio) up to (1, 1)."""
    feasible = [(told.losses[0] / EPSILON, told.losses[1]) for told in history if told.is_feasible]
    return float(moocore.hypervolume(np.array(feasible), ref=(1.0, 1.0))) if feasible else 0.0
