"""Latency of models on one device: warm up, then time all of them round by round until their ratios are known.

The dense model and all candidates take turns (`turns.py`) in the same rounds (`rounds.py`), and a candidate is compared
with the dense model of its own round.

On one CPU thread a pass is timed by processor time, which the work of others does not lengthen; elsewhere by the time
that passes (`clocks.py`). Percentiles and throughput are of elapsed time, as a user of this machine sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.clocks import SYSTEM, Clocks, clock_of, timed
from objectives.device import cpu_threads, describe_device, device_of, synchronise
from objectives.guard import measuring
from objectives.measurement import Conditions, JsonScalar, Measurement, Source
from objectives.noise import Machine, Noise
from objectives.repeats import COPIES, Compared, Key, compared, median_with_interval
from objectives.rounds import MAX_ROUNDS, MIN_ROUNDS, Pace, Run, in_rounds
from objectives.sessions import sessions_of
from objectives.turns import PERCENTILES, WARM_UPS, WITHIN, centres_of, interleaved_turns, spread_of

MakeInput = Callable[[int], Mapping[str, torch.Tensor]]

CPU_COPIES = 0.006  # standard deviation of the ratio of two copies of one model (docs/honesty.md)
LATENCY_ONLY = (
    *("rounds", "interquartile_range", "clock", "passes", "interrupted", "noise"),
    *(f"p{percent}" for percent in PERCENTILES),
)
"""Conditions that describe how a latency was timed, no other figure of the same request."""


def interleaved_latency(
    runs: Mapping[Key, Run],
    *,
    threads: int,
    rng: np.random.Generator,
    seconds: float = 20.0,
    min_rounds: int = MIN_ROUNDS,
    clocks: Clocks = SYSTEM,
) -> dict[Key, NDArray[np.float64]]:
    """Time every run once per round, in a fresh random order each round, after two warm-ups.

    Args:
        runs: each must have finished its work when it returns (synchronise inside).
        threads: CPU threads on which the runs compute: processor time describes those on one thread alone.
        rng: draws the orders.
        seconds: no further round is begun that would probably end past this budget, warm-up included.
        min_rounds: rounds taken even beyond the budget.
        clocks: where passes are timed.

    Returns:
        Seconds `(rounds,)` per key by the clock that describes the passes, of at most `MAX_ROUNDS` rounds; index i is
        round i for all of them.
    """
    if not runs or not 1 <= min_rounds <= MAX_ROUNDS:
        raise ValueError(f"latency: needs runs and 1 <= min_rounds <= {MAX_ROUNDS}, got {min_rounds=}")
    began = clocks.elapsed()
    for _ in range(WARM_UPS):
        for run in runs.values():
            run()
    takes = {key: partial(timed, run, clocks) for key, run in runs.items()}
    pace = Pace(seconds=seconds, fewest=min_rounds)
    taken = in_rounds(takes, rng=rng, pace=pace, clock=clocks.elapsed, began=began)
    clock = clock_of((each for passes in taken.values() for each in passes), threads=threads)
    return {key: np.array([each.seconds(clock) for each in passes]) for key, passes in taken.items()}


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
    within: float = WITHIN,
) -> dict[Key, Compared]:
    """Measure the latency of one forward pass of every model, and its ratio to that of `models[dense]`.

    The arguments are those of `timed_sessions`.

    Returns:
        Per key the median seconds of one pass ("latency") and the centre of the per-round ratios ("latency_ratio"),
        each with its interval, the samples of all rounds, and the conditions that were in force.
    """
    sessions = timed_sessions(
        models,
        make_input,
        dense=[dense],
        batch=batch,
        rng=rng,
        seconds=seconds,
        threads=threads,
        shape=shape,
        within=within,
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
    comparisons: int = 1,
    within: float = WITHIN,
    inferences: int | None = None,
) -> list[dict[Key, Measurement]]:
    """Measure the latency of one forward pass of every model in sessions of common rounds.

    Args:
        models: extracted models, all on one device; left in the mode in which they are found.
        make_input: batch → keyword arguments of the forward pass, tensors `(batch, length, …)`; moved to the device.
        dense: the keys of the models with which others are compared: they run in every session. The ratios to the
            first of them end a session when all are known.
        batch: sequences per forward pass.
        rng: draws the order of every round.
        seconds: the most that all sessions together take, but for the rounds that `interleaved_turns` always takes.
        threads: CPU threads; None keeps torch's own choice.
        shape: what the inputs look like, beside the batch; kept with every figure.
        comparisons: ratios that are looked at together, of other calls as well.
        within: half the width of a ratio's interval, as a fraction, at which it is known; 0 to spend all the time.
        inferences: at least so many passes of every model, instead of what `seconds` and `within` say.

    Returns:
        Per session and key the median seconds of one pass; samples of round i have index i in all of a session.
    """
    first = next(iter(dense))
    with measuring(*models.values(), threads=threads):
        device = device_of(models[first])
        inputs = {name: tensor.to(device) for name, tensor in make_input(batch).items()}
        conditions = {key: {"batch": batch, **(shape or {}), **run_conditions(model)} for key, model in models.items()}
        sessions = sessions_of(models, dense=dense)
        found = []
        for session in sessions:
            runs = {key: forward_pass(model, inputs) for key, model in session.items()}
            timed_here = _session(
                runs,
                device,
                dense=first,
                rng=rng,
                seconds=seconds / len(sessions),
                comparisons=comparisons,
                within=within,
                inferences=inferences,
            )
            found.append({key: latency_of(s, {**conditions[key], **c}) for key, (s, c) in timed_here.items()})
    return found


def _session(
    runs: Mapping[Key, Run],
    device: torch.device,
    *,
    dense: Key,
    rng: np.random.Generator,
    seconds: float,
    comparisons: int,
    within: float,
    inferences: int | None,
) -> dict[Key, tuple[NDArray[np.float64], Conditions]]:
    """Return per run the seconds of its turns, and what is to be said of how they were timed."""
    copies = CPU_COPIES if device.type == "cpu" else 0.0
    before = Machine.now()
    clock, turns = interleaved_turns(
        runs,
        dense=dense,
        threads=cpu_threads(device),
        rng=rng,
        seconds=seconds,
        comparisons=comparisons,
        within=within,
        copies=copies,
        inferences=inferences,
    )
    interrupted = np.mean([each.interruptions > 0 for of_key in turns.values() for turn in of_key for each in turn])
    noise = Noise.between(before, Machine.now(), interrupted=float(interrupted))
    said: dict[str, JsonScalar] = {"clock": clock, "interrupted": round(float(interrupted), 3), COPIES: copies}
    if words := noise.in_words():
        said["noise"] = words
    return {key: (centres_of(of_key, clock), {**said, **spread_of(of_key)}) for key, of_key in turns.items()}


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
