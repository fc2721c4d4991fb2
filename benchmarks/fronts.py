"""This project's search beside the field: one workload, the same examples, FLOPs, racing, shortlist and verification.

    python -m benchmarks.fronts --model DIR --task sst2 --data DIR --trials 60 --seeds 3 --out fronts.jsonl --plots DIR
    python -m benchmarks.fronts … --reduced      # fewer candidates and examples, one seed, nothing trained

Every row searches once, at the largest ε; its candidates are then judged at every ε, as a study judges them: the same
shortlist, verification examples and certification list. A finished row is a line of the file and is not run again,
unless the rules by which members are chosen and certified have changed since; `--cache-dir` keeps a model that is
trained first. Seconds are those of proposing, evaluating and training, an
evaluation that another row made before included (neighbours that one row screened cost the next ones nothing);
`setup_s` is what the row's kind of weights took first. The curves are the hypervolume of (drop / ε, FLOPs ratio) on the
search examples.
"""

from __future__ import annotations

import argparse
import inspect
import json
import time
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from benchmarks import judge, strategies
from benchmarks.field import METHODS, Field
from benchmarks.scoreboard import Line, chart_of, table_of
from benchmarks.strategies import Arena
from benchmarks.workload import add_workload_options, spec_of
from objectives.statistics import predicted
from optimizer.charts.pictures import write_pictures
from optimizer.evaluation.evaluate import Evaluator
from optimizer.families.encoders.load import load_workload
from optimizer.fronts.front import hypervolume
from optimizer.search.proposer import Proposer
from optimizer.search.steps import Neighbours, Step
from optimizer.selection import certification, feasible, rehearsal, shortlist
from optimizer.selection.feasible import is_feasible
from optimizer.spec import StudySpec
from studies.records import Candidate, Proposal

EPSILONS = (0.005, 0.01, 0.02)
REDUCED = {
    "trials": 12,
    "seeds": 1,
    "calibration_examples": 256,
    "search_examples": 300,
    "verification_examples": 800,
}


def main() -> None:
    """Run what is missing, row by row, and print one table per ε."""
    options = _parser().parse_args()
    spec = spec_of(options, epsilon=max(options.epsilon), recover_epochs=options.recover_epochs)
    out: Path = options.out
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    console = Console(width=160)
    with TemporaryDirectory() as scratch:
        cache_dir = options.cache_dir or Path(scratch)
        workload = load_workload(spec, cache_dir=cache_dir, progress=lambda *_: None)
        field = Field(spec, workload, cache_dir)
        for ratio in options.rivals_at:
            console.print(rivals_at(field, ratio))
        if options.rivals_at:
            return
        for name, seed in missing(lines, spec, rows_of(field, options), options.seeds):
            line = identity(spec, name, seed) | run(field, name, seed, options.epsilon)
            with out.open("a") as file:
                file.write(f"{json.dumps(line)}\n")
            lines.append(line)
            console.print(f"{name}, seed {seed}: {line['scores']}")
    these = [line for line in lines if identity(spec, line["row"], line["seed"]).items() <= line.items()]
    console.print(f"{len(these)} of the {len(lines)} rows in {out} are of this workload, these sizes and rules")
    for epsilon in options.epsilon:
        console.print(table_of([line for line in these if str(epsilon) in line["scores"]], epsilon))
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
        for epsilon in options.epsilon:
            write_pictures(chart_of(these, epsilon), options.plots, spec.task or "fronts")


def rows_of(field: Field, options: argparse.Namespace) -> list[str]:
    """Return the rows to run: those named, or all that the model allows, without training in the reduced form."""
    known = [name for name in field.rows if not (options.reduced and METHODS[name].recover != "none")]
    return known if options.rows is None else options.rows


def rivals_at(field: Field, ratio: float) -> str:
    """Return what the published methods lose at a share of the FLOPs, to compare with what their authors found."""
    said = []
    for name, config_at in {"Fisher masks": field.masks.config, "K-prune": field.knowledge.config}.items():
        arena, config = field.arena(METHODS[name].weights), config_at(ratio)
        drop, exact = arena.verified_of(config).drop, arena.prepared.space.costs["flops"].ratio(config)
        said.append(f"{name} at {exact:.3f} of the FLOPs: a drop of {drop:+.4f} on the verification examples")
    return "\n".join(said)


