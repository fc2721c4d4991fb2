"""A graph being built: operators in their order, and the tensors that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
HELD = 1024  # bytes of a tensor that a graph holds itself: among these are the shapes that are read while it is loaded
Array = NDArray[Any]


class GraphBuilder:
    """Nodes, and tensors by name; `integers` says, by its name, what a tensor is as integers: values, their scales."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []  # of onnx, which is untyped
        self.tensors: dict[str, Array] = {}
        self.integers: dict[str, list[str]] = {}
        self.fixed: Any = None  # what is known of integers whose scales are fixed
        self._taken: set[str] = set()

    def tensor(self, name: str, value: Tensor | Array) -> str:
        """Add a tensor under its name, once; return the name."""
        if name not in self.tensors:
            self.tensors[name] = value.detach().cpu().contiguous().numpy() if isinstance(value, Tensor) else value
        return name

    def node(self, kind: str, inputs: Iterable[str], place: str, *, domain: str = "", **named: Any) -> str:
        """Add an operator of one output; return the output's name.

        `place` says where it belongs; names are made of it and the kind.
        """
        (output,) = self.outputs_of(kind, inputs, place, 1, domain=domain, **named)
        return output

    def outputs_of(
        self, kind: str, inputs: Iterable[str], place: str, outputs: int, *, domain: str = "", **named: Any
    ) -> list[str]:
        """Add an operator of several outputs; return their names."""
        name = self._own(f"{place}.{kind}")
        names = [name, *(f"{name}.{index}" for index in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, [*inputs], names, name=name, domain=domain, **named))
        return names

    def keep(self, node: Any, renamed: Mapping[str, str]) -> None:
        """Add a finished operator, which reads outputs by their new names."""
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        kept.input[:] = [renamed.get(name, name) for name in node.input]
        self.nodes.append(kept)

    def drop_dead(self, outputs: Iterable[str]) -> None:
        """Remove what no output needs."""
        needed, alive = set(outputs), []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                alive.append(node)
        self.nodes = alive[::-1]
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if name in needed}

    def _own(self, name: str) -> str:
        number, own = 1, name
        while own in self._taken:
            number += 1
            own = f"{name}_{number}"
        self._taken.add(own)
        return own


def written(graph: GraphBuilder, template: Any, *, whole: bool) -> Any:
    """Return a graph as an `onnx.ModelProto` with the inputs and outputs of a template.

    One that is not `whole` leaves out the values of large tensors, which a session is given beside it.
    """
    made = onnx.ModelProto(ir_version=template.ir_version, producer_name="pruning-optimizer")
    made.opset_import.extend(each for each in template.opset_import if not each.domain)
    made.opset_import.add(domain=MICROSOFT, version=1)
    made.graph.name = template.graph.name
    made.graph.input.extend(template.graph.input)
    made.graph.output.extend(template.graph.output)
    made.graph.node.extend(graph.nodes)
    made.graph.initializer.extend(
        numpy_helper.from_array(tensor, name) if whole or tensor.nbytes <= HELD else _outside(name, tensor)
        for name, tensor in graph.tensors.items()
    )
    return made


def beside(graph: GraphBuilder) -> dict[str, Array]:
    """Return the tensors that a graph which is not whole leaves out, by name."""
    return {name: tensor for name, tensor in graph.tensors.items() if tensor.nbytes > HELD}


def _outside(name: str, tensor: Array) -> Any:
    made = TensorProto(name=name, dims=tensor.shape, data_type=helper.np_dtype_to_tensor_dtype(tensor.dtype))
    made.data_location = TensorProto.EXTERNAL
    made.external_data.add(key="location", value="memory")
    return made


def nodes_of(graph: Any) -> Iterator[Any]:  # Any: onnx's GraphProto and NodeProto
    """Yield the operators of a graph, those of its branches and loops among them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes_of(inner)
