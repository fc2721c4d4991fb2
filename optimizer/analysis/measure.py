"""Measure every model beside the unpruned one, several at a time, batch size by batch size, and keep what is finished.

What cannot be measured is said and left out: a model that does not open, a batch that does not fit into memory. The
others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from objectives.room import free_bytes
from optimizer.analysis.called import called_like
from optimizer.analysis.costs import Bench, Costs, Measured
from optimizer.analysis.fitting import is_full, refusal
from optimizer.analysis.groups import Group
from optimizer.analysis.records import Counts, Measure, MeasureKey, at_size, figures_of
from optimizer.analysis.sources.source import Entry, Loaded
from optimizer.errors import InputError
from optimizer.ledger import Ledger
from optimizer.trim import trim_memory

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
    seed: int = 0


class Part(NamedTuple):
    """What is measured under one description of inputs."""

    groups: Sequence[Group]
    settings: Settings

    @property
    def comparisons(self) -> int:
        """The ratios that it measures."""
        return sum(len(group.models) for group in self.groups) * len(self.settings.batch_sizes)


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
        waiting = [entry for entry in group.models if self._waiting(entry, group)]
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
        models = {group.parent.name: parent.measured}
        for entry in entries:
            loaded = self._opened(entry)
            if loaded is None:
                continue
            try:
                models[entry.name] = called_like(parent.inputs, loaded)
                opened[entry.name] = loaded
            except InputError as error:
                self._failed(entry.name, None, str(error))
        for batch in self.settings.batch_sizes:
            here = [entry for entry in entries if entry.name in models and batch in self._waiting(entry, group)]
            fitting = self._fitting(here, group, opened, batch)
            if not fitting:
                continue
            costs = self._costs({name: models[name] for name in (group.parent.name, *_names(fitting))}, parent, batch)
            for entry in (group.parent, *fitting) if costs else ():
                self._keep(entry, group, opened, batch, costs[entry.name])

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

    def _costs(self, models: Mapping[str, Measured], parent: Loaded, batch: int) -> Mapping[str, Costs]:
        """Return the costs of all models in common rounds; nothing, and why, where memory runs out."""
        settings = self.settings
        dense, *names = models
        bench = Bench(
            parent.inputs.request(),
            settings.seconds * len(names),
            np.random.default_rng(settings.seed),
            threads=settings.threads,
            conditions={"inputs": parent.inputs.words},
            inferences=settings.inferences,
            comparisons=self.comparisons,
        )
        try:
            return bench.measure(models, dense=dense, batch=batch)
        except (RuntimeError, MemoryError) as error:
            if not is_full(error):
                raise
            for name in names:
                why = f"a batch of {batch} does not fit into memory"
                self._failed(name, batch, why, parent.inputs.length)
            return {}

    def _keep(self, entry: Entry, group: Group, opened: Mapping[str, Loaded], batch: int, costs: Costs) -> None:
        key = self._key(entry, group, batch)
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

    def _waiting(self, entry: Entry, group: Group) -> list[int]:
        """Return the batch sizes at which a model is not measured yet."""
        return [each for each in self.settings.batch_sizes if self.ledger.get(self._key(entry, group, each)) is None]

    def _key(self, entry: Entry, group: Group, batch: int) -> MeasureKey:
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


def _names(entries: Sequence[Entry]) -> list[str]:
    return [entry.name for entry in entries]
