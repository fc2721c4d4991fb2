"""Recover: fine-tune the shortlisted models with the dense model as teacher. Each result is a new candidate.

A recovered candidate has its parent's counts in form FINETUNED, its own trained weights in the cache, and the time
and energy of its training among its measurements. It is verified like any other candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from torch import nn

from objectives.energy.modelled import modelled_energy
from objectives.measurement import Measurement, Source
from optimizer.errors import InputError
from optimizer.families.encoders.loading import hash_weights
from optimizer.pipeline import Pipeline
from optimizer.prepare import Prepared
from optimizer.spec import StudySpec
from optimizer.training.finetune import FinetuneSettings, TrainingResult, finetune
from search_spaces.config import Form
from search_spaces.transforms.entries import read_entry, write_entry
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal, Study
from studies.store import StudyStore

HELD_OUT_SHARE = 0.05  # share of train, for early stopping
HELD_OUT_MOST = 1000
WEIGHTS = "weights"  # the condition of a training that holds the hash of what it made
BACKWARD = 3  # a training step costs about three forward passes: one forward, two for the gradients


@dataclass(frozen=True)
class Recovery:
    """Recovers candidates of one study, and builds models of all of them, recovered or not."""

    study: Study
    store: StudyStore
    spec: StudySpec
    prepared: Prepared
    cache_dir: Path

    def build(self, candidate: Candidate) -> nn.Module:
        """Return the candidate's model; a recovered candidate gets its trained weights."""
        return build_candidate(candidate, self.prepared.pipeline, cache_dir=self.cache_dir, study=self.study)

    def recover(self, parents: Sequence[Candidate], report: Callable[[int, int], None]) -> list[Candidate]:
        """Train every parent and return the fully evaluated recovered candidates, cheapest first."""
        recovered = []
        for done, parent in enumerate(parents):
            report(done, len(parents))
            recovered.append(self._known(parent) or self._recover(parent))
        report(len(parents), len(parents))
        return [candidate for candidate in recovered if candidate.state is CandidateState.COMPLETE]

    def _known(self, parent: Candidate) -> Candidate | None:
        """Return the recovered candidate that the run stored before an interrupt."""
        wanted = parent.config.in_form(Form.FINETUNED)
        finished = [c for c in self.store.candidates(self.study.id) if c.state is not CandidateState.RUNNING]
        return next((c for c in finished if c.config == wanted), None)

    def _recover(self, parent: Candidate) -> Candidate:
        config = parent.config.in_form(Form.FINETUNED)
        proposal = Proposal(config=config, origin=Origin.RECOVER, parent=parent.number)
        candidate = self.store.start_candidate(self.study.id, proposal)
        workload = self.prepared.workload
        model = self.prepared.pipeline.build(parent.config, share_weights=False)
        training = self._train(model)
        model.load_state_dict(workload.family.tensors(model))  # what a file of it would hold
        tensors = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        weights = hash_weights(model)
        write_entry(_folder(self.cache_dir, self.study) / f"{weights}.safetensors", tensors)
        outcome = self.prepared.evaluator.evaluate_model(model, config)
        return self.store.finish_candidate(candidate.id, self._with_training(outcome, model, training, weights))

    def _train(self, model: nn.Module) -> TrainingResult:
        train = self.prepared.workload.train()
        held = min(HELD_OUT_MOST, int(len(train.labels) * HELD_OUT_SHARE))
        return finetune(
            model,
            train.take(range(held, len(train.labels))),
            held_out=train.take(range(held)),
            task=self.prepared.workload.task,
            settings=FinetuneSettings(epochs=1, seed=self.spec.seed),
            progress=lambda _done, _total: None,
            teacher=self.prepared.workload.model,
        )

    def _with_training(self, outcome: Outcome, model: nn.Module, training: TrainingResult, weights: str) -> Outcome:
        """Add what was trained, and at what cost: measured seconds, and joules modelled from arithmetic and time."""
        workload = self.prepared.workload
        examples = training.steps * FinetuneSettings().batch_size
        joules = modelled_energy(
            flops=examples * (BACKWARD * workload.family.flops(model) + self.prepared.space.costs["flops"].dense),
            bytes_moved=0.0,
            seconds=training.seconds,
            device_kind=self.prepared.workload.device.type,
        )
        taken = (
            Measurement(
                quantity="training_time",
                value=training.seconds,
                unit="s",
                source=Source.MEASURED,
                conditions={WEIGHTS: weights},
            ),
            Measurement(quantity="training_energy", value=joules, unit="J", source=Source.MODELLED),
        )
        return replace(outcome, measurements=(*outcome.measurements, *taken), seconds=training.seconds)


def build_candidate(candidate: Candidate, pipeline: Pipeline, *, cache_dir: Path, study: Study) -> nn.Module:
    """Return a candidate's model, sharing untouched weights with the dense one; a recovered one has its own.

    Raises `InputError` where the weights of a recovered candidate are no longer in the cache.
    """
    if candidate.config.form is not Form.FINETUNED:
        return pipeline.build(candidate.config)
    paths = weights_paths(cache_dir, study, candidate)
    stored = next(filter(None, map(read_entry, paths)), None)
    if stored is None:
        raise InputError(
            "cache_dir",
            f"the trained weights of candidate {candidate.number} are missing or damaged at {paths[0]}; give the "
            "directory that the study ran with, or run it again under another name",
        )
    tensors = {name: tensor.to(pipeline.workload.device) for name, tensor in stored.items()}
    model = pipeline.outline(candidate.config, tensors)
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def weights_paths(cache_dir: Path, study: Study, candidate: Candidate) -> tuple[Path, ...]:
    """Return where a recovered candidate's trained weights may be.

    The outcome names them by their hash: studies of one name in several databases, and a process that has lost the
    study and writes late, leave them unchanged. Earlier versions named them by the candidate.
    """
    measured = next((m for m in candidate.measurements if WEIGHTS in m.conditions), None)
    created = f"{study.created_at.astimezone(UTC):%Y%m%dT%H%M%S%f}"
    names = [measured.conditions[WEIGHTS]] if measured else [f"{candidate.number}-{created}", candidate.number]
    return tuple(_folder(cache_dir, study) / f"{name}.safetensors" for name in names)


def _folder(cache_dir: Path, study: Study) -> Path:
    return cache_dir / "recovered" / study.slug
