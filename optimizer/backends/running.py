"""Running: the backends that a study names, each made once for its dense model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import nn

from optimizer.backends.backend import Backend
from optimizer.backends.names import TORCH
from optimizer.backends.table import backend_of
from optimizer.spec import StudySpec
from optimizer.workload import Workload


class Backends:
    """The backends of one study."""

    def __init__(self, spec: StudySpec, workload: Workload, cache_dir: Path) -> None:
        self.names = spec.backends
        self._workload, self._cache_dir = workload, cache_dir
        self._made = cache(self._make)

    def runs(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return a model as every backend that the study names runs it, by name; torch runs it as it was built."""
        return {name: self._made(name).runs(model) for name in self.names}

    def dense_runs(self) -> Mapping[str, nn.Module]:
        """Return the dense model as the backends other than torch run it."""
        return {name: self._made(name).runs(self._workload.model) for name in self.names if name != TORCH}

    def _make(self, name: str) -> Backend:
        inputs = self._workload.family.onnx_inputs()
        return backend_of(name, dense=self._workload.model, inputs=inputs, cache_dir=self._cache_dir)
