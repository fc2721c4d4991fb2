"""CUDA graphs: what torch queues for a request is captured once for each shape, and replayed without Python.

A small model's pass on a GPU is mostly the time that Python and torch take to queue its kernels. A replay queues all of
them at once, so it tells what the kernels take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from objectives.device import device_of
from objectives.guard import measuring
from objectives.measurement import JsonScalar
from optimizer.backends.compiled import Timed, check_answer
from optimizer.backends.names import BACKEND, CAPTURED
from optimizer.errors import InputError
from search_spaces.layouts.requests import Inputs

WARM_UPS = 3  # before a capture, as torch asks: libraries set themselves up in the first passes


class CapturedModel(nn.Module):
    """A model with the graphs of some requests; a request of another shape raises `ValueError`.

    An answer is overwritten by the next one. `conditions` say what its figures hold for.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        self.conditions: dict[str, JsonScalar] = {BACKEND: CAPTURED, "dtype": dtype}
        self._graphs: dict[object, _Captured] = {}
        self._memory = torch.cuda.graph_pool_handle()

    def capture(self, request: Inputs) -> None:
        """Capture a request's pass. Raises `RuntimeError` where it does what no graph can hold."""
        self._graphs[_shape(request)] = _capture(self.model, request, self._memory)

    @torch.inference_mode()
    def forward(self, **inputs: Tensor) -> Any:  # Any: what the model answers
        """Return the model's answer, which is there when the device has finished."""
        graph = self._graphs.get(_shape(inputs))
        if graph is None:
            raise ValueError(f"no graph was captured for {_shape(inputs)}")
        for name, tensor in inputs.items():
            graph.inputs[name].copy_(tensor)
        graph.replayed.replay()
        return graph.answer


class _Captured(NamedTuple):
    """A graph, with the tensors that it reads and the answer that it writes."""

    replayed: torch.cuda.CUDAGraph
    inputs: Inputs
    answer: Any


def captured(model: nn.Module, timed: Timed) -> CapturedModel:
    """Return a model with a graph for every request that will be timed, its answers compared with torch's.

    Raises `InputError`, field "backend", where torch cannot capture it or the graph answers otherwise.
    """
    with measuring(model, threads=timed.threads):
        made = CapturedModel(model)
        for request in timed.requests():
            try:
                made.capture(request)
            except RuntimeError as error:
                raise InputError("backend", f"CUDA cannot capture this model: {str(error).splitlines()[0]}") from error
            check_answer("the CUDA graph", made(**request), model(**request))
    return made


def _capture(model: nn.Module, request: Inputs, memory: Any) -> _Captured:
    """Run a pass on a stream of its own until it has settled, then capture it."""
    device = device_of(model)
    inputs = {name: tensor.to(device, copy=True) for name, tensor in request.items()}
    with torch.cuda.device(device):
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch has no types for it
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                model(**inputs)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=memory):
            answer = model(**inputs)
    return _Captured(graph, inputs, answer)


def _shape(request: Mapping[str, Tensor]) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple((name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in sorted(request.items()))
