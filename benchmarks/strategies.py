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
from functools import partial
from itertools import takewhile
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon

from benchmarks.judge import Judge, Verified
from benchmarks.workload import add_workload_options, spec_of
from optimizer.evaluation.rivals import Rival
from optimizer.executors.inprocess import InProcess
from optimizer.families.encoders.load import load_workload
from optimizer.fronts.front import hypervolume
from optimizer.loop.loop import Budget, Search
from optimizer.loop.worth import Worth
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.recovery.recoveries import RECOVERIES
from optimizer.recovery.recovery import Recovery
from optimizer.samplers import SAMPLERS, make_sampler
from optimizer.search.ladder import SHARE
from optimizer.search.proposer import Proposer, StagedProposer
from optimizer.search.steps import Step
from optimizer.selection.certification import Certifier, verification_alpha
from optimizer.selection.feasible import is_feasible
from optimizer.spec import StudySpec
from search_spaces.config import Config, Form
from search_spaces.resident import trim_memory
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal


@dataclass
class Arena:
    """One prepared workload, on which strategies meet."""

    spec: StudySpec
    prepared: Prepared
    judge: Judge
    _outcomes: dict[Config, Outcome] = field(default_factory=dict)
    _verified: dict[Config, Verified] = field(default_factory=dict)

    def run(self, proposer: Proposer, *, rivals: bool) -> dict[str, float]:
        """Return the scores of a strategy at the study's ε, its candidates and their bill.

        The bill is what evaluating them on the search examples costs, in evaluations of the dense model by FLOPs.
        """
        candidates = self.candidates(proposer, rivals=rivals)
        bill = sum(self.flops(c) * c.outcome.seen for c in candidates if c.outcome) / self._examples
        return {**self.scores(candidates, self.spec.tolerance), "candidates": len(candidates), "bill": bill}

    def candidates(self, proposer: Proposer, *, rivals: bool = False, recover: str = "none") -> Sequence[Candidate]:
        """Return the candidates of a strategy in order; without `rivals` each is measured until its drop is certain.

        Those that `recover` trains come last, and are verified at once: their weights are not kept.
        """
        with TemporaryDirectory() as place, closing(open_store(f"sqlite:///{place}/s.sqlite")) as store:
            spec = self.spec.model_copy(update={"recover": recover})
            study = store.create_study("strategy", spec.model_dump(mode="json"))
            found = (
                Search(
                    study_id=study.id,
                    store=store,
                    proposer=proposer,
                    executor=InProcess(self),
                    rivals=self.prepared.evaluator.rivals if rivals else None,
                    budget=Budget(trials=self.spec.trials),
                    on_finished=lambda _candidate: None,
                )
                .run()
                .candidates
            )
            if recover == "none":
                return found
            recovery = Recovery(study, store, spec, self.prepared, Path(place))
            RECOVERIES[recover](recovery, self._shortlist(found, spec.tolerance), lambda _done, _total: None)
            for trained in filter(_is_trained, candidates := store.candidates(study.id)):
                self._verified[trained.config] = self.judge.verified(recovery.build(trained))
            return candidates

    def scores(self, candidates: Sequence[Candidate], epsilon: float) -> dict[str, float]:
        """Return what candidates are worth at an ε up to the study's own, by the shortlist that it takes from them.

        The verified hypervolume, the cheapest FLOPs ratios that held ε and that are certified (1 where none is), and
        the share of the shortlist that held it.
        """
        chosen = self._shortlist(candidates, epsilon)
        points = np.array([(self.verified_of(c.config).drop / epsilon, self.flops(c)) for c in chosen])
        held = points[points[:, 0] <= 1]
        return {
            "hypervolume": hypervolume(points, np.ones(2)),
            "cheapest": float(held[:, 1].min()) if len(held) else 1.0,
            "certified": self._leanest_certified(candidates, chosen, epsilon),
            "held_share": len(held) / len(points),
        }

    def verified_of(self, config: Config) -> Verified:
        """Return what a config is on the verification examples; it runs there once."""
        if config not in self._verified:
            self._verified[config] = self.judge.verified(self.prepared.backends.answering(self.prepared.build(config)))
            trim_memory()
        return self._verified[config]

    def is_feasible(self, candidate: Candidate) -> bool:
        """Whether the candidate's drop on the search examples is within the study's ε."""
        return is_feasible(candidate, self.spec.tolerance)

    def flops(self, candidate: Candidate) -> float:
        """Return a candidate's FLOPs as a ratio to the dense model's."""
        return self.prepared.space.costs["flops"].ratio(candidate.config)

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        """Return the outcome; only one that no rival cut short serves other strategies, which have other rivals."""
        evaluator = self.prepared.evaluator
        if config in self._outcomes and evaluator.rivals.first(self._outcomes[config].measurements, rivals) is None:
            return self._outcomes[config]
        outcome = evaluator.evaluate(config, rivals)
        if evaluator.rivals.first(outcome.measurements, rivals) is None:
            self._outcomes[config] = outcome
        return outcome

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """Return the divergences of configs."""
        return self.prepared.evaluator.divergences_of(configs)

    @property
    def _examples(self) -> int:
        return len(self.prepared.workload.search.labels)

    def _shortlist(self, candidates: Sequence[Candidate], epsilon: float) -> list[Candidate]:
        """Return what a study verifies: its choice among what the search found, and the trained candidates within ε."""
        within = partial(is_feasible, epsilon=epsilon)
        searched = [c for c in candidates if c.proposal.origin is not Origin.RECOVER]
        trained = [c for c in candidates if _is_trained(c) and within(c)]
        chosen = self.certifier(searched, epsilon).shortlist(searched, is_feasible=within, costs_of=[self.flops])
        return sorted([*chosen, *trained], key=self.flops)

    def _leanest_certified(self, candidates: Sequence[Candidate], chosen: Sequence[Candidate], epsilon: float) -> float:
        """Return the last FLOPs ratio before the first failure in the fixed sequence."""
        certifier = self.certifier(candidates, epsilon)
        sequence = certifier.best(chosen)
        passed = takewhile(lambda c: self.verified_of(c.config).p_value(epsilon) <= certifier.alpha, sequence)
        return min(map(self.flops, passed), default=1.0)

    def certifier(self, candidates: Sequence[Candidate], epsilon: float) -> Certifier:
        """Return what makes the certification list of candidates, by FLOPs."""
        workload = self.prepared.workload
        alpha = verification_alpha(self.spec, workload.metric)
        return Certifier(candidates, self.flops, epsilon, len(workload.verification), alpha)


