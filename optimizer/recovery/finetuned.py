"""Fine-tuning of the shortlist: each member learns labels and the teacher's answers, in equal parts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from optimizer.progress import Report
from optimizer.recovery.recovery import Recovery
from optimizer.training.augment import augmentation_of
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.student import Spent
from studies.records import Candidate, CandidateState


def finetune_shortlist(recovery: Recovery, shortlist: Sequence[Candidate], report: Report) -> list[Candidate]:
    """Train every member and return the fully evaluated recovered candidates, in the order of the shortlist."""
    recovered = []
    for done, parent in enumerate(shortlist):
        report(done, len(shortlist))
        recovered.append(recovery.recovered(parent, partial(_train, recovery)))
    report(len(shortlist), len(shortlist))
    return [candidate for candidate in recovered if candidate.state is CandidateState.COMPLETE]


def _train(recovery: Recovery, model: nn.Module) -> Spent:
    workload, spec = recovery.prepared.workload, recovery.spec
    settings = FinetuneSettings(epochs=int(spec.recover_epochs), seed=spec.seed)
    result = finetune(
        model,
        recovery.train,
        held_out=recovery.held_out,
        task=workload.task,
        settings=settings,
        progress=lambda _done, _total: None,
        teacher=recovery.teacher.model,
        dtype=recovery.dtype,
        augmentation=augmentation_of(spec.augment, spec.seed),
    )
    examples = result.steps * settings.batch_size
    return Spent(examples=examples, taught=examples, seconds=result.seconds)
