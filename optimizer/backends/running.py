"""Running: the backends that a study names, each made once for its dense model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import Tensor, nn

from objectives.device import INT8, vector_instructions
from objectives.measurement import JsonScalar
from optimizer.backends.backend import Backend, in_batches, runner_of
from optimizer.backends.compiled import Timed
from optimizer.backends.names import (
    ACTIVATIONS,
    ANSWERS,
    BACKEND,
    BY_TOKEN,
    FLOATS,
    INTEGER_SCALES,
    INTEGERS,
    OF_TORCH,
    ONE_BY_ONE,
    ONNXRUNTIME,
    TORCH,
)
from optimizer.backends.table import backend_of
from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.layouts.stored import stored_of
from search_spaces.transforms.table import BITS

INTEGER_BITS = 8  # of a weight whose layer multiplies integers where a backend can


class Backends:
    """The backends of one study."""

    def __init__(self, spec: StudySpec, workload: Workload, cache_dir: Path) -> None:
        self.names, self._spec = spec.backends, spec
        self.answers_in = answers_in(spec)
        self._workload, self._cache_dir = workload, cache_dir
        self._made = cache(self._make)
        self._refusals: dict[str, str] = {}

    def answering(self, model: nn.Module) -> nn.Module:
        """Return a model as what answers for it runs it.

        That is ONNX Runtime, where it is named, for layers of 8 bits: it makes integers of what they read, which torch
        does not. For all others it is torch, to which the graphs of the dense model were found to be equal.
        """
        return self.run_in(ONNXRUNTIME, model) if self._answers_elsewhere(model) else model

    def runs(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return a model as every named backend runs it that can and that gives its answers; torch where none does.

        What one cannot run, `refusals` say.
        """
        names = (ONNXRUNTIME,) if self._answers_elsewhere(model) else self.names
        found: dict[str, nn.Module] = {}
        for name in names:
            try:
                found[name] = self.run_in(name, model)
            except InputError as error:
                self._refusals[name] = str(error)
        return found or {TORCH: model}

    @property
    def refusals(self) -> list[str]:
        """Why members have no figures in a backend, one note for each of the backends."""
        return [f"some members have no figures in {name}: {why}" for name, why in self._refusals.items()]

    def _answers_elsewhere(self, model: nn.Module) -> bool:
        return ONNXRUNTIME in self.names and multiplies_integers(model)

    def make_dense(self) -> None:
        """Compile or capture the dense model if a study asks for it, and keep that. Raises `InputError` otherwise."""
        for name in self.names:
            if name in OF_TORCH:
                self.run_in(name, self._workload.model)

    def run_in(self, name: str, model: nn.Module) -> nn.Module:
        """Return a model as a backend runs it."""
        return self._made(name).runs(model)

    def dense_runs(self) -> Mapping[str, nn.Module]:
        """Return the dense model as the backends other than torch run it."""
        return {name: self.run_in(name, self._workload.model) for name in self.names if name != TORCH}

    def _make(self, name: str) -> Backend:
        family = self._workload.family
        return backend_of(
            name,
            dense=self._workload.model,
            inputs=family.onnx_inputs(),
            timed=Timed(self._requests, self._spec.threads),
            cache_dir=self._cache_dir,
        )

    def _requests(self) -> list[dict[str, Tensor]]:
        """Return a request of every shape in which models are timed."""
        own = self._workload.family.requests
        lengths = dict.fromkeys((own.length, *self._spec.further_lengths))
        every = [own.at(length) if length != own.length else own for length in lengths]
        return [requests.request()(batch) for requests in every for batch in self._spec.batch_sizes]


def answers_in(spec: StudySpec) -> str:
    """Return the backend whose answers count for layers of few bits."""
    return ONNXRUNTIME if ONNXRUNTIME in spec.backends and BITS in spec.applied else TORCH


def conditions_of(spec: StudySpec) -> dict[str, str]:
    """Return what a study's figures hold for where it names other backends than torch."""
    if spec.backends == (TORCH,):
        return {}
    integers = {INTEGER_SCALES: BY_TOKEN} if answers_in(spec) == ONNXRUNTIME else {}
    return {"backends": ", ".join(spec.backends), "vector_instructions": " ".join(vector_instructions()), **integers}


def notes_of(spec: StudySpec) -> list[str]:
    """Return what is to be known of a study that searches layers of 8 bits, and of this machine."""
    if BITS not in spec.applied:
        return []
    if ONNXRUNTIME not in spec.backends:
        return [
            "layers of 8 bits answer in torch, with float activations; `backend` onnxruntime makes integers of them"
        ]
    if INT8.intersection(vector_instructions()):
        return []
    has = " ".join(vector_instructions()) or "no vector instructions"
    return [f"this CPU ({has}) has no instructions for products of 8 bits, such as VNNI; 8 bits may not be faster here"]


def multiplies_integers(model: nn.Module) -> bool:
    """Whether a layer of a model has integers for its activations where a backend can multiply them; no look-up has."""
    layers = (module for module in model.modules() if not isinstance(module, nn.Embedding))
    return any(stored.bits == INTEGER_BITS for layer in layers if (stored := stored_of(layer)))


def conditions_of_answers(model: nn.Module) -> dict[str, JsonScalar]:
    """Return what is to be said of a model's answers, of the model as what answers for it runs it."""
    if runner_of(model) == TORCH:
        return {ACTIVATIONS: FLOATS} if multiplies_integers(model) else {}
    alone: dict[str, JsonScalar] = {} if in_batches(model) is None else {ANSWERS: ONE_BY_ONE}
    return {BACKEND: runner_of(model), ACTIVATIONS: INTEGERS, **alone}
