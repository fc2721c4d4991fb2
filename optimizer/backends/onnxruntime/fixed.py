"""Fixed: layers whose weights have 8 bits, between tensors of integers whose scales are fixed.

ONNX Runtime makes one kernel of integers of a layer between `DequantizeLinear` and `QuantizeLinear`. So these stand
before every layer and behind it: behind its batch norm, which goes into the layer's scales, and behind its ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from onnx import helper
from torch import Tensor, nn

from optimizer.backends.onnxruntime.graph import GraphBuilder
from optimizer.backends.onnxruntime.ranges import Range, Ranges
from optimizer.backends.onnxruntime.template import LAYER, PATH
from search_spaces.layouts.modeling_pruned import FROM_RANK
from search_spaces.layouts.stored import Stored


class Fixed:
    """What a template says of the surroundings of layers, and the ranges that a smaller model has there."""

    def __init__(self, template: Any, layers: Mapping[str, Any], ranges: Ranges) -> None:
        self.ranges = ranges
        self.folded: set[str] = set()  # the batch norms that went into convolutions
        self.read: dict[str, Range] = {}  # by the path of a layer, as the graph has them
        self.written: dict[str, Range] = {}
        self.norms: dict[str, tuple[str, Any]] = {}  # of a convolution: the path of the batch norm behind it, and it
        self.before_relu: set[str] = set()  # the layers whose output ReLU alone reads
        self._cut: dict[str, Range] = {}  # what ReLU is to read, by name
        self._made: dict[str, str] = {}  # integers made floats again, by the name of what they were made of
        self._within: dict[str, Range] = {}  # their ranges, by their own name
        readers: dict[str, list[Any]] = {}
        for node in template.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        for node in template.graph.node:
            if node.op_type == LAYER and isinstance(layers.get(path := _path(node)), nn.Conv2d):
                last = path
                behind = _only(readers, node.output[0])
                if behind is not None and isinstance(layers.get(at := _path(behind)), nn.BatchNorm2d):
                    self.norms[path], last = (at, layers[at]), at
                    behind = _only(readers, behind.output[0])
                if behind is not None and behind.op_type == "Relu":
                    self.before_relu.add(last)

    def read_by(self, graph: GraphBuilder, path: str, name: str) -> tuple[str, Range]:
        """Return a tensor as integers made floats again, for a layer that reads it, and the range that they have."""
        name = self._made.get(name, name)
        if name not in self._within:  # the layer before wrote no integers
            name = self.integers(graph, name, self.ranges.read(path), path)
        within = self.read[path] = self._within[name]
        return name, within

    def integers(self, graph: GraphBuilder, name: str, within: Range, place: str) -> str:
        """Return a tensor as integers made floats again."""
        if name not in self._made:
            scale = graph.tensor(f"{name}.scale", np.array(within.scale, dtype=np.float32))
            zero = graph.tensor(f"{name}.zero", np.array(within.zero, dtype=np.uint8))
            rounded = graph.node("QuantizeLinear", [name, scale, zero], place)
            made = self._made[name] = graph.node("DequantizeLinear", [rounded, scale, zero], place)
            self._within[made] = within
        return self._made[name]

    def settled(self, graph: GraphBuilder, name: str, place: str) -> str:
        """Return what a layer at `place` writes as integers, unless its ReLU does that."""
        is_cut = place in self.before_relu
        within = self.written[place] = self.ranges.written(place, above_zero=is_cut)
        if not is_cut:
            return self.integers(graph, name, within, place)
        self._cut[name] = within
        return name

    def behind_relu(self, graph: GraphBuilder, node: Any) -> dict[str, str]:
        """Return the new name of what a kept ReLU writes, where it stands behind such a layer."""
        within = self._cut.get(node.input[0]) if node.op_type == "Relu" else None
        return {node.output[0]: self.integers(graph, node.output[0], within, node.name)} if within else {}


def convolution(
    graph: GraphBuilder, fixed: Fixed, path: str, layer: nn.Conv2d, stored: Stored, inputs: str, **named: Any
) -> str:
    """Add a convolution of integers, with the batch norm behind it; return the name of its output."""
    whole = path.removesuffix(f".{FROM_RANK}")
    is_inner = hasattr(layer, FROM_RANK)  # of two layers
    place, norm = (whole, None) if is_inner else fixed.norms.get(whole, (whole, None))
    codes, scales, bias = _folded(layer, stored, norm)
    inputs, within = fixed.read_by(graph, path, inputs)
    held = [
        inputs,
        _weight(graph, path, codes, scales, axis=0),
        _whole_bias(graph, path, bias, scales * within.scale),
    ]
    output = graph.node("Conv", held, path, **named)
    if is_inner:
        return output
    if norm is not None:
        fixed.folded.add(place)
    return fixed.settled(graph, output, place)


def product(graph: GraphBuilder, fixed: Fixed, path: str, stored: Stored, inputs: str) -> str:
    """Add the product of inputs `(…, columns)` and a weight `(rows, columns)`; return the name of the output."""
    inputs, _ = fixed.read_by(graph, path, inputs)
    weight = _weight(graph, path, stored.codes.t(), _scales(stored).flatten(), axis=1)
    return graph.node("MatMul", [inputs, weight], path)


def _weight(graph: GraphBuilder, path: str, codes: Tensor, scales: Tensor, *, axis: int) -> str:
    """Add codes, int8, with scales along an axis as a weight; return its name."""
    held = [graph.tensor(f"{path}.codes", codes), graph.tensor(f"{path}.scales", scales)]
    zeros = graph.tensor(f"{path}.middle", np.zeros(len(scales), dtype=np.int8))
    return graph.node("DequantizeLinear", [*held, zeros], path, axis=axis)


def _folded(layer: nn.Conv2d, stored: Stored, norm: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes, scales `(rows,)` and bias `(rows,)` of a convolution with the batch norm behind it, if any."""
    scales = _scales(stored).flatten()
    bias = torch.zeros_like(scales) if layer.bias is None else layer.bias.detach()
    if norm is None:
        return stored.codes, scales, bias
    factor = (norm.running_var + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight.detach())
    codes = stored.codes * torch.where(factor < 0, -1, 1).to(torch.int8)[:, None, None, None]
    shift = 0 if norm.bias is None else norm.bias.detach()
    return codes, scales * factor.abs(), (bias - norm.running_mean) * factor + shift


def _whole_bias(graph: GraphBuilder, path: str, bias: Tensor, steps: Tensor) -> str:
    """Add a bias in whole numbers of the steps `(rows,)` that sums of products have; return its name."""
    whole = (bias / steps).round().clamp(-(2**31) + 1, 2**31 - 1).to(torch.int32)
    held = [graph.tensor(f"{path}.bias", whole), graph.tensor(f"{path}.steps", steps)]
    return graph.node("DequantizeLinear", held, path, axis=0)


def _scales(stored: Stored) -> Tensor:
    if stored.scales is None:
        raise TypeError("16-bit weights have no scales")
    return stored.scales


def _path(node: Any) -> str:
    return helper.get_node_attr_value(node, PATH).decode() if node.op_type == LAYER else ""


def _only(readers: Mapping[str, list[Any]], name: str) -> Any:
    """Return the only operator that reads a tensor, None where there are several."""
    found = readers.get(name, [])
    return found[0] if len(found) == 1 else None
