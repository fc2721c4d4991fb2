"""Stored studies: the members of a front, built as `optimize export` builds them, and the dense model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import nn

from optimizer.analysis.facts import Facts
from optimizer.analysis.inputs import Input, Inputs
from optimizer.analysis.sources.source import Described, Entry, Loaded, of_module
from optimizer.fronts.fronts import front_of
from optimizer.handover.export import reload
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from optimizer.spec import StudySpec
from optimizer.views.member import Member
from optimizer.workload import Workload
from studies.records import Candidate, Study
from studies.store import StudyStore

NAME = "study"


class OpenedStudy:
    """A study whose model and data are loaded when the first member is opened."""

    def __init__(self, study: Study, candidates: Sequence[Candidate], cache_dir: Path) -> None:
        self.study, self.spec = study, StudySpec.stored(study.spec)
        self.candidates, self._cache_dir = {each.number: each for each in candidates}, cache_dir
        self.members = front_of(study, candidates).items

    @cached_property
    def workload(self) -> Workload:
        """The dense model with the study's examples. Raises `InputError` where they have changed."""
        return reload(self.study, cache_dir=self._cache_dir)

    @cached_property
    def _pipeline(self) -> Pipeline:
        return Pipeline.of(self.spec, self.workload, self._cache_dir)

    def built(self, number: int) -> nn.Module:
        """Return the model of a candidate."""
        candidate = self.candidates[number]
        return build_candidate(candidate, self._pipeline, cache_dir=self._cache_dir, study=self.study)

    @property
    def dense_name(self) -> str:
        """The name of the dense model among those of an analysis."""
        return f"{self.study.slug}#dense"

    def inputs(self) -> Inputs:
        """Return the inputs of a request of the study."""
        request = self.workload.family.request()(1)
        return Inputs(
            tuple(
                Input(name, tuple(tensor.shape[1:]), str(tensor.dtype).removeprefix("torch."))
                for name, tensor in request.items()
            )
        )

    def entries(self, described: Described) -> list[Entry]:
        """Return the dense model and the members of the front."""
        facts = Facts(architecture=self.spec.model, dataset=self.spec.task)
        dense = facts.model_copy(update={"is_unpruned": True})
        return [
            self._entry(self.dense_name, dense, described, None),
            *(self._entry(f"{self.study.slug}#{each.candidate}", facts, described, each) for each in self.members),
        ]

    def _entry(self, name: str, facts: Facts, described: Described, member: Member | None) -> Entry:
        def load() -> Loaded:
            model = self.workload.model if member is None else self.built(member.candidate)
            return of_module(model, self.inputs(), described)

        quality = {} if member is None or member.accuracy is None else {"accuracy": member.accuracy}
        return Entry(
            name=name,
            place=f"study {self.study.slug}",
            source=NAME,
            facts=facts,
            load=load,
            stamp=f"{self.study.id}-{self.study.created_at.isoformat()}",
            parent=None if member is None else self.dense_name,
            metric=quality,
        )


def opened(name: str, store: StudyStore, cache_dir: Path) -> OpenedStudy:
    """Return a stored study. Raises `StudyNotFoundError`."""
    study = store.study(name)
    return OpenedStudy(study, store.candidates(study.id), cache_dir)
