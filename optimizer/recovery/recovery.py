"""Recovery: candidates whose models are trained. Each has its parent's counts in form FINETUNED.

The trained weights are kept in the cache, time and energy of the training among the measurements. A recovered
candidate is verified like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from objectives.energy.computed import Computed, Traffic
from objectives.energy.modelled import model_of
from objectives.measurement import Measurement, Source
from optimizer.errors import InputError, MachineError
from optimizer.pipeline import Pipeline
from optimizer.prepare import Prepared
from optimizer.recovery.weights import WEIGHTS, build_candidate, folder_of, keep_weights
from optimizer.spec import StudySpec
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.precision import name_of, training_dtype
from optimizer.training.student import Spent
from optimizer.workload import Teacher
from search_spaces.config import Config, Form
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, Study
from studies.store import StudyStore

HELD_OUT_SHARE = 0.05  # share of train
HELD_OUT_MOST = 1000
OTHERWISE: Mapping[str, str] = {
    "distill": "`recover=finetune` trains at a lower learning rate",
    "finetune": "`recover=none` finds members without training",
}
"""What to do where a training became unstable, by how it trained."""
BACKWARD = 3  # a training step costs about three forward passes: one forward, two for the gradients


Train = Callable[[nn.Module], Spent]  # trains in place and leaves the model in evaluation mode


@dataclass(frozen=True)
class Recovery:
    """The recovered candidates of one study: makes them, and builds the models of all candidates."""

    study: Study
    store: StudyStore
    spec: StudySpec
    prepared: Prepared
    cache_dir: Path

    @property
    def pipeline(self) -> Pipeline:
        """What builds the models of parents."""
        return self.prepared.pipeline

    @cached_property
    def train(self) -> AnyExamples:
        """The examples to learn from."""
        return self._cut[1]

    @cached_property
    def held_out(self) -> AnyExamples:
        """Training examples that no model learns from: they choose epochs and learning rates."""
        return self._cut[0]

    @property
    def folder(self) -> Path:
        """Where the study's trained weights are."""
        return folder_of(self.cache_dir, self.study)

    @property
    def dtype(self) -> torch.dtype:
        """What training steps are computed in."""
        return training_dtype(self.prepared.workload.device)

    @cached_property
    def teacher(self) -> Teacher:
        """The model that the students learn from: the dense one, unless the study names another."""
        workload = self.prepared.workload
        return workload.teacher or Teacher(
            model=workload.model,
            weights_hash=workload.subject.weights_hash,
            flops=self.prepared.space.costs["flops"].dense,
            has_layers=True,
            note="",
        )

    def build(self, candidate: Candidate) -> nn.Module:
        """Return the candidate's model; a recovered candidate gets its trained weights."""
        return build_candidate(candidate, self.pipeline, cache_dir=self.cache_dir, study=self.study)

    def evaluated(self, proposal: Proposal) -> Candidate:
        """Return the candidate of a proposal, evaluated now unless the study knows it."""
        known = self.known(proposal.config)
        if known is not None:
            return known
        candidate = self.store.start_candidate(self.study.id, proposal)
        return self.store.finish_candidate(candidate.id, self.prepared.evaluator.evaluate(proposal.config))

    def recovered(self, parent: Candidate, train: Train) -> Candidate:
        """Return what `train` makes of a parent, evaluated; what an earlier run has stored is returned as it is.

        A candidate whose training becomes unstable is stored as failed, and the study goes on without it.
        """
        config = parent.config.in_form(Form.FINETUNED)
        known = self.known(config)
        if known is not None:
            return known
        proposal = Proposal(config=config, origin=Origin.RECOVER, parent=parent.number)
        candidate = self.store.start_candidate(self.study.id, proposal)
        model = self.to_train(parent)
        try:
            spent = train(model)
            if self.spec.augment != "none":  # its batch norms have seen augmented images alone
                model = self.pipeline.settled(model)
            model.load_state_dict(self.prepared.workload.family.tensors(model))  # what a file of it would hold
            outcome = self.outcome(model, config)
        except InputError:
            raise
        except (MachineError, ValueError) as error:  # the loss or the answers are NaN or infinite
            reason = f"{error}; {OTHERWISE[self.spec.recover]}"
            return self.store.finish_candidate(candidate.id, Outcome(state=CandidateState.FAILED, reason=reason))
        weights = keep_weights(model, self.cache_dir, self.study)
        return self.store.finish_candidate(candidate.id, self._with_training(outcome, model, spent, weights))

    def to_train(self, parent: Candidate) -> nn.Module:
        """Return a parent's model with weights of its own, as it is when its training begins."""
        return self.pipeline.build(self.pipeline.before_training(parent.config), share_weights=False)

    def outcome(self, model: nn.Module, config: Config) -> Outcome:
        """Return the outcome of a config of which this is the trained model. Raises `ValueError` as evaluating does."""
        return self.prepared.evaluator.evaluate_model(self.pipeline.after_training(model, config), config)

    def known(self, config: Config) -> Candidate | None:
        """Return the candidate of a config that is already finished."""
        finished = (c for c in self.store.candidates(self.study.id) if c.state is not CandidateState.RUNNING)
        return next((candidate for candidate in finished if candidate.config == config), None)

    @cached_property
    def _cut(self) -> tuple[AnyExamples, AnyExamples]:
        train = self.prepared.workload.train()
        held = min(HELD_OUT_MOST, int(len(train.labels) * HELD_OUT_SHARE))
        return train.take(range(held)), train.take(range(held, len(train.labels)))

    def _with_training(self, outcome: Outcome, model: nn.Module, spent: Spent, weights: str) -> Outcome:
        """Add what was trained, and at what cost: measured seconds, and joules modelled from arithmetic and time."""
        workload = self.prepared.workload
        flops = spent.examples * BACKWARD * workload.family.flops(model) + spent.taught * self.teacher.flops
        computed = Computed.of(flops, Traffic.once(0.0), name_of(self.dtype))
        joules = model_of(workload.device, threads=torch.get_num_threads()).joules(computed, spent.seconds)
        measured = (
            Measurement(
                quantity="training_time",
                value=spent.seconds,
                unit="s",
                source=Source.MEASURED,
                conditions={
                    WEIGHTS: weights,
                    "epochs": round(spent.examples / len(self.train), 4),
                    "precision": name_of(self.dtype),
                },
            ),
            Measurement(quantity="training_energy", value=joules, unit="J", source=Source.MODELLED),
        )
        return replace(outcome, measurements=(*outcome.measurements, *measured), seconds=spent.seconds)
