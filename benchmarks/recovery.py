"""Distillation against fine-tuning on labels alone, for the same seconds on one thread.

    python -m benchmarks.recovery --model DIR --task sst2 --data DIR --budgets 0.3 0.17 0.085 --epochs 0.125 --seeds 2

For every budget both begin with the same pruned model. Distillation takes the steps of `--epochs`, all students at once
as in a study, so each pays for its part of the teacher's answers; fine-tuning takes as many steps as fit into the same
seconds, at each of several learning rates. All else is the same: optimizer, schedule, batch size, no dropout. Drops are
those on the verification examples.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.recovery.halving import RATES
from optimizer.recovery.school import HELD_OUT_MOST, HELD_OUT_SHARE
from optimizer.search.space import Space
from optimizer.tasks.cutting import batch_count
from optimizer.tasks.task import Batch
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.history import total
from optimizer.training.learner import Loss, labels_loss
from optimizer.training.teacher import Lesson
from optimizer.workload import Workload

LABEL_RATES = (5e-5, 1e-4, 3e-4)
TIMED = 8  # steps that tell how long one takes


@dataclass(frozen=True)
class Way:
    """One training of one model: its budget, its steps, its seconds, and the drop after it."""

    budget: float
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
    table = Table("share of FLOPs", "training", "steps", "seconds", "drop", "lowest and highest")
    log, ways = Console(stderr=True), list[Way]()
    with TemporaryDirectory() as scratch:
        workload = load_workload(spec, cache_dir=Path(scratch), progress=lambda *_: None)
        prepared = prepare(spec, workload, cache_dir=Path(scratch), stages=Stages(ignore, lambda _: None))
        for seed in range(options.seeds):
            for way in ways_of(prepared, options.budgets, options.epochs, seed):
                ways.append(way)
                log.print(f"{way.budget:g} of the FLOPs, seed {seed}: {way.name}, {way.steps} steps, {way.drop:.4f}")
    for budget, name in dict.fromkeys((way.budget, way.name) for way in ways):
        table.add_row(f"{budget:g}", *row_of(name, [way for way in ways if (way.budget, way.name) == (budget, name)]))
    Console().print(table)


def row_of(name: str, ways: Sequence[Way]) -> tuple[str, ...]:
    """Return the cells of one way over all seeds."""
    drops = [way.drop for way in ways]
    middle = [f"{median(way.steps for way in ways):.0f}", f"{median(way.seconds for way in ways):.1f}"]
    return name, *middle, f"{median(drops):.4f}", f"{min(drops):.4f} to {max(drops):.4f}"


def ways_of(prepared: Prepared, budgets: Sequence[float], epochs: float, seed: int) -> Iterator[Way]:
    """Train the best config of each budget in every way, alike in all but loss, rate and number of steps."""
    workload, space = prepared.workload, prepared.space
    assert isinstance(space, Space)  # no masks are asked for
    starts = {b: prepared.pipeline.build(space.optimal(b), share_weights=False) for b in budgets}
    paths = tuple(dict.fromkeys(path for group in prepared.groups for path in group.consumers))
    known = workload.train()
    train = known.take(range(min(HELD_OUT_MOST, int(len(known) * HELD_OUT_SHARE)), len(known)))
    settings, dense = DistillSettings(rungs=(epochs,), seed=seed), value_of(workload, workload.model)
    lesson, (steps,) = Lesson(workload.task, workload.model, paths), settings.ends(len(train))
    taught = {(b, rate): copy.deepcopy(starts[b]) for b in budgets for rate in RATES}
    seconds = trained(taught, train, lesson, settings, hear=lesson.hear)
    for budget, start in starts.items():
        yield Way(budget, "none", 0, 0.0, dense - value_of(workload, start))
        for rate in RATES:
            drop = dense - value_of(workload, taught[budget, rate])
            yield Way(budget, f"distillation, learning rate {rate:g}", steps, seconds[budget, rate], drop)
        yield from _by_labels(workload, train, start, budget, seconds[budget, RATES[0]], settings, dense)


def _by_labels(
    workload: Workload,
    train: AnyExamples,
    start: nn.Module,
    budget: float,
    seconds: float,
    settings: DistillSettings,
    dense: float,
) -> Iterator[Way]:
    """Train on labels alone for about so many seconds."""
    loss, tried = labels_loss(workload.task), {(budget, RATES[0]): copy.deepcopy(start)}
    each = trained(tried, train, loss, for_steps(settings, TIMED, train))[budget, RATES[0]] / TIMED
    fitting = round(seconds / each)
    for rate in LABEL_RATES:
        model = copy.deepcopy(start)
        took = trained({(budget, rate): model}, train, loss, for_steps(settings, fitting, train))[budget, rate]
        yield Way(budget, f"labels alone, learning rate {rate:g}", fitting, took, dense - value_of(workload, model))


def for_steps(settings: DistillSettings, steps: int, train: AnyExamples) -> DistillSettings:
    """Return the settings of a training of so many steps."""
    return replace(settings, rungs=(steps / batch_count(len(train), settings.batch_size),))


def trained(
    models: Mapping[tuple[float, float], nn.Module],
    train: AnyExamples,
    loss: Loss,
    settings: DistillSettings,
    hear: Callable[[Batch], object] = lambda _batch: None,
) -> dict[tuple[float, float], float]:
    """Train models, by their budgets and learning rates, in place and at once; return the seconds of each."""
    (steps,) = settings.ends(len(train))
    students = {str(key): student(model, loss, key[1], settings, len(train)) for key, model in models.items()}
    with TemporaryDirectory() as scratch:
        distill(students, train, settings, until=steps, folder=Path(scratch), hear=hear)
    return {key: total(students[str(key)].history).seconds for key in models}


def value_of(workload: Workload, model: nn.Module) -> float:
    """Return the metric on the verification examples."""
    examples, task = workload.verification, workload.task
    return task.metric.value(task.predictions(predict(model, examples, task), examples), examples.labels)


if __name__ == "__main__":
    main()
