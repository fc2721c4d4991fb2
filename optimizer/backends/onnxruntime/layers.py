"""Layers as operators: what a graph has in the place of a torch layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from optimizer.backends.onnxruntime.fixed import Fixed
from optimizer.backends.onnxruntime.fixed import convolution as fixed_convolution
from optimizer.backends.onnxruntime.fixed import product as fixed_product
from optimizer.backends.onnxruntime.graph import GraphBuilder
from optimizer.backends.onnxruntime.weights import kernel, product, rows_at
from search_spaces.layouts.modeling_pruned import FROM_RANK, TOKEN_ROWS, Constant
from search_spaces.layouts.stored import stored_of


class UnstitchedError(Exception):
    """A model that cannot be stitched: it gets an export of its own."""


def laid(
    graph: GraphBuilder, path: str, layer: Any, inputs: str, fixed: Fixed | None = None
) -> str:  # Any: fields of many kinds of layers
    """Add a layer to a graph; return the name of its output. Integers have scales made as it runs unless `fixed`."""
    match layer:
        case nn.Identity():
            return inputs
        case Constant():
            return graph.tensor(f"{path}.bias", layer.bias)  # consumers spread it over the tokens
        case nn.Linear():
            output = _linear(graph, path, layer, inputs, fixed)
        case nn.Conv2d():
            output = _convolution(graph, path, layer, inputs, fixed)
        case nn.Embedding():
            output = _embedding(graph, path, layer, inputs)
        case nn.BatchNorm2d() if fixed and path in fixed.folded:
            return inputs
        case nn.BatchNorm2d():
            return _batch_norm(graph, path, layer, inputs)
        case _:
            raise UnstitchedError(f"{path} is a {type(layer).__name__}")
    if hasattr(layer, FROM_RANK):
        return laid(graph, f"{path}.{FROM_RANK}", layer.get_submodule(FROM_RANK), output, fixed)
    return output


def width_of(layer: nn.Linear) -> int:
    """Return how many values a linear layer writes, one that is split included."""
    outer = layer.get_submodule(FROM_RANK) if hasattr(layer, FROM_RANK) else layer
    return len(outer.get_parameter("weight"))


def _linear(graph: GraphBuilder, path: str, layer: nn.Linear, inputs: str, fixed: Fixed | None) -> str:
    stored = stored_of(layer)
    if stored and stored.bits == 8 and fixed:
        output = fixed_product(graph, fixed, path, stored, inputs)
    elif stored:
        output = product(graph, path, stored, inputs)
    else:
        output = graph.node("MatMul", [inputs, graph.tensor(f"{path}.weight", layer.weight.detach().t())], path)
    return output if layer.bias is None else graph.node("Add", [output, graph.tensor(f"{path}.bias", layer.bias)], path)


def _convolution(graph: GraphBuilder, path: str, layer: nn.Conv2d, inputs: str, fixed: Fixed | None) -> str:
    stored = stored_of(layer)
    named: dict[str, Any] = {
        "kernel_shape": layer.kernel_size,
        "strides": layer.stride,
        "dilations": layer.dilation,
        "group": layer.groups,
        "pads": _pads(layer),
    }
    if stored and stored.bits == 8 and fixed:
        return fixed_convolution(graph, fixed, path, layer, stored, inputs, **named)
    bias = [] if layer.bias is None else [graph.tensor(f"{path}.bias", layer.bias)]
    return graph.node("Conv", [inputs, kernel(graph, path, layer, stored), *bias], path, **named)


def _pads(layer: nn.Conv2d) -> Sequence[int]:
    if layer.padding_mode != "zeros":
        raise UnstitchedError(f"padding with {layer.padding_mode}")
    if layer.padding == "valid":
        return (0, 0, 0, 0)
    if layer.padding == "same":
        whole = [step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size, strict=True)]
        before = [total // 2 for total in whole]
        return (*before, *(total - half for total, half in zip(whole, before, strict=True)))
    return (*layer.padding, *layer.padding)


def _embedding(graph: GraphBuilder, path: str, layer: nn.Embedding, inputs: str) -> str:
    if hasattr(layer, TOKEN_ROWS):
        rows = graph.tensor(f"{path}.{TOKEN_ROWS}", layer.get_buffer(TOKEN_ROWS))
        inputs = graph.node("Gather", [rows, inputs], path)
    stored = stored_of(layer)
    if stored:
        return rows_at(graph, path, stored, inputs)
    return graph.node("Gather", [graph.tensor(f"{path}.weight", layer.weight), inputs], path)


def _batch_norm(graph: GraphBuilder, path: str, layer: nn.BatchNorm2d, inputs: str) -> str:
    if layer.running_mean is None or layer.running_var is None:
        raise UnstitchedError(f"{path} has no running statistics")
    ones = torch.ones_like(layer.running_mean)
    held = {
        "weight": ones if layer.weight is None else layer.weight,
        "bias": 0 * ones if layer.bias is None else layer.bias,
        "running_mean": layer.running_mean,
        "running_var": layer.running_var,
    }
    names = [graph.tensor(f"{path}.{name}", tensor) for name, tensor in held.items()]
    return graph.node("BatchNormalization", [inputs, *names], path, epsilon=layer.eps)
