"""Samplers by name: what puts points of the distribution space forward once the ladder is climbed.

Optuna and pymoo take a second to import, so a name is a place to import from, and only the one asked for is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from optimizer.errors import UnknownNameError
from optimizer.samplers.own import MakeSampler, OwnSampler
from optimizer.samplers.protocol import Sampler
from optimizer.samplers.replay import Problem

SAMPLERS: Mapping[str, tuple[str, str]] = {  # name → module, class
    "tpe": ("optimizer.samplers.tpe", "TpeSampler"),
    "random": ("optimizer.samplers.random", "RandomSampler"),
    "nsga2": ("optimizer.samplers.optuna_samplers", "Nsga2Sampler"),
    "nsga3": ("optimizer.samplers.optuna_samplers", "Nsga3Sampler"),
    "gp": ("optimizer.samplers.gp", "GpSampler"),
    "pymoo-nsga2": ("optimizer.samplers.pymoo_samplers", "PymooNsga2Sampler"),
    "pymoo-nsga3": ("optimizer.samplers.pymoo_samplers", "PymooNsga3Sampler"),
    "pymoo-unsga3": ("optimizer.samplers.pymoo_samplers", "PymooUnsga3Sampler"),
    "pymoo-smsemoa": ("optimizer.samplers.pymoo_samplers", "PymooSmsEmoaSampler"),
    "pymoo-ctaea": ("optimizer.samplers.pymoo_samplers", "PymooCtaeaSampler"),
}


def make_sampler(
    name: str | MakeSampler, *, dimensions: int, seed: int, budget: int, objectives: int, constraints: int
) -> Sampler:
    """Return a fresh sampler that was told nothing yet.

    Args:
        name: a key of `SAMPLERS`, or a caller's function that makes a sampler.
        dimensions: `d`, of the unit cube it proposes points in.
        seed: equal seeds give equal sequences.
        budget: candidates of the whole study; sets how large a generation is.
        objectives: `m`, losses of every told candidate.
        constraints: `c`, violations of every told candidate; may be none.

    Raises:
        UnknownNameError: no sampler has this name.
        ValueError: a count out of range.
    """
    if isinstance(name, str) and name not in SAMPLERS:
        raise UnknownNameError("sampler", name, SAMPLERS)
    problem = Problem(dimensions=dimensions, seed=seed, budget=budget, objectives=objectives, constraints=constraints)
    if not isinstance(name, str):
        return OwnSampler(name, problem)
    module, kind = SAMPLERS[name]
    sampler: Sampler = getattr(import_module(module), kind)(problem)
    return sampler
