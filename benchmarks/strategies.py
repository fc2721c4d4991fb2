"""Whether the search is worth its candidates: the default against the ladder alone and against random sampling.

    python -m benchmarks.strategies --model DIR --task sst2 --data DIR --epsilon 0.01 --trials 100 --seeds 5
    python -m benchmarks.strategies … --samplers gp nsga2 pymoo-smsemoa   # other samplers in the default's place

Every strategy gets the same candidates, the same racing, the same choice of a shortlist and the same verification.
What counts is the hypervolume of (drop / ε, FLOPs ratio) of the shortlist on the verification examples, which none of
them saw. A config is evaluated once for all of them. The ladder alone is deterministic: one figure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon
from torch import nn

from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.feasible import is_feasible
from optimizer.front import hypervolume
from optimizer.loop import Budget, search
from optimizer.predict import predict
from optimizer.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.samplers import SAMPLERS, make_sampler
from optimizer.search.ladder import SHARE
from optimizer.search.proposer import Proposer, StagedProposer
from optimizer.shortlist import choose_shortlist
from optimizer.spec import StudySpec
from optimizer.trim import trim_memory
from optimizer.worth import Worth
from search_spaces.config import Config
from studies.opening import open_store
from studies.records import Candidate, Outcome, Proposal


@dataclass
class Arena:
    """One prepared workload, on which strategies meet."""

    spec: StudySpec
    prepared: Prepared
    _outcomes: dict[Config, Outcome] = field(default_factory=dict)
    _drops: dict[Config, float] = field(default_factory=dict)

    def run(self, proposer: Proposer) -> dict[str, float]:
        """Return the verified hypervolume of a strategy, its cheapest verified FLOPs ratio, and its candidates."""
        with TemporaryDirectory() as place, closing(open_store(f"sqlite:///{place}/s.sqlite")) as store:
            study = store.create_study("strategy", self.spec.model_dump(mode="json"))
            candidates = search(
                study_id=study.id,
                store=store,
                proposer=proposer,
                evaluate=self._evaluate,
                budget=Budget(trials=self.spec.trials),
                on_finished=lambda _candidate: None,
            ).candidates
        chosen = choose_shortlist(
            candidates, is_feasible=self.is_feasible, cost_of=self._flops, epsilon=self.spec.epsilon
        )
        points = np.array([(self._verified_drop(c.config) / self.spec.epsilon, self._flops(c)) for c in chosen])
        held = points[points[:, 0] <= 1]
        return {
            "hypervolume": hypervolume(points, np.ones(2)),
            "cheapest": float(held[:, 1].min()) if len(held) else 1.0,
            "held_share": len(held) / len(points),
            "candidates": len(candidates),
        }

    def is_feasible(self, candidate: Candidate) -> bool:
        """Whether the candidate's drop on the search examples is within ε."""
        return is_feasible(candidate, self.spec.epsilon)

    def _evaluate(self, config: Config) -> Outcome:
        if config not in self._outcomes:
            self._outcomes[config] = self.prepared.evaluator.evaluate(config)
        return self._outcomes[config]

    def _flops(self, candidate: Candidate) -> float:
        return self.prepared.space.costs["flops"].ratio(candidate.config)

    def _verified_drop(self, config: Config) -> float:
        if config not in self._drops:
            workload = self.prepared.workload
            predictions = self._predictions(self.prepared.build(config))
            value = workload.metric.value(predictions, workload.verification.labels)
            self._drops[config] = self._dense_value - value
            trim_memory()
        return self._drops[config]

    @cached_property
    def _dense_value(self) -> float:
        workload = self.prepared.workload
        dense = self._predictions(workload.model)
        return workload.metric.value(dense, workload.verification.labels)

    def _predictions(self, model: nn.Module) -> NDArray[Any]:
        task, examples = self.prepared.workload.task, self.prepared.workload.verification
        return task.predictions(predict(model, examples, task), examples)


class LadderAlone:
    """Proposes all seeds of the ladder and nothing else."""

    def __init__(self, prepared: Prepared, trials: int) -> None:
        self._seeds = prepared.ladder(SHARE * trials)

    def propose(self, history: Sequence[Candidate]) -> Proposal | None:
        """Return the next seed."""
        return self._seeds[len(history)] if len(history) < len(self._seeds) else None

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return "the ladder has no further seed"


def staged(arena: Arena, *, sampler: str | None, seed: int, refine: bool) -> Proposer:
    """Return the ladder followed by a sampler, the spec's by default, with or without refinement."""
    spec, prepared = arena.spec, arena.prepared
    worth = Worth(spec, prepared)
    return StagedProposer(
        prepared.space,
        seeds=prepared.ladder(spec.trials),
        trials=spec.trials,
        make_sampler=lambda: make_sampler(
            sampler or spec.sampler,
            dimensions=prepared.space.dimensions,
            seed=seed,
            budget=spec.trials,
            objectives=1 + len(spec.objectives),
            constraints=worth.constraints,
        ),
        worth=worth,
        refiner=prepared.refiner if refine else None,
    )


def ladder_alone(arena: Arena, *, seed: int) -> Proposer:
    """Return the seeds of the ladder, which are the same at every seed."""
    del seed
    return LadderAlone(arena.prepared, arena.spec.trials)


STRATEGIES: dict[str, Callable[..., Proposer]] = {
    "ladder alone": ladder_alone,
    "ladder + random": partial(staged, sampler="random", refine=False),
    "default": partial(staged, sampler=None, refine=True),
}


def main() -> None:
    """Run every strategy with every seed and print their hypervolumes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--samplers", nargs="*", default=[], choices=SAMPLERS, help="in the default's place, one by one"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    spec = spec_of(options)
    strategies = dict(STRATEGIES)
    strategies |= {name: partial(staged, sampler=name, refine=True) for name in options.samplers}
    console = Console(stderr=options.json)
    with TemporaryDirectory() as scratch:
        workload = load_workload(spec, cache_dir=Path(scratch), progress=lambda *_: None)
        stages = Stages(ignore, lambda _seconds: None)
        arena = Arena(spec, prepare(spec, workload, cache_dir=Path(scratch), stages=stages))
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in strategies}
        for seed in range(options.seeds):
            for name, make in strategies.items():
                rows[name].append(arena.run(make(arena, seed=seed)))
                console.print(f"seed {seed}, {name}: {rows[name][-1]}")
    if options.json:
        print(json.dumps(rows))
    else:
        console.print(table_of(rows))


def table_of(rows: dict[str, list[dict[str, float]]]) -> Table:
    """Return mean and deviation of every strategy, and how the default compares seed by seed."""
    table = Table("strategy", "verified hypervolume", "cheapest verified", "shortlist that held", "default − this")
    default = [row["hypervolume"] for row in rows["default"]]
    for name, runs in rows.items():
        table.add_row(
            name,
            _spread([run["hypervolume"] for run in runs]),
            _spread([run["cheapest"] for run in runs]),
            _spread([run["held_share"] for run in runs]),
            "" if name == "default" else _difference(default, [run["hypervolume"] for run in runs]),
        )
    return table


def _spread(values: list[float]) -> str:
    return f"{mean(values):.4f} ± {stdev(values) if len(values) > 1 else 0:.4f} (n = {len(values)})"


def _difference(ours: list[float], theirs: list[float]) -> str:
    differences = np.subtract(ours, theirs)
    if not differences.any():
        return "none"
    p: Any = wilcoxon(differences).pvalue
    return f"{differences.mean():+.4f}, better in {(differences > 0).sum()} of {len(differences)}, Wilcoxon p = {p:.2f}"


if __name__ == "__main__":
    main()
