"""What a graph computes and moves, from the shapes that ONNX Runtime's profiler sees while it runs it once, as written.

Two FLOPs per multiply-accumulate of every matrix product and convolution, as everywhere. A graph moves its weights
once, and of every operator the activations that it reads and the results that it writes.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from optimizer.analysis.inputs import Inputs
from optimizer.backends.onnxruntime.graph import nodes_of
from optimizer.errors import InputError

WEIGHTS = {  # types of tensors that hold weights; those of others are shapes and places
    onnx.TensorProto.DataType.Value(name)
    for name in ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "INT8", "UINT8", "INT4", "UINT4")
}
KERNELS = {"Conv": 1, "ConvInteger": 1, "FusedConv": 1, "QLinearConv": 3, "ConvTranspose": 1}  # which input is it
PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits")
UNKNOWN = ("Einsum", "LSTM", "GRU", "RNN", "Attention", "DeformConv")  # products that are not counted here
WITHOUT_PRODUCTS = (
    *("FastGelu", "Gelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization", "SimplifiedLayerNormalization"),
    *("SkipSimplifiedLayerNormalization", "EmbedLayerNormalization", "QuantizeLinear", "DequantizeLinear"),
)
Shape = Sequence[int]


@dataclass(frozen=True, slots=True)
class Graph:
    """A file's graph, every operator with a name of its own; parameters are the numbers of its weights."""

    serialised: bytes
    nodes: Mapping[str, onnx.NodeProto]
    shapes: Mapping[str, Shape]  # of tensors that are stored
    parameters: int
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class Counted:
    """FLOPs of one example, and bytes of a pass: those of the weights, and those of every example."""

    flops: float
    weight_bytes: int
    example_bytes: float

    def bytes_moved(self, batch: int) -> float:
        """Return the bytes that a pass over a batch moves."""
        return self.weight_bytes + batch * self.example_bytes


def read_graph(place: Path) -> Graph:
    """Return the graph of a file. Raises what onnx raises for a damaged one."""
    model = onnx.load(place)
    nodes = {}
    for number, node in enumerate(nodes_of(model.graph)):
        node.name = f"operator{number}"
        nodes[node.name] = node
    weights = [each for each in model.graph.initializer if each.data_type in WEIGHTS]
    return Graph(
        serialised=model.SerializeToString(),
        nodes=nodes,
        shapes={each.name: tuple(each.dims) for each in model.graph.initializer},
        parameters=sum(math.prod(each.dims) for each in weights),
        weight_bytes=sum(onnx.numpy_helper.to_array(each).nbytes for each in weights),
    )


def count_graph(graph: Graph, inputs: Inputs) -> Counted:
    """Return what one pass over the smallest batch computes and moves. Raises `InputError` for unknown products."""
    batch = min(inputs.batches or (1,))
    flops, moved = 0.0, 0
    for event in _profile(graph, inputs, batch):
        name, _, _ = event["name"].rpartition("_kernel_time")
        told = event["args"]
        moved += int(told.get("activation_size", 0)) + int(told.get("output_size", 0))
        flops += _flops(told, graph.nodes.get(name), graph)
    return Counted(flops / batch, graph.weight_bytes, moved / batch)


def _profile(graph: Graph, inputs: Inputs, batch: int) -> list[dict[str, Any]]:  # Any: JSON data
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails raises
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as place:
        options.profile_file_prefix = str(Path(place) / "profile")
        session = onnxruntime.InferenceSession(graph.serialised, options, providers=["CPUExecutionProvider"])
        session.run(None, {name: tensor.numpy() for name, tensor in inputs.request()(batch).items()})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [event for event in events if event.get("cat") == "Node" and "op_name" in event.get("args", {})]


def _flops(told: Mapping[str, Any], node: onnx.NodeProto | None, graph: Graph) -> float:
    kind = str(told["op_name"])
    inputs, outputs = _shapes(told["input_type_shape"]), _shapes(told["output_type_shape"])
    if kind in KERNELS:
        place = KERNELS[kind]
        kernel = graph.shapes.get(node.input[place]) if node is not None else None
        reads = inputs[0] if kind == "ConvTranspose" else outputs[0]
        return 2.0 * math.prod(reads) * math.prod((kernel or inputs[place])[1:])
    if kind in PRODUCTS:
        return 2.0 * math.prod(outputs[0]) * inputs[0][-1]
    if kind == "Gemm":
        return 2.0 * math.prod(outputs[0]) * math.prod(inputs[0]) / outputs[0][0]
    is_own = node is not None and node.domain not in ("", "ai.onnx")
    if kind in UNKNOWN or (is_own and kind not in WITHOUT_PRODUCTS):
        raise InputError("model", f"has an operator {kind}, whose matrix products are not known here")
    return 0.0


def _shapes(told: Sequence[Mapping[str, Shape]]) -> list[Shape]:
    """Return shapes, which are told by the type of their tensor."""
    return [shape for each in told for shape in each.values()]
