"""Measure every model beside the unpruned one, several at a time, batch size by batch size, and keep what is finished.

What cannot be measured is said and left out: a model that does not open, a batch that does not fit into memory. The
others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from objectives.room import free_bytes
from optimizer.analysis.called import called_like
from optimizer.analysis.costs import Bench, Costs, Measured
from optimizer.analysis.fitting import is_full, refusal
from optimizer.analysis.groups import Group
from optimizer.analysis.records import Counts, Measure, MeasureKey, at_size, figures_of
from optimizer.analysis.sources.source import Entry, Loaded
from optimizer.backends.compiled import Timed
from optimizer.backends.names import TORCH
from optimizer.backends.table import FOR_SHAPES
from optimizer.errors import InputError
from optimizer.ledger import Ledger
from optimizer.measuring.timing import Run
from optimizer.views.latencies import RUNTIMES
from search_spaces.resident import trim_memory

MOST_TOGETHER = 16  # pruned models in memory at a time: a kill loses few, and the unpruned one runs seldom
SHARE = 0.25  # of the free memory that their files may take


class Failure(NamedTuple):
    """What was not measured: a model, at a batch size or at all, and why."""

    model: str
    batch: int | None
    why: str
    length: int | None = None

    def __str__(self) -> str:
        at = "" if self.batch is None else f", {at_size(self.batch, self.length)}"
        return f"{self.model}{at}: not measured, {self.why}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How models are measured: `seconds` for a pruned model at a batch size, or so many `inferences` of each.

    `described` is what the user says of inputs, as it is written. With `only_length`, models whose texts are not so
    long whatever is said are left out: they were measured before.
    """

    batch_sizes: tuple[int, ...]
    seconds: float
    inferences: int | None
    threads: int
    device: torch.device
    described: str
    only_length: int | None = None
    backends: tuple[str, ...] = (TORCH,)
    seed: int = 0


class Part(NamedTuple):
    """What is measured under one description of inputs."""

    groups: Sequence[Group]
    settings: Settings

    @property
    def comparisons(self) -> int:
        """The ratios that it measures: two where another backend than torch runs a model."""
        each = sum(1 + (backend != TORCH) for backend in self.settings.backends)
        return sum(len(group.models) for group in self.groups) * len(self.settings.batch_sizes) * each