def _is_trained(candidate: Candidate) -> bool:
    return candidate.config.form is Form.FINETUNED and candidate.state is not CandidateState.FAILED


class Listed:
    """Proposes what a list holds and nothing else."""

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self._proposals = proposals

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Proposal | None:
        """Return the next of the list."""
        number = len(finished) + len(pending)
        return self._proposals[number] if number < len(self._proposals) else None

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return "the list has no further config"


def staged(arena: Arena, *, sampler: str | None, seed: int, refine: bool, climb: bool = True) -> Proposer:
    """Return the ladder, unless it is not climbed, followed by a sampler, the spec's by default, and refinement."""
    spec, prepared = arena.spec, arena.prepared
    worth = Worth(spec, prepared)
    return StagedProposer(
        prepared.space,
        seeds=prepared.ladder(spec.trials) if climb else (),
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
    return Listed(arena.prepared.ladder(SHARE * arena.spec.trials))


STRATEGIES: dict[str, Callable[..., Proposer]] = {
    "ladder alone": ladder_alone,
    "ladder + random": partial(staged, sampler="random", refine=False),
    "default": partial(staged, sampler=None, refine=True),
    "default, no rivals": partial(staged, sampler=None, refine=True),
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
        prepared = prepare(spec, workload, cache_dir=Path(scratch), stages=stages)
        arena = Arena(spec, prepared, Judge(workload))
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in strategies}
        for seed in range(options.seeds):
            for name, make in strategies.items():
                rows[name].append(arena.run(make(arena, seed=seed), rivals="no rivals" not in name))
                console.print(f"seed {seed}, {name}: {rows[name][-1]}")
    if options.json:
        print(json.dumps(rows))
    else:
        console.print(table_of(rows))


def table_of(rows: dict[str, list[dict[str, float]]]) -> Table:
    """Return mean and deviation of every strategy, and how the default compares seed by seed."""
    table = Table(
        "strategy", "verified hypervolume", "cheapest verified", "shortlist that held", "bill", "default − this"
    )
    default = [row["hypervolume"] for row in rows["default"]]
    for name, runs in rows.items():
        table.add_row(
            name,
            _spread([run["hypervolume"] for run in runs]),
            _spread([run["cheapest"] for run in runs]),
            _spread([run["held_share"] for run in runs]),
            _spread([run["bill"] for run in runs]),
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
