"""Latency of models on one device: warm up, then time all of them round by round, and keep every sample.

Clocks drift: a processor warms up, a neighbour starts a job. So the dense model and all candidates run in the same
rounds, each round in a fresh random order, and a candidate is compared with the dense model of its own round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.device import describe_device, device_of, synchronise
from objectives.guard import measuring
from objectives.measurement import Conditions, JsonScalar, Measurement, Source
from objectives.repeats import Compared, Key, compared, median_with_interval
from objectives.sessions import sessions_of

Run = Callable[[], object]
Clock = Callable[[], float]
MakeInput = Callable[[int], Mapping[str, torch.Tensor]]

MIN_ROUNDS = 6  # the fewest whose range holds the median with 95 %
MAX_ROUNDS = 200  # enough: more samples are stored, not more precise
WARM_UPS = 2


def interleaved_latency(
    runs: Mapping[Key, Run],
    *,
    rng: np.random.Generator,
    seconds: float = 20.0,
    min_rounds: int = MIN_ROUNDS,
    clock: Clock = time.perf_counter,
) -> dict[Key, NDArray[np.float64]]:
    """Time every run once per round, in a fresh random order each round, after two warm-ups.

    Args:
        runs: each must have finished its work when it returns (synchronise inside).
        rng: draws the orders.
        seconds: no further round is begun that would probably end past this budget, warm-up included.
        min_rounds: rounds taken even beyond the budget.
        clock: monotonic seconds.

    Returns:
        Seconds `(rounds,)` per key, of at most `MAX_ROUNDS` rounds; index i is round i for all of them.
    """
    if not runs or not 1 <= min_rounds <= MAX_ROUNDS:
        raise ValueError(f"latency: needs runs and 1 <= min_rounds <= {MAX_ROUNDS}, got {min_rounds=}")
    began = clock()
    for _ in range(WARM_UPS):
        for run in runs.values():
            run()
    samples: dict[Key, list[float]] = {key: [] for key in runs}
    round_s = 0.0
    for done in range(MAX_ROUNDS):
        round_began = clock()
        if done >= min_rounds and round_began - began + round_s > seconds:
            break
        _time_one_round(runs, samples, rng=rng, clock=clock)
        round_s = clock() - round_began
    return {key: np.array(values) for key, values in samples.items()}


def _time_one_round(
    runs: Mapping[Key, Run], samples: Mapping[Key, list[float]], *, rng: np.random.Generator, clock: Clock
) -> None:
    keys = list(runs)
    for index in rng.permutation(len(keys)):
        run = runs[keys[index]]
        start = clock()
        run()
        samples[keys[index]].append(clock() - start)


def measure_latency(
    models: Mapping[Key, nn.Module],
    make_input: MakeInput,
    *,
    dense: Key,
    batch: int,
    rng: np.random.Generator,
    seconds: float = 20.0,
    threads: int | None = None,
    shape: Conditions | None = None,
) -> dict[Key, Compared]:
    """Measure the latency of one forward pass of every model, and its ratio to that of `models[dense]`.

    The arguments are those of `timed_sessions`.

    Returns:
        Per key the median seconds of one pass ("latency") and the median per-round ratio ("latency_ratio"), each with
        its interval, all samples, and the conditions that were in force.
    """
    sessions = timed_sessions(
        models, make_input, dense=[dense], batch=batch, rng=rng, seconds=seconds, threads=threads, shape=shape
    )
    found: dict[Key, Compared] = {}
    for costs in sessions:
        found = {**compared(costs, dense=dense), **found}  # the dense model's figure is that of the first session
    return {key: found[key] for key in models}


def timed_sessions(
    models: Mapping[Key, nn.Module],
    make_input: MakeInput,
    *,
    dense: Collection[Key],
    batch: int,
    rng: np.random.Generator,
    seconds: float = 20.0,
    threads: int | None = None,
    shape: Conditions | None = None,
) -> list[dict[Key, Measurement]]:
    """Measure the latency of one forward pass of every model in sessions of common rounds.

    Args:
        models: extracted models, all on one device; left in the mode in which they are found.
        make_input: batch → keyword arguments of the forward pass, tensors `(batch, length, …)`; moved to the device.
        dense: the keys of the models with which others are compared: they run in every session.
        batch: sequences per forward pass.
        rng: draws the order of every round.
        seconds: budget of all sessions together, as in `interleaved_latency`.
        threads: CPU threads; None keeps torch's own choice.
        shape: what the inputs look like, beside the batch; kept with every figure.

    Returns:
        Per session and key the median seconds of one pass; samples of round i have index i in all of a session.
    """
    with measuring(*models.values(), threads=threads):
        device = device_of(models[next(iter(dense))])
        inputs = {name: tensor.to(device) for name, tensor in make_input(batch).items()}
        conditions = {key: {"batch": batch, **(shape or {}), **run_conditions(model)} for key, model in models.items()}
        sessions = sessions_of(models, dense=dense)
        found = []
        for session in sessions:
            runs = {key: forward_pass(model, inputs) for key, model in session.items()}
            samples = interleaved_latency(runs, rng=rng, seconds=seconds / len(sessions))
            found.append({key: latency_of(values, conditions[key]) for key, values in samples.items()})
    return found


def forward_pass(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> Callable[[], None]:
    """Return a callable that runs one forward pass and returns when the device has finished it."""
    return waited_for(partial(model, **inputs), device_of(model))


def waited_for(work: Run, device: torch.device) -> Callable[[], None]:
    """Return a callable that does `work` and returns when `device` has finished it; a GPU only queues work."""

    def run() -> None:
        work()
        synchronise(device)

    return run


def run_conditions(model: nn.Module) -> dict[str, JsonScalar]:
    """Return what a figure of a model's run holds for: dtype, the device with its threads, and its own `conditions`.

    A module has those where something else than torch runs it.
    """
    own: Mapping[str, JsonScalar] | None = getattr(model, "conditions", None)
    dtype = {} if own else {"dtype": str(next(model.parameters()).dtype).removeprefix("torch.")}
    return {**dtype, **describe_device(device_of(model)), **(own or {})}


def latency_of(samples: NDArray[np.float64], conditions: Conditions) -> Measurement:
    """Return the median of `(rounds,)` seconds as a measurement, with its interval and how far the rounds spread."""
    median, interval = median_with_interval(samples)
    lower, upper = np.quantile(samples, [0.25, 0.75])
    return Measurement(
        quantity="latency",
        value=median,
        unit="s",
        source=Source.MEASURED,
        n=len(samples),
        interval=interval,
        conditions={**conditions, "rounds": len(samples), "interquartile_range": float(upper - lower)},
        samples=tuple(samples.tolist()),
    )
