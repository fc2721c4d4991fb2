"""Searching: the stage of a study that proposes candidates, has them evaluated and stores what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.evaluation.rivals import Rival
from optimizer.executors.executor import Evaluating
from optimizer.executors.workplace import HERE, Workplace
from optimizer.loop.loop import Budget, Search
from optimizer.loop.worth import Worth
from optimizer.preparation.prepare import Prepared
from optimizer.progress import Event, Stages
from optimizer.samplers import make_sampler
from optimizer.samplers.own import MakeSampler
from optimizer.search.iterative import IterativeProposer
from optimizer.search.proposer import Proposer, StagedProposer
from optimizer.selection.feasible import is_feasible
from optimizer.spec import StudySpec
from search_spaces.config import Config
from studies.records import Candidate, CandidateState, Outcome, Study
from studies.store import StudyStore

SEARCH_PARTS = ("search", "screen", "evaluate", "train")


@dataclass(frozen=True)
class Timed:
    """An evaluator whose time is counted by what is asked; what workers take, nobody counts."""

    evaluator: Evaluating
    stages: Stages

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        """Return the outcome of a config."""
        with self.stages.part("evaluate"):
            return self.evaluator.evaluate(config, rivals)

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """Return the divergences of configs."""
        with self.stages.part("screen"):
            return self.evaluator.divergences_of(configs)


@dataclass(frozen=True)
class Searching:
    """The search of one study. `sampler` is the spec's, or the caller's own."""

    study: Study
    store: StudyStore
    spec: StudySpec
    prepared: Prepared
    sampler: str | MakeSampler
    stages: Stages
    place: Workplace = HERE

    def run(self) -> None:
        """Search until the budget is spent, unless an earlier run has ended the search."""
        before = self.store.candidates(self.study.id)
        if any(candidate.shortlisted for candidate in before):
            return  # the shortlist is fixed: verification examples may have been seen
        done = sum(candidate.state is not CandidateState.RUNNING for candidate in before)

        def announce(candidate: Candidate) -> None:
            nonlocal done
            done += 1
            self.stages.tell(Event(stage="search", done=done, total=self.spec.trials, candidate=candidate))

        timed = Timed(self.prepared.evaluator, self.stages)
        with self.stages.stage("search"), self.place.executor(timed) as executor:
            found = Search(
                study_id=self.study.id,
                store=self.store,
                proposer=self._proposer(),
                executor=executor,
                rivals=self.prepared.evaluator.rivals,
                budget=self._budget(),
                stored=before,
                on_finished=announce,
                on_wait=lambda: self.stages.tell(Event(stage="search", done=done, total=self.spec.trials)),
            ).run()
        self.store.update_study(self.study.id, context={"search_ended": found.ended})
        if found.ended:
            self.stages.tell(Event(stage="ended", text=found.ended))

    def _budget(self) -> Budget:
        seconds = self.store.study(str(self.study.id)).seconds
        spent_s = sum(seconds.get(part, 0.0) for part in SEARCH_PARTS)
        return Budget(trials=self.spec.trials, timeout_s=self.spec.timeout, spent_s=spent_s)

    def _proposer(self) -> Proposer:
        spec, prepared = self.spec, self.prepared
        if spec.sampler == "iterative":
            return IterativeProposer(prepared.groups, lambda candidate: is_feasible(candidate, spec.tolerance))
        worth = Worth(spec, prepared, self.store.study(str(self.study.id)).baseline)
        return StagedProposer(
            prepared.space,
            seeds=prepared.ladder(spec.trials),
            given=prepared.wanted.proposals,
            trials=spec.trials,
            make_sampler=lambda: make_sampler(
                self.sampler,
                dimensions=prepared.space.dimensions,
                seed=spec.seed,
                budget=spec.trials,
                objectives=1 + len(spec.objectives),
                constraints=worth.constraints,
            ),
            worth=worth,
            refiner=prepared.refiner,
        )
