"""Stitched: a smaller model as a graph, its layers put into the template of the dense one, in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from onnx import helper, numpy_helper
from torch import Tensor, nn

from optimizer.backends.onnxruntime.fixed import Fixed
from optimizer.backends.onnxruntime.graph import GraphBuilder
from optimizer.backends.onnxruntime.heads import take_heads_apart_inside
from optimizer.backends.onnxruntime.layers import UnstitchedError, laid, width_of
from optimizer.backends.onnxruntime.ranges import Ranges
from optimizer.backends.onnxruntime.template import DOMAIN, LAYER, OUTPUT, PATH

NONE: Mapping[int, Any] = MappingProxyType({})
GONE = "gone"  # what a layer or parameter gives that the smaller model lacks


def stitched(
    template: Any,  # Any: onnx is untyped
    model: nn.Module,
    ranges: Ranges | None = None,
    numbers: Mapping[int, Any] = NONE,
) -> GraphBuilder:
    """Return the graph of a model that compression made of the template's. Raises `UnstitchedError`.

    With `ranges` its integers have fixed scales. `numbers` take the place of the template's operators.
    """
    layers = dict(model.named_modules(remove_duplicate=False))
    tensors = dict(_tensors(layers))
    graph, renamed, widths = GraphBuilder(), dict[str, str](), dict[str, int]()
    fixed = graph.fixed = Fixed(template, layers, ranges) if ranges else None
    for place, each in enumerate(template.graph.node):
        node = numbers.get(place, each)
        if node.domain != DOMAIN:
            graph.keep(node, renamed)
            if fixed:
                renamed |= fixed.behind_relu(graph, graph.nodes[-1])
            continue
        path, (output,) = helper.get_node_attr_value(node, PATH).decode(), node.output
        if node.op_type != LAYER:
            renamed[output] = graph.tensor(path, tensors[path]) if path in tensors else GONE
        elif path in layers:
            layer, inputs = layers[path], renamed.get(node.input[0], node.input[0])
            renamed[output] = laid(graph, path, layer, inputs, fixed)
            if isinstance(layer, nn.Linear):
                widths[renamed[output]] = width_of(layer)
        else:
            renamed[output] = GONE
    _name_output(graph, renamed)
    take_heads_apart_inside(graph, widths)
    for held in template.graph.initializer:
        graph.tensor(held.name, numpy_helper.to_array(held))
    graph.drop_dead([OUTPUT])
    lost = [node.name for node in graph.nodes if GONE in node.input]
    if lost:
        raise UnstitchedError(f"{lost[0]} reads what the smaller model lacks")
    return graph


def _name_output(graph: GraphBuilder, renamed: Mapping[str, str]) -> None:
    """Have the operator that makes the answer call it by the template's name."""
    for node in graph.nodes:
        node.output[:] = [OUTPUT if name == renamed.get(OUTPUT) else name for name in node.output]


def _tensors(layers: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    for path, layer in layers.items():
        for name, tensor in (*layer._parameters.items(), *layer._buffers.items()):
            if tensor is not None:
                yield f"{path}.{name}".removeprefix("."), tensor
