"""One search over units, rank and bits, beside each of them alone.

    python -m benchmarks.joint --model DIR --task sst2 --data DIR --trials 60 --seeds 3 --out joint.jsonl
    python -m benchmarks.joint … --reduced      # fewer candidates and examples, one seed

Every row gets as many candidates, the same racing, choice of a shortlist, backends and verification examples. What
counts is the hypervolume of (drop / ε, the costs of `--objectives` as ratios to the dense model's) of the shortlist on
the verification examples. A finished row is a line of the file and is not run again, unless the rules by which members
are chosen have changed since; `--cache-dir` keeps what is computed once.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import judge, strategies
from benchmarks.judge import Judge
from benchmarks.strategies import Arena, staged
from benchmarks.workload import add_workload_options, spec_of
from optimizer.families.encoders.load import load_workload
from optimizer.fronts.front import hypervolume
from optimizer.preparation.prepare import prepare
from optimizer.progress import Stages, ignore
from optimizer.selection import certification, feasible, rehearsal, shortlist
from optimizer.selection.shortlist import CostOf
from optimizer.spec import StudySpec
from studies.records import Candidate

ROWS = ("units", "rank", "bits", "units,rank,bits")
REDUCED = {"trials": 12, "seeds": 1, "calibration_examples": 256, "search_examples": 300, "verification_examples": 800}
Line = dict[str, Any]


def main() -> None:
    """Run what is missing, row by row, and print the table."""
    options = _parser().parse_args()
    if options.reduced:
        vars(options).update(REDUCED)
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    console, done = Console(width=160), list[Line]()
    for row in options.rows:
        spec = _spec(options, row)
        same = [_identity(spec, seed) for seed in range(options.seeds)]
        done += (known := [line for line in lines if any(each.items() <= line.items() for each in same)])
        seeds = {*range(options.seeds)} - {line["seed"] for line in known}
        with TemporaryDirectory() as scratch:
            for line in _run(spec, sorted(seeds), options.cache_dir or Path(scratch)):
                with options.out.open("a") as file:
                    file.write(f"{json.dumps(line)}\n")
                done.append(line)
                console.print(f"{row}, seed {line['seed']}: {line['hypervolume']:.4f}")
    console.print(table_of(done))


def scores(arena: Arena, seed: int) -> Line:
    """Return what a search finds: the verified hypervolume, and the least of each cost that held ε."""
    spec = arena.spec
    candidates = arena.candidates(staged(arena, sampler=None, seed=seed, refine=True), rivals=True)
    costs: dict[str, CostOf] = {name: partial(_ratio, arena, name) for name in spec.objectives}
    certifier = replace(arena.certifier(candidates, spec.tolerance), cost_of=costs[spec.objectives[0]])
    chosen = certifier.shortlist(candidates, is_feasible=arena.is_feasible, costs_of=_spread(arena, costs))
    drops = [arena.verified_of(candidate.config).drop / spec.tolerance for candidate in chosen]
    points = np.array([(drop, *(cost(c) for cost in costs.values())) for drop, c in zip(drops, chosen, strict=True)])
    held = points[points[:, 0] <= 1, 1:]
    least = held.min(axis=0) if len(held) else np.ones(len(costs))
    return {
        "hypervolume": hypervolume(points, np.ones(1 + len(costs))),
        "least": dict(zip(costs, map(float, least), strict=True)),
        "held": len(held),
        "verified": len(points),
        "candidates": len(candidates),
        "points": points.tolist(),
    }


def table_of(lines: Sequence[Line]) -> Table:
    """Return the rows, each a mean over its seeds, and in how many seeds the last row is ahead of one."""
    rows: dict[str, dict[int, Line]] = {}
    for line in lines:
        rows.setdefault(line["row"], {})[line["seed"]] = line
    costs = list(next(iter(lines))["least"]) if lines else []
    table = Table("transforms", "verified hypervolume", *(f"least {cost}" for cost in costs), "held ε", "joint ahead")
    joint = rows.get(ROWS[-1], {})
    for row, runs in rows.items():
        ahead = [joint[seed]["hypervolume"] > run["hypervolume"] for seed, run in runs.items() if seed in joint]
        table.add_row(
            row,
            ", ".join(f"{run['hypervolume']:.4f}" for run in runs.values()),
            *(f"{mean(run['least'][cost] for run in runs.values()):.3f}" for cost in costs),
            ", ".join(f"{run['held']} of {run['verified']}" for run in runs.values()),
            "" if row == ROWS[-1] else f"{sum(ahead)} of {len(ahead)}",
        )
    return table


def _ratio(arena: Arena, name: str, candidate: Candidate) -> float:
    return arena.prepared.space.costs[name].ratio(candidate.config)


def _spread(arena: Arena, costs: Mapping[str, CostOf]) -> list[CostOf]:
    return [arena.prepared.price if name == "flops" else cost for name, cost in costs.items()]


def _run(spec: StudySpec, seeds: Sequence[int], cache_dir: Path) -> Iterator[Line]:
    """Yield a line for each seed; the model is loaded and prepared once for all of them."""
    if seeds:
        workload = load_workload(spec, cache_dir=cache_dir, progress=lambda *_: None)
        prepared = prepare(spec, workload, cache_dir=cache_dir, stages=Stages(ignore, lambda _seconds: None))
        arena = Arena(spec, prepared, Judge(workload))
        for seed in seeds:
            yield _identity(spec, seed) | scores(arena, seed)


def _spec(options: argparse.Namespace, row: str) -> StudySpec:
    transforms, backends = tuple(row.split(",")), tuple(options.backends)
    return spec_of(options, transforms=transforms, objectives=tuple(options.objectives), backends=backends)


def _identity(spec: StudySpec, seed: int) -> Line:
    """Return what a line is recognised by."""
    sizes = {role: getattr(spec, f"{role}_examples") for role in ("calibration", "search", "verification")}
    searched = {"model": spec.model, "task": spec.task, "data": spec.data, "epsilon": spec.epsilon, **sizes}
    costs = {"objectives": list(spec.objectives), "backends": list(spec.backends), "trials": spec.trials}
    return {"rules": _rules(), **searched, **costs, "row": ",".join(spec.applied), "seed": seed}


@cache
def _rules() -> str:
    """Return a digest of the code that judges, so that rows judged by other rules are never in one table."""
    judging = (certification, feasible, rehearsal, shortlist, judge, strategies)
    return sha256("".join(map(inspect.getsource, judging)).encode()).hexdigest()[:12]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--objectives", nargs="+", default=["size", "latency"], help="costs, as for optimize")
    parser.add_argument("--backends", nargs="+", default=["torch"], help="as for optimize")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), help="transforms, separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("joint.jsonl"))
    parser.add_argument("--cache-dir", type=Path, help="keeps banks, sensitivities and tables")
    parser.add_argument("--reduced", action="store_true", help=f"with {REDUCED}")
    return parser


if __name__ == "__main__":
    main()
