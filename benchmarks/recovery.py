"""Distillation against fine-tuning on labels alone, for the same CPU seconds on one thread.

    python -m benchmarks.recovery --model DIR --task sst2 --data DIR --budgets 0.17 --epochs 0.125 --seeds 2

For every budget both begin with the same pruned model. Distillation takes the steps of `--epochs`; fine-tuning takes as
many as fit into the same seconds, at each of several learning rates. All else is the same: optimizer, schedule, batch
size, no dropout. Drops are those on the verification examples.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.predict import predict
from optimizer.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.recovery.halving import RATES
from optimizer.recovery.recovery import HELD_OUT_MOST, HELD_OUT_SHARE
from optimizer.search.space import Space
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.cutting import batch_count
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.learner import Loss, labels_loss
from optimizer.training.teacher import Lesson
from optimizer.workload import Workload

LABEL_RATES = (5e-5, 3e-4)
TIMED = 8  # steps that tell how long one takes


@dataclass(frozen=True)
class Way:
    """One training of one model: its steps, its CPU seconds, and the drop after it."""

    name: str
    steps: int
    seconds: float
    drop: float


def main() -> None:
    """Print a row for every budget and way, medians over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.17])
    parser.add_argument("--epochs", type=float, default=0.125, help="of distillation")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = spec_of(options, threads=1)
    table = Table("share of FLOPs", "training", "steps", "CPU seconds", "drop", "lowest and highest")
    log = Console(stderr=True)
    with TemporaryDirectory() as scratch:
        workload = load_workload(spec, cache_dir=Path(scratch), progress=lambda *_: None)
        prepared = prepare(spec, workload, cache_dir=Path(scratch), stages=Stages(ignore, lambda _: None))
        dense = value_of(workload, workload.model)
        for budget in options.budgets:
            ways = []
            for seed in range(options.seeds):
                for way in ways_of(prepared, dense, budget, options.epochs, seed):
                    ways.append(way)
                    log.print(f"{budget:g} of the FLOPs, seed {seed}: {way.name}, {way.steps} steps, {way.drop:.4f}")
            for name in dict.fromkeys(way.name for way in ways):
                table.add_row(f"{budget:g}", *row_of(name, [way for way in ways if way.name == name]))
    Console().print(table)


def row_of(name: str, ways: Sequence[Way]) -> tuple[str, ...]:
    """Return the cells of one way over all seeds."""
    drops = [way.drop for way in ways]
    middle = [f"{median(way.steps for way in ways):.0f}", f"{median(way.seconds for way in ways):.1f}"]
    return name, *middle, f"{median(drops):.4f}", f"{min(drops):.4f} to {max(drops):.4f}"


def ways_of(prepared: Prepared, dense: float, budget: float, epochs: float, seed: int) -> Iterator[Way]:
    """Train the best config of a budget in every way, alike in all but the loss, the rate and the number of steps.

    `dense` is the dense model's metric on the verification examples.
    """
    workload, space = prepared.workload, prepared.space
    assert isinstance(space, Space)  # no masks are asked for
    config = space.optimal(budget)
    start = prepared.pipeline.build(config, share_weights=False)
    paths = tuple(dict.fromkeys(path for group in prepared.groups for path in group.consumers))
    known = workload.train()
    train = known.take(range(min(HELD_OUT_MOST, int(len(known) * HELD_OUT_SHARE)), len(known)))
    settings = DistillSettings(rungs=(epochs,), seed=seed)
    yield Way("none", 0, 0.0, dense - value_of(workload, start))
    lesson, (steps,) = Lesson(workload.task, workload.model, paths), settings.ends(len(train))
    for rate in RATES:
        model = copy.deepcopy(start)
        seconds = trained(model, train, lesson, rate, settings)
        yield Way(f"distillation, learning rate {rate:g}", steps, seconds, dense - value_of(workload, model))
    loss = labels_loss(workload.task)
    each = trained(copy.deepcopy(start), train, loss, RATES[0], for_steps(settings, TIMED, train)) / TIMED
    for rate in LABEL_RATES:
        model, fitting = copy.deepcopy(start), round(seconds / each)
        took = trained(model, train, loss, rate, for_steps(settings, fitting, train))
        yield Way(f"labels alone, learning rate {rate:g}", fitting, took, dense - value_of(workload, model))


def for_steps(settings: DistillSettings, steps: int, train: AnyExamples) -> DistillSettings:
    """Return the settings of a training of so many steps."""
    return replace(settings, rungs=(steps / batch_count(len(train), settings.batch_size),))


def trained(model: nn.Module, train: AnyExamples, loss: Loss, rate: float, settings: DistillSettings) -> float:
    """Train in place and return the CPU seconds."""
    started, (steps,) = time.process_time(), settings.ends(len(train))
    students = {"one": student(model, loss, rate, settings, len(train))}
    with TemporaryDirectory() as scratch:
        distill(students, train, settings, until=steps, folder=Path(scratch))
    return time.process_time() - started


def value_of(workload: Workload, model: nn.Module) -> float:
    """Return the metric on the verification examples."""
    examples, task = workload.verification, workload.task
    return task.metric.value(task.predictions(predict(model, examples, task), examples), examples.labels)


if __name__ == "__main__":
    main()
