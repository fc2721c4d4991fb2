"""Tried: forms of the dense model that show what a transform gains on this machine, timed in common rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from objectives.measurement import Conditions, Measurement
from objectives.repeats import compared, is_gain
from optimizer.backends.names import TORCH
from optimizer.backends.running import INTEGER_BITS, Backends
from optimizer.errors import InputError
from optimizer.measuring.timing import DENSE, REFERENCE, Rounds, Run
from optimizer.pipeline import Pipeline
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.groups import Group, GroupKind
from search_spaces.layouts.stored import store
from search_spaces.layouts.surgery import share_structure
from search_spaces.transforms.bits.layers import paths_of
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.rank.layers import path_of, weights_per_rank, with_rank
from search_spaces.transforms.table import BITS, RANK

SECONDS = 2.0  # of all rounds


@dataclass(frozen=True)
class Tried:
    """The times of forms in backends, and why a transform or a backend has none, by its name."""

    sessions: Sequence[Mapping[Run, Measurement]]  # of common rounds, each with the dense model in every backend
    refused: Mapping[str, str]

    @property
    def runs(self) -> list[Run]:
        """What was timed, the dense model in torch first."""
        return list(dict.fromkeys(run for session in self.sessions for run in session))

    def seconds(self, run: Run) -> float:
        """Return the median seconds of a run."""
        return self._costs(run)[run].value

    def ratio(self, run: Run, to: Run = REFERENCE) -> Measurement:
        """Return the time of a run as a ratio to a dense one in the same rounds."""
        return compared(self._costs(run), dense=to)[run].ratio

    def gains(self, run: Run, over: Run = REFERENCE) -> bool:
        """Whether a run was timed and takes less time than a dense one, beyond doubt for all runs together."""
        runs = self.runs
        return run in runs and run != over and is_gain(self.ratio(run, over), comparisons=len(runs) - 1)

    def conditions(self, run: Run) -> Conditions:
        """Return what the time of a run holds for."""
        return self._costs(run)[run].conditions

    def _costs(self, run: Run) -> Mapping[Run, Measurement]:
        return next(session for session in self.sessions if run in session)


def try_forms(spec: StudySpec, workload: Workload, backends: Backends, cache_dir: Path) -> Tried:
    """Time the dense model in every backend that can run it, and there its forms for the transforms."""
    refused = dict[str, str]()
    runs: dict[Run, nn.Module] = {REFERENCE: share_structure(workload.model)}
    for name in backends.names:
        with _noted(refused, name):
            runs.setdefault(Run(DENSE, name), backends.run_in(name, workload.model))
    able = [name for name in backends.names if Run(DENSE, name) in runs]
    for transform, form in FORMS.items():
        with _noted(refused, transform):
            only = Pipeline.of(spec.model_copy(update={"transforms": (transform,)}), workload, cache_dir)
            model = form(workload.model, only.groups)
            places = [name for name in able if transform != BITS or name != TORCH]  # torch computes in floats
            runs |= {Run(transform, name): backends.run_in(name, model) for name in places}
    rounds = Rounds(
        workload.family.request(),
        workload.family.conditions(),
        spec.threads,
        np.random.default_rng(spec.seed),
        SECONDS,
        comparisons=len(runs) - 1,
    )
    return Tried(rounds.timed(runs, spec.batch_sizes[0]), refused)


@contextmanager
def _noted(refused: dict[str, str], name: str) -> Iterator[None]:
    """Keep a refusal as the reason why something was not timed."""
    try:
        yield
    except InputError as error:
        refused[name] = str(error).removeprefix(f"{error.field}: ").removeprefix(f"{name}: ")


def in_eight_bits(model: nn.Module, groups: Sequence[Group]) -> nn.Module:
    """Return the model with weights of 8 bits wherever they may have these."""
    made = share_structure(model)
    for path in (path for group in groups if INTEGER_BITS in group.levels for path in paths_of(group.name)):
        layer = made.get_submodule(path)
        store(layer, rounded(layer.get_parameter("weight").detach(), INTEGER_BITS))
    return made


def of_half_rank(model: nn.Module, groups: Sequence[Group]) -> nn.Module:
    """Return the model with layers of the rank that leaves half of their weights; times depend on shapes alone."""
    made = share_structure(model)
    for group in groups:
        if group.kind == GroupKind.RANK and len(group.levels) > 1:
            layer = made.get_submodule(path_of(group.name))
            shape = tuple(layer.get_parameter("weight").shape)
            half = math.prod(shape) / (2 * weights_per_rank(shape))
            with_rank(layer, max((rank for rank in group.levels if rank <= half), default=group.levels[0]))
    return made


FORMS: Mapping[str, Callable[[nn.Module, Sequence[Group]], nn.Module]] = {RANK: of_half_rank, BITS: in_eight_bits}
"""What is timed for a transform."""
