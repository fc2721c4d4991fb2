"""What else could bring a pruned model nearer to the dense one without labels, beside what the optimizer does.

    python -m benchmarks.refits --model DIR --task sst2 --data DIR --budgets 0.6 0.5 0.4 0.25

Each way begins with the same allocation at a budget of the FLOPs. `front to back` solves every reader once more on what
the pruned layers before it give, so that its output with the residual is the dense model's. `norms and biases` trains
those alone on the dense model's answers to the calibration examples. `climbing` exchanges units between groups as long
as the divergence on the search examples falls. `calibration x 4` solves on four times the examples. The verification
examples judge: the divergence, the examples that change, and the drop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, cast

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.sublayers import applied, outputs_of, watched
from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.search.space import Space
from optimizer.tasks.task import ask
from optimizer.training.batches import shuffled
from optimizer.workload import Workload
from search_spaces.config import Config
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout
from search_spaces.moves import moves, steps_from
from search_spaces.transforms.passes import Batch
from search_spaces.transforms.units.damping import damped

STAY = 0.1  # share of the mean square of the inputs that holds the second solve to the first
PASSES, BATCH, RATE = 2, 32, 1e-3  # of the training of norms and biases
NEIGHBOURS = 60  # that climbing asks for their divergence

Way = Callable[[Config], nn.Module]


class Found(NamedTuple):
    """A model on the verification examples."""

    divergence: float
    lost: int
    gained: int
    seconds: float  # CPU time that the way took


def main() -> None:
    """Print a row for every budget and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.6, 0.5, 0.4, 0.25])
    options = parser.parse_args()
    spec = spec_of(options)
    more = spec.model_copy(update={"calibration_examples": 4 * spec.calibration_examples})
    table = Table("share of FLOPs", "way", "divergence", "lost", "gained", "drop", "CPU seconds")
    with TemporaryDirectory() as scratch:
        cache = Path(scratch)
        workload = load_workload(spec, cache_dir=cache, progress=lambda *_: None)
        prepared = prepare(spec, workload, cache_dir=cache, stages=Stages(ignore, lambda _: None))
        wider = Pipeline.of(more, load_workload(more, cache_dir=cache, progress=lambda *_: None), cache)
        wider.fill()
        for budget in options.budgets:
            config = cast("Space", prepared.space).optimal(budget)
            for name, way in ways(prepared, wider).items():
                found = judged(workload, config, way)
                drop = (found.lost - found.gained) / len(workload.verification.labels)
                counts = (str(found.lost), str(found.gained), f"{drop:+.4f}", f"{found.seconds:.0f}")
                table.add_row(f"{budget:g}", name, f"{found.divergence:.4f}", *counts)
                Console(stderr=True).print(budget, name, found)
    Console().print(table)


def ways(prepared: Prepared, wider: Pipeline) -> dict[str, Way]:
    """Return the ways by name, each from a config to its model."""
    workload, build = prepared.workload, prepared.build
    layout, batch = prepared.pipeline.dense.layout, one_batch(workload)

    def wide(config: Config) -> nn.Module:
        wider.fill_for(config)
        return wider.build(config)

    return {
        "as the optimizer does": build,
        "front to back": lambda config: solved_again(own(prepared, config), workload.model, layout, batch),
        "norms and biases": lambda config: adjusted(own(prepared, config), workload),
        "climbing": lambda config: build(climbed(config, prepared)),
        "calibration x 4": wide,
    }


def own(prepared: Prepared, config: Config) -> nn.Module:
    """Return a config's model that shares no weights."""
    prepared.build(config)  # fills the bank
    return prepared.pipeline.build(config, share_weights=False)


def one_batch(workload: Workload) -> Batch:
    """Return all calibration examples as one batch."""
    return next(workload.calibration.batches(batch_size=len(workload.calibration), device=workload.device))


def judged(workload: Workload, config: Config, way: Way) -> Found:
    """Return what a way makes of a config."""
    started = time.process_time()
    model = way(config)
    seconds = time.process_time() - started
    task, examples = workload.task, workload.verification
    wanted, answers = (predict(each, examples, task) for each in (workload.model, model))
    before, after = (task.predictions(each, examples) == examples.labels for each in (wanted, answers))
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    return Found(task.divergence(wanted, answers), lost, gained, seconds)


def solved_again(model: nn.Module, dense: nn.Module, layout: Layout, batch: Batch) -> nn.Module:
    """Solve every reader in place as soon as the examples reach it; return the model."""
    with torch.inference_mode():
        wanted = outputs_of(dense, layout, batch)

        def at(group: Group, residual: torch.Tensor, inputs: torch.Tensor, reader: nn.Linear) -> None:
            rest = wanted[group.name] - residual - applied(reader, inputs)
            change = torch.linalg.solve(damped(inputs.T @ inputs, STAY), (inputs.T @ rest).double())
            reader.weight = nn.Parameter(reader.weight + change.T.to(reader.weight), requires_grad=False)

        kept = [g for g in layout.groups if cast("nn.Linear", model.get_submodule(g.consumers[0])).in_features]
        watched(model, kept, batch, at)
    return model


def adjusted(model: nn.Module, workload: Workload) -> nn.Module:
    """Train norms and biases in place on the dense model's answers to the calibration examples; return the model."""
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.ndim == 1)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE)
    examples, rng = workload.calibration, np.random.default_rng(0)
    for _ in range(PASSES):
        for places in shuffled(examples.lengths, size=BATCH, rng=rng):
            batch = next(examples.batches(batch_size=len(places), device=workload.device, order=places))
            with torch.no_grad():
                wanted = ask(workload.model, batch)
            loss = workload.task.distance(ask(model, batch), wanted, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.requires_grad_(requires_grad=False)


def climbed(config: Config, prepared: Prepared) -> Config:
    """Return the last of neighbours that cost no more and diverge less, each from the one before."""
    space, divergence_of = cast("Space", prepared.space), prepared.evaluator.divergence_of
    asked, least = {config}, divergence_of(config)
    while len(asked) < NEIGHBOURS:
        near = (move.config for move in moves(config, steps_from(config, space.groups, space.tables), allowance=0.0))
        for neighbour in (each for each in near if each not in asked):
            asked.add(neighbour)
            if (found := divergence_of(neighbour)) < least:
                config, least = neighbour, found
                break
            if len(asked) == NEIGHBOURS:
                return config
        else:
            return config
    return config


if __name__ == "__main__":
    main()
