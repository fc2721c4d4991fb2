"""What is asked of an analysis, checked before any model is opened."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from optimizer.analysis.collect import FindStudy, collected
from optimizer.analysis.curves import Along
from optimizer.analysis.groups import Group, grouped
from optimizer.analysis.inputs import Inputs
from optimizer.analysis.measure import Part, Settings
from optimizer.analysis.sources.source import LENGTH, Described, Entry
from optimizer.backends.names import OF_TORCH, TORCH, check_backend
from optimizer.device import check_device
from optimizer.errors import InputError, UnknownNameError

BATCH_SIZES = (1, 8, 16, 32, 64)  # as published
SECONDS = 5.0
RUN_BY = (TORCH, *OF_TORCH)  # a graph is run by ONNX Runtime whatever is asked for
Build = Callable[[], nn.Module]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An analysis in the user's words. Raises `InputError` for what cannot be measured so.

    `given` are models that are not on a disk; `parent` is the place of the unpruned model of all that name no other,
    or the name of a given one.
    """

    named: Sequence[str] = ()
    given: Sequence[Entry] = ()
    manifest: Path | None = None
    parent: Path | str | None = None
    build: Build | None = None
    inputs: Inputs | None = None
    lengths: Sequence[int] = (LENGTH,)
    batch_sizes: Sequence[int] = BATCH_SIZES
    seconds: float = SECONDS
    inferences: int | None = None
    threads: int | None = None
    device: str = "cpu"
    backends: Sequence[str] = (TORCH,)
    along: Along = "flops"

    def __post_init__(self) -> None:
        if not (self.named or self.given or self.manifest):
            raise InputError("models", "name a directory, a pattern or a study, or give a table as `manifest`")
        if not self.batch_sizes or min(self.batch_sizes) < 1 or len(set(self.batch_sizes)) < len(self.batch_sizes):
            raise InputError("batch_size", "must be at least 1, each once")
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise InputError("seconds", f"must be above 0, got {self.seconds}")
        if not self.lengths or min(self.lengths) < 1 or len(set(self.lengths)) < len(self.lengths):
            raise InputError("sequence_length", "must be at least 1, each once")
        if len(self.lengths) > 1 and self.inputs:
            raise InputError("sequence_length", "several are for models that say their inputs; leave out `input`")
        if not self.backends or len(set(self.backends)) < len(self.backends):
            raise InputError("backend", "must be named, each once")
        for backend in self.backends:
            if backend not in RUN_BY:
                raise UnknownNameError("backend", backend, RUN_BY)
            check_backend(backend, self.device)
        for name in ("inferences", "threads"):
            value: int | None = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(name, f"must be at least 1, got {value}")
        if self.along not in get_args(Along):
            raise UnknownNameError("along", self.along, get_args(Along))

    def parts(self, find_study: FindStudy) -> list[Part]:
        """Return the models with their unpruned ones, and how they are measured, by length. Raises `InputError`."""
        return [Part(self._groups(find_study, length), self._settings(length)) for length in self.lengths]

    def _settings(self, length: int) -> Settings:
        told = self.inputs.words if self.inputs else f"{length} tokens"
        return Settings(
            batch_sizes=tuple(self.batch_sizes),
            seconds=self.seconds,
            inferences=self.inferences,
            threads=self.threads or torch.get_num_threads(),
            device=check_device(self.device),
            backends=tuple(self.backends),
            described=told,
            only_length=None if length == self.lengths[0] else length,
        )

    def _groups(self, find_study: FindStudy, length: int) -> list[Group]:
        device = check_device(self.device)
        described = Described(inputs=self.inputs, length=length, build=self.build, device=device)
        parent = Path(self.parent) if isinstance(self.parent, Path) else None
        if parent is not None and not parent.exists():
            raise InputError("parent", f"{parent} does not exist")
        found = collected(self.named, described, table=self.manifest, parent=parent, find_study=find_study)
        place = str(parent.resolve()) if parent else self.parent
        return grouped([*found, *self.given], None if place is None else str(place))


def module_of(written: str) -> Build:
    """Return a function of a user's file, FILE.py:NAME, which is run. Raises `InputError`."""
    file, _, name = written.rpartition(":")
    place = Path(file)
    if not (file and name and place.is_file()):
        raise InputError("module", f"{written!r} must be FILE.py:NAME, a function that makes the module")
    spec = importlib.util.spec_from_file_location(place.stem, place)
    if spec is None or spec.loader is None:
        raise InputError("module", f"{place} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise InputError("module", f"{place} cannot be run ({type(error).__name__}: {error})") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise InputError("module", f"{place} has no function {name!r}")
    made: Build = found
    return made
