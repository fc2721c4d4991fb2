"""Fine-tuning of the shortlist: each member learns labels and the teacher's answers, in equal parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from optimizer.progress import Report
from optimizer.recovery.recovery import Recovery
from optimizer.recovery.school import School
from optimizer.training.augment import augmentation_of
from optimizer.training.checkpoint import state_path
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.history import History
from search_spaces.config import Config
from studies.records import Candidate, CandidateState, Outcome


@dataclass(frozen=True, slots=True)
class Finetune:
    """How good is a member once it is trained?"""

    config: Config

    def put_to(self, school: School, /) -> Outcome:
        """Train it, from where an interrupted training is, and return its outcome."""
        state = state_path(school.folder, f"finetuned-{self.config.digest[:24]}")
        outcome = school.trained(self.config, lambda model: _trained(school, model, state))
        state.unlink(missing_ok=True)
        return outcome


def finetune_shortlist(recovery: Recovery, shortlist: Sequence[Candidate], report: Report) -> list[Candidate]:
    """Train every member and return the fully evaluated recovered candidates, in the order of the shortlist."""
    asked = [(parent, Finetune(parent.config)) for parent in shortlist]
    with recovery.place.executor(recovery.school(report), is_limited=False) as executor:
        recovered = recovery.recovered(executor, asked, lambda done: report(done, len(shortlist)))
    return [candidate for candidate in recovered if candidate.state is CandidateState.COMPLETE]


def _trained(school: School, model: nn.Module, state: Path) -> History:
    workload, spec = school.prepared.workload, school.spec
    settings = FinetuneSettings(epochs=int(spec.recover_epochs), seed=spec.seed)
    return finetune(
        model,
        school.train,
        held_out=school.held_out,
        task=workload.task,
        settings=settings,
        progress=lambda _done, _total: None,
        teacher=school.teacher.model,
        dtype=school.dtype,
        augmentation=augmentation_of(spec.augment, spec.seed),
        state=state,
    ).history
