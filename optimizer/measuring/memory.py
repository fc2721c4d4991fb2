"""Memory of models: the most that a request takes, counted by torch, or resident where another backend holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from objectives.guard import measuring
from objectives.latency import forward_pass
from objectives.measurement import Conditions, Measurement, Source
from objectives.memory import measure_memory
from optimizer.backends.backend import Graph, runner_of
from optimizer.backends.names import BACKEND, TORCH

Key = TypeVar("Key")


def peak_memory(
    models: Mapping[Key, nn.Module], inputs: Mapping[str, Tensor], *, threads: int | None, conditions: Conditions
) -> dict[Key, Measurement]:
    """Return the memory that a request takes at most, the weights among it, of every model that tells.

    In torch it is counted, tensor by tensor. Of graphs it is the resident memory of a process of its own, and nothing
    is told on systems that do not count it. `conditions` say what the request is.
    """
    found: dict[Key, Measurement] = {}
    with measuring(*models.values(), threads=threads):
        for key, model in models.items():
            if runner_of(model) == TORCH:
                found[key] = measure_memory(forward_pass(model, inputs), model, conditions=conditions)
        graphs = {key: model for key, model in models.items() if isinstance(model, Graph)}
        return found | (_resident(graphs, inputs, conditions) if graphs else {})


def _resident(
    graphs: Mapping[Key, Graph], inputs: Mapping[str, Tensor], conditions: Conditions
) -> dict[Key, Measurement]:
    from optimizer.backends.onnxruntime.memory import is_countable, peak_bytes

    if not is_countable():
        return {}
    of = {"device": "cpu", BACKEND: "onnxruntime", "counted": "resident"}
    sizes = peak_bytes([*graphs.values()], inputs, threads=torch.get_num_threads())
    return {
        key: Measurement(
            quantity="memory", value=size, unit="bytes", source=Source.MEASURED, conditions={**conditions, **of}
        )
        for key, size in zip(graphs, sizes, strict=True)
    }
