"""Recovery: candidates whose models are trained. Each has its parent's counts in form FINETUNED.

The workers of a run train them, this process alone writes the study. A recovered candidate is verified like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from optimizer.executors.asking import answered
from optimizer.executors.executor import Executor, Question, S
from optimizer.executors.workplace import HERE, Workplace
from optimizer.faults import out_of_attempts
from optimizer.preparation.prepare import Prepared
from optimizer.progress import Report
from optimizer.recovery.school import School
from optimizer.recovery.weights import build_candidate, folder_of
from optimizer.spec import StudySpec
from search_spaces.config import Config, Form
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, Study
from studies.store import StudyStore


@dataclass(frozen=True)
class Recovery:
    """The recovered candidates of one study: has them made, and builds the models of all candidates."""

    study: Study
    store: StudyStore
    spec: StudySpec
    prepared: Prepared
    cache_dir: Path
    place: Workplace = HERE

    def school(self, report: Report) -> School:
        """Return what trains the study's candidates."""
        return School(self.spec, self.prepared, folder_of(self.cache_dir, self.study), report)

    def build(self, candidate: Candidate) -> nn.Module:
        """Return the candidate's model; a recovered candidate gets its trained weights."""
        return build_candidate(candidate, self.prepared.pipeline, cache_dir=self.cache_dir, study=self.study)

    def evaluated(self, proposal: Proposal) -> Candidate:
        """Return the candidate of a proposal, evaluated now unless the study knows it."""
        known = self.known(proposal.config)
        if known is not None:
            return known
        candidate = self.store.start_candidate(self.study.id, proposal)
        return self.store.finish_candidate(candidate.id, self.prepared.evaluator.evaluate(proposal.config))

    def recovered(
        self,
        executor: Executor[S],
        asked: Sequence[tuple[Candidate, Question[S, Outcome]]],
        report: Callable[[int], None],
    ) -> list[Candidate]:
        """Return what training makes of parents, in their order, each by the question that has it trained.

        What an earlier run has stored is returned as it is. A candidate whose training becomes unstable, or ends its
        worker again and again, is stored as failed, and the study goes on without it. `report` receives how many are
        finished.
        """
        found = [self.known(parent.config.in_form(Form.FINETUNED)) for parent, _ in asked]
        begun = list[tuple[int, Candidate]]()

        def questions() -> Iterator[Question[S, Outcome]]:
            for place, (parent, question) in enumerate(asked):
                if found[place] is None:
                    config = parent.config.in_form(Form.FINETUNED)
                    proposal = Proposal(config=config, origin=Origin.RECOVER, parent=parent.number)
                    begun.append((place, self.store.start_candidate(self.study.id, proposal)))
                    yield question

        def tell() -> None:
            report(sum(candidate is not None for candidate in found))

        tell()
        for number, answer in answered(executor, questions(), on_wait=tell):
            place, candidate = begun[number]
            outcome = out_of_attempts(answer) if isinstance(answer, BaseException) else answer
            found[place] = self.store.finish_candidate(candidate.id, outcome)
            tell()
        return [candidate for candidate in found if candidate is not None]

    def known(self, config: Config) -> Candidate | None:
        """Return the candidate of a config that is already finished."""
        finished = (c for c in self.store.candidates(self.study.id) if c.state is not CandidateState.RUNNING)
        return next((candidate for candidate in finished if candidate.config == config), None)
