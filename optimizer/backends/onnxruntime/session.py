"""A session of ONNX Runtime as a module: called like the model that its graph was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.measurement import JsonScalar

DEFAULTS = {"attention_mask": torch.ones_like, "token_type_ids": torch.zeros_like}  # as transformers fills them in


@dataclass(frozen=True, slots=True)
class Answer:
    """What a session answers: `logits`, as the graph's only output."""

    logits: Tensor


class SessionModel(nn.Module):
    """A graph as ONNX Runtime runs it on the CPU, on as many threads as torch has when it is called.

    `graph` is the serialised model. One that answers requests `one_by_one` runs the rows of a batch in turn, without
    their padding: it makes integers of activations, and what scales them is taken from all that it is given at once.
    `dtype` says in which type it computes: "float32" or "int8".
    """

    def __init__(self, graph: bytes, *, dtype: str = "float32", one_by_one: bool = False) -> None:
        super().__init__()
        self.graph, self.dtype, self.one_by_one = graph, dtype, one_by_one
        self._session: tuple[int, Any] | None = None  # with the threads that it has
        self._making = Lock()

    @property
    def conditions(self) -> dict[str, JsonScalar]:
        """What a figure of its runs holds for, in addition to the device's."""
        return {
            "dtype": self.dtype,
            "backend": "onnxruntime",
            "onnxruntime": onnxruntime.__version__,
            "graph_optimization": "all",
            "arena": True,
            **({"answers": "one by one"} if self.one_by_one else {}),
        }

    def forward(self, **inputs: Tensor) -> Answer:
        """Return the logits for the model's own inputs by name: `(batch, …)`."""
        session = self._on(torch.get_num_threads())
        rows = _rows(inputs) if self.one_by_one else [inputs]
        answers = [_run(session, row) for row in rows]
        return Answer(_joined(answers, inputs) if self.one_by_one else torch.from_numpy(answers[0]))

    def _on(self, threads: int) -> Any:
        with self._making:
            if self._session is None or self._session[0] != threads:
                self._session = threads, session_of(self.graph, threads)
            return self._session[1]


def session_of(graph: bytes, threads: int) -> Any:  # Any: onnxruntime is untyped
    """Return a session whose operators share so many threads and run one after the other."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _run(session: Any, inputs: Mapping[str, Tensor]) -> NDArray[np.float32]:
    given = dict(inputs)
    for name in (each.name for each in session.get_inputs()):
        if name not in given and name in DEFAULTS:
            given[name] = DEFAULTS[name](given["input_ids"])
    (logits,) = session.run(None, {name: tensor.numpy() for name, tensor in given.items()})
    found: NDArray[np.float32] = logits
    return found


def _rows(inputs: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return every example as a batch of its own, without padding."""
    real = inputs.get("attention_mask")
    first = next(iter(inputs.values()))
    places = range(len(first))
    if real is None:
        return [{name: tensor[i : i + 1] for name, tensor in inputs.items()} for i in places]
    return [{name: tensor[i : i + 1, real[i].bool()] for name, tensor in inputs.items()} for i in places]


def _joined(answers: list[NDArray[np.float32]], inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the rows' logits as one batch; those of single tokens with zeros where the padding was."""
    real = inputs.get("attention_mask")
    if real is None or answers[0].ndim == 2:
        return torch.from_numpy(np.concatenate(answers))
    joined = torch.zeros(*real.shape, answers[0].shape[-1])
    for row, mask, answer in zip(joined, real.bool(), answers, strict=True):
        row[mask] = torch.from_numpy(answer[0])
    return joined
