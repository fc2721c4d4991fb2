"""A session of ONNX Runtime as a module: called like the model that its graph was made of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as raised
from torch import Tensor, nn

from objectives.device import INT8 as INT8_PRODUCTS
from objectives.device import vector_instructions
from objectives.measurement import JsonScalar
from optimizer.backends.names import BY_TOKEN
from optimizer.backends.onnxruntime.graph import Array, nodes_of
from search_spaces.layouts.requests import Inputs

INT8, FIXED = "int8", "fixed"
EXACT = (
    "session.x64quantprecision"  # signed codes become unsigned where products of signed ones overflow: see `weights`
)
LARGE = 2**31 - 2**24  # bytes of weights: a file of protobuf holds 2 GiB at most
REFUSED = (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.NotImplemented, raised.RuntimeException)
DEFAULTS = {"attention_mask": torch.ones_like, "token_type_ids": torch.zeros_like}  # as transformers fills them in


@dataclass(frozen=True, slots=True)
class Answer:
    """What a session answers: `logits`, as the graph's first output."""

    logits: Tensor


class SessionModel(nn.Module):
    """A graph as ONNX Runtime runs it on the CPU, on as many threads as torch has when it is called.

    `graph` is the serialised model, `beside` the tensors that it leaves out. One that answers requests `one_by_one`
    runs the rows of a batch in turn, without their padding: files of older versions make integers of activations whose
    scale is taken from all that they are given at once. `more` are conditions of its figures.
    """

    def __init__(
        self,
        graph: bytes | str,
        beside: Mapping[str, Array] | None = None,
        *,
        one_by_one: bool = False,
        more: Mapping[str, JsonScalar] | None = None,
    ) -> None:
        super().__init__()
        self.one_by_one, self.more = one_by_one, dict(more or {})
        self._graph, self._beside = graph, dict(beside or {})
        self._session: tuple[int, Any] | None = None  # with the threads that it has
        self._making = Lock()

    @property
    def conditions(self) -> dict[str, JsonScalar]:
        """What a figure of its runs holds for, in addition to the device's."""
        return {
            "dtype": INT8 if self.one_by_one else "float32",
            "backend": "onnxruntime",
            "onnxruntime": onnxruntime.__version__,
            "graph_optimization": "all",
            "arena": True,
            "vector_instructions": " ".join(vector_instructions()),
            **({"answers": "one by one"} if self.one_by_one else {}),
            **self.more,
        }

    def forward(self, **inputs: Tensor) -> Answer:
        """Return the logits for the model's own inputs by name: `(batch, …)`."""
        session = self._on(torch.get_num_threads())
        return Answer(answers(lambda each: _run(session, each), inputs, one_by_one=self.one_by_one))

    def in_batches(self) -> SessionModel:
        """Return the graph answering a batch at once, its padding included."""
        made = copy.copy(self)
        made.one_by_one = False
        return made

    def renamed(self, own: str, name: str) -> SessionModel:
        """Return the graph with one of its inputs called by another name."""
        whole = self._read()
        for node in nodes_of(whole.graph):
            node.input[:] = [name if each == own else each for each in node.input]
        for declared in whole.graph.input:
            declared.name = name if declared.name == own else declared.name
        made = copy.copy(self)
        made._graph, made._session = whole.SerializeToString(), None
        return made

    def save(self, path: Path) -> Path:
        """Write the whole graph to one file, or a large one with its weights beside it; return its path."""
        whole = self._read()
        for held in whole.graph.initializer:
            if held.name in self._beside:
                held.CopyFrom(numpy_helper.from_array(self._beside[held.name], held.name))
        is_large = sum(tensor.nbytes for tensor in self._beside.values()) > LARGE
        onnx.save_model(whole, path, save_as_external_data=is_large, location=f"{path.name}.data")
        return path

    def _read(self) -> onnx.ModelProto:
        return onnx.load_model(self._graph) if isinstance(self._graph, str) else onnx.ModelProto.FromString(self._graph)

    def _on(self, threads: int) -> Any:
        with self._making:
            if self._session is None or self._session[0] != threads:
                self._session = threads, session_of(self._graph, self._beside, threads)
            return self._session[1]


def session_of_file(path: Path) -> SessionModel:
    """Return the session of a whole graph in a file."""
    kinds = {node.op_type for node in onnx.load_model(path).graph.node}
    more: dict[str, JsonScalar] = {}
    if "QuantizeLinear" in kinds:
        more = {"dtype": INT8, "scales": BY_TOKEN if "MatMulIntegerToFloat" in kinds else FIXED}
    return SessionModel(str(path), one_by_one="DynamicQuantizeLinear" in kinds, more=more)


def entries() -> dict[str, str]:
    """Return the entries of a session's configuration on this machine."""
    is_exact = INT8_PRODUCTS.intersection(vector_instructions())
    return {} if is_exact else {EXACT: "1"}  # where products are exact it would only make them slower


def session_of(graph: bytes | str, beside: Mapping[str, Array], threads: int) -> Any:  # Any: onnxruntime is untyped
    """Return a session whose operators share so many threads and run one after the other."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what fails raises
    options.enable_mem_reuse = False  # its plan takes longer than all else that is done before a run, and gains no time
    for name, value in entries().items():
        options.add_session_config_entry(name, value)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in beside.values()]
    options.add_external_initializers([*beside], values)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def answers(ask: Callable[[Inputs], Tensor], inputs: Inputs, *, one_by_one: bool) -> Tensor:
    """Return the logits of a batch, asked at once or `one_by_one`: then every row alone and without its padding.

    Logits of single tokens are zero where the padding was.
    """
    if not one_by_one:
        return ask(inputs)
    real = inputs.get("attention_mask")
    if real is None:
        rows = len(next(iter(inputs.values())))
        return torch.cat([ask({name: tensor[i : i + 1] for name, tensor in inputs.items()}) for i in range(rows)])
    masks = real.bool()
    found = [ask({name: t[i : i + 1, mask] for name, t in inputs.items()}) for i, mask in enumerate(masks)]
    if found[0].ndim == 2:
        return torch.cat(found)
    joined = found[0].new_zeros(*masks.shape, *found[0].shape[2:])
    for row, mask, answer in zip(joined, masks, found, strict=True):
        row[mask] = answer[0]
    return joined


def filled_in(inputs: Inputs) -> Inputs:
    """Return a request with what transformers fills in where it is left out."""
    if "input_ids" not in inputs:
        return inputs
    return {**{name: fill(inputs["input_ids"]) for name, fill in DEFAULTS.items()}, **inputs}


def _run(session: Any, inputs: Inputs) -> Tensor:
    wanted = {each.name for each in session.get_inputs()}
    given = {name: tensor.numpy() for name, tensor in filled_in(inputs).items() if name in wanted}
    logits = session.run(None, given)[0]
    return torch.from_numpy(logits)