def identity(spec: StudySpec, row: str, seed: int) -> Line:
    """Return what a line is recognised by: rules, workload and sizes, the ε of the search, the row and the seed."""
    sizes = {role: getattr(spec, f"{role}_examples") for role in ("calibration", "search", "verification")}
    searched = {"rules": rules(), "model": spec.model, "task": spec.task, "data": spec.data, "epsilon": spec.epsilon}
    trained = {"recover_epochs": spec.recover_epochs} if METHODS[row].recover != "none" else {}
    return {**searched, "trials": spec.trials, **sizes, **trained, "row": row, "seed": seed}


@cache
def rules() -> str:
    """Return a digest of the code that judges, so that rows judged by other rules are never in one table."""
    judging = (certification, feasible, predicted, rehearsal, shortlist, judge, strategies)
    return sha256("".join(map(inspect.getsource, judging)).encode()).hexdigest()[:12]


def missing(lines: Sequence[Line], spec: StudySpec, rows: Sequence[str], seeds: int) -> list[tuple[str, int]]:
    """Return the rows with their seeds of which there is no line; a row without chance has seed 0 alone."""
    wanted = [(name, seed) for seed in range(seeds) for name in rows if METHODS[name].has_seed or not seed]
    return [one for one in wanted if not any(identity(spec, *one).items() <= line.items() for line in lines)]


def run(field: Field, name: str, seed: int, epsilons: Sequence[float]) -> Line:
    """Search with one method and return its candidates, its scores at every ε and its curves."""
    method = METHODS[name]
    arena = field.arena(method.weights)
    proposer = Timed(method.proposer(field, seed), arena.prepared.evaluator)
    candidates = arena.candidates(proposer, rivals=method.rivals, recover=method.recover)
    outcomes = [candidate.outcome for candidate in candidates if candidate.outcome]  # all of them: they are finished
    proposing = [*proposer.seconds, *[0.0] * len(candidates)][: len(candidates)]  # what is trained is not proposed
    return {
        "setup_s": field.seconds[method.weights],
        "seconds": np.cumsum(np.add(proposing, [outcome.seconds or 0 for outcome in outcomes])).tolist(),
        "configs": [candidate.config.as_dict() for candidate in candidates],
        "flops": [arena.flops(candidate) for candidate in candidates],
        "drop": [outcome.drop for outcome in outcomes],
        "state": [candidate.state.value for candidate in candidates],
        "search_hypervolume": {str(epsilon): curve(arena, candidates, epsilon) for epsilon in epsilons},
        "scores": {str(epsilon): arena.scores(candidates, epsilon) for epsilon in epsilons},
    }


class Timed:
    """A proposer whose proposals are timed, one after the other, in `seconds`, the screening of neighbours included."""

    def __init__(self, proposer: Proposer, evaluator: Evaluator) -> None:
        self._proposer, self._evaluator, self.seconds = proposer, evaluator, list[float]()

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Proposal | None:
        """Return what the proposer does."""
        started = time.monotonic()
        step = self._proposer.propose(finished, pending)
        proposal = step.closest(self._evaluator.divergences_of(step.configs)) if isinstance(step, Neighbours) else step
        self.seconds.append(time.monotonic() - started)
        return proposal

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return self._proposer.exhausted


def curve(arena: Arena, candidates: Sequence[Candidate], epsilon: float) -> list[float]:
    """Return the hypervolume after each candidate, of those within ε on the search examples."""
    points, volumes = np.empty((0, 2)), []
    for candidate in candidates:
        if is_feasible(candidate, epsilon) and candidate.outcome and candidate.outcome.drop is not None:
            points = np.vstack([points, (candidate.outcome.drop / epsilon, arena.flops(candidate))])
        volumes.append(hypervolume(points, np.ones(2)))
    return volumes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, conflict_handler="resolve"
    )
    add_workload_options(parser)
    parser.set_defaults(trials=60)
    parser.add_argument("--epsilon", type=float, nargs="+", default=EPSILONS, help="all judged from one search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reduced", action="store_true", help=f"{REDUCED}, unless given; nothing is trained")
    parser.add_argument("--rows", nargs="*", choices=METHODS, metavar="ROW", help="some methods")
    parser.add_argument("--recover-epochs", type=float, default=0.5, help="of the distilled row")
    parser.add_argument(
        "--rivals-at", type=float, nargs="*", default=[], metavar="SHARE", help="try the published rivals instead"
    )
    parser.add_argument("--out", type=Path, default=Path("fronts.jsonl"), help="finished rows, one JSON object a line")
    parser.add_argument("--plots", type=Path, help="a directory for pictures of hypervolume")
    parser.add_argument("--cache-dir", type=Path, help="where banks are kept; by default they are made afresh")
    if parser.parse_args().reduced:
        parser.set_defaults(**REDUCED)
    return parser


if __name__ == "__main__":
    main()