@dataclass
class Analysis:
    """An analysis under way: `comparisons` are those of all models at all batch sizes and lengths.

    `failures` are of all its parts, each once.
    """

    settings: Settings
    ledger: Ledger[Measure]
    comparisons: int
    said: Callable[[str], None]
    failures: list[Failure] = field(default_factory=list)

    def measure(self, group: Group) -> None:
        """Measure what of a group is not finished."""
        waiting = [entry for entry in group.models if self._is_waiting(entry, group)]
        if not waiting:
            return
        parent = self._opened(group.parent)
        if parent is None:
            why = f"its unpruned model, {group.parent.name}, cannot be measured"
            found = [Failure(entry.name, None, why) for entry in waiting]
            self.failures += [failure for failure in found if failure not in self.failures]
            return
        if self.settings.only_length not in (None, parent.inputs.length):
            return
        for some in _chunks(waiting, self.settings.device):
            self._measure_together(group, parent, some)
            trim_memory()

    def _measure_together(self, group: Group, parent: Loaded, entries: Sequence[Entry]) -> None:
        opened = {group.parent.name: parent}
        models = {Run(group.parent.name): parent.measured}
        for entry in entries:
            loaded = self._opened(entry)
            if loaded is None:
                continue
            try:
                models[Run(entry.name)] = called_like(parent.inputs, loaded)
                opened[entry.name] = loaded
            except InputError as error:
                self._failed(entry.name, None, str(error))
        for backend, batch in product(self.settings.backends, self.settings.batch_sizes):
            here = [entry for entry in entries if entry.name in opened and self._waits(entry, group, batch, backend)]
            fitting = self._fitting(here, group, opened, batch)
            if not fitting:
                continue
            of_these = {Run(entry.name): models[Run(entry.name)] for entry in (group.parent, *fitting)}
            costs = self._costs(self._run_by(backend, of_these, parent, batch), parent, batch)
            for entry in (group.parent, *fitting):
                if (run := Run(entry.name, backend)) in costs:
                    self._keep(entry, group, opened, batch, backend, costs[run])

    def _run_by(
        self, backend: str, models: Mapping[Run, Measured], parent: Loaded, batch: int
    ) -> Mapping[Run, Measured]:
        """Return the models as a backend runs them, the unpruned one first and in torch as well; why not is kept."""
        if backend == TORCH:
            return models
        reference, *others = models
        found, failed = dict[Run, Measured](), dict[str, str]()
        timed = Timed(lambda: [self._on_device(parent.inputs.request()(batch))], self.settings.threads)
        for run in (reference, *others):
            try:
                found[Run(run.model, backend)] = made_measured(backend, models[run], timed)
            except InputError as error:
                failed[str(run.model)] = str(error)
        if why := failed.pop(str(reference.model), None):
            failed = {str(run.model): f"the unpruned model: {why}" for run in others}
            found = {}
        for name, reason in failed.items():
            self._failed(name, batch, reason, parent.inputs.length)
        return found | {reference: models[reference]} if len(found) > 1 else {}

    def _on_device(self, request: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(self.settings.device) for name, tensor in request.items()}

    def _fitting(self, entries: Sequence[Entry], group: Group, opened: Mapping[str, Loaded], batch: int) -> list[Entry]:
        """Return the models that can take a batch, none where the unpruned one cannot; why not is kept."""
        of_parent = refusal(opened[group.parent.name], batch)
        refusals = {
            entry.name: f"the unpruned model: {of_parent}" if of_parent else refusal(opened[entry.name], batch)
            for entry in entries
        }
        for name, why in refusals.items():
            if why is not None:
                self._failed(name, batch, why, opened[group.parent.name].inputs.length)
        return [entry for entry in entries if refusals[entry.name] is None]

    def _costs(self, models: Mapping[Run, Measured], parent: Loaded, batch: int) -> Mapping[Run, Costs]:
        """Return the costs of all models in common rounds, the unpruned one first; nothing, and why, without memory."""
        if not models:
            return {}
        settings = self.settings
        dense, *others = models
        reference = Run(dense.model)
        others = [run for run in others if run != reference]
        bench = Bench(
            parent.inputs.request(),
            settings.seconds * len(others),
            np.random.default_rng(settings.seed),
            threads=settings.threads,
            conditions={"inputs": parent.inputs.words},
            inferences=settings.inferences,
            comparisons=self.comparisons,
        )
        try:
            return bench.measure(models, dense=dense, batch=batch, reference=None if dense == reference else reference)
        except (RuntimeError, MemoryError) as error:
            if not is_full(error):
                raise
            for run in others:
                why = f"a batch of {batch} does not fit into memory"
                self._failed(str(run.model), batch, why, parent.inputs.length)
            return {}

    def _keep(
        self, entry: Entry, group: Group, opened: Mapping[str, Loaded], batch: int, backend: str, costs: Costs
    ) -> None:
        key = self._key(entry, group, batch, backend)
        if self.ledger.get(key) is not None:  # the unpruned model, measured beside others before
            return
        measure = Measure(
            key=key,
            source=entry.source,
            facts=entry.facts,
            metric=dict(entry.metric),
            counts=_counts(opened[entry.name]),
            parent_counts=_counts(opened[group.parent.name]),
            length=opened[group.parent.name].inputs.length,
            **figures_of(costs, comparisons=self.comparisons),
        )
        self.ledger.add(measure)
        if entry is not group.parent:
            self.said(f"{entry.name}, {measure.size}: {measure.time.as_change} time, {measure.energy.as_change} energy")

    def _opened(self, entry: Entry) -> Loaded | None:
        """Return an opened model; None, and why, for one that cannot be opened."""
        try:
            return entry.load()
        except (InputError, MemoryError) as error:
            self._failed(entry.name, None, str(error) or "it does not fit into memory")
            return None

    def _failed(self, name: str, batch: int | None, why: str, length: int | None = None) -> None:
        failure = Failure(name, batch, why, length)
        if failure not in self.failures:
            self.failures.append(failure)
            self.said(str(failure))

    def _is_waiting(self, entry: Entry, group: Group) -> bool:
        """Whether a model is not measured yet at some batch size in some backend."""
        places = product(self.settings.batch_sizes, self.settings.backends)
        return any(self._waits(entry, group, *place) for place in places)

    def _waits(self, entry: Entry, group: Group, batch: int, backend: str) -> bool:
        return self.ledger.get(self._key(entry, group, batch, backend)) is None

    def _key(self, entry: Entry, group: Group, batch: int, backend: str) -> MeasureKey:
        settings = self.settings
        return MeasureKey(
            model=entry.name,
            place=entry.place,
            stamp=entry.stamp,
            parent=group.parent.name,
            parent_stamp=group.parent.stamp,
            batch=batch,
            described=settings.described,
            device=str(settings.device),
            threads=settings.threads,
            seconds=settings.seconds,
            inferences=settings.inferences,
            backend=backend,
        )


def _chunks(entries: Sequence[Entry], device: torch.device) -> Iterator[list[Entry]]:
    """Yield models that are in memory together: few, and their files within a share of what is free; one at least."""
    room, some, size = SHARE * free_bytes(device), list[Entry](), 0
    for entry in entries:
        if some and (len(some) == MOST_TOGETHER or size + entry.size > room):
            yield some
            some, size = [], 0
        some.append(entry)
        size += entry.size
    yield some


def _counts(loaded: Loaded) -> Counts:
    return Counts(flops=loaded.measured.flops, parameters=loaded.parameters)


def made_measured(backend: str, measured: Measured, timed: Timed) -> Measured:
    """Return a model as a backend runs it that is made of it. Raises `InputError` for one that it cannot run."""
    if measured.traffic is not None:
        raise InputError("backend", f"{RUNTIMES[backend]} takes torch's modules, and ONNX Runtime runs this graph")
    return replace(measured, model=FOR_SHAPES[backend](measured.model, timed), built=measured.model)
