"""Small networks, pruned by anyone: state dicts, a graph and folders, as `optimize analyze` finds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

SHAPE = (3, 12, 12)


def network(first: int = 8, second: int = 12) -> nn.Sequential:
    """Return a dense network, or one of other widths."""
    return nn.Sequential(
        nn.Conv2d(3, first, 3, padding=1),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, first, 3, padding=1, groups=first),
        nn.Conv2d(first, second, 3),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * second, 5),
    )


def save_networks(place: Path, widths: dict[str, tuple[int, int]]) -> Path:
    """Write the state dicts of networks by name."""
    place.mkdir(parents=True, exist_ok=True)
    for name, (first, second) in widths.items():
        torch.save(network(first, second).state_dict(), place / f"{name}.pth")
    return place


def save_graph(path: Path, *, operator: str = "", batch: str | int = "n") -> Path:
    """Write a graph of a convolution and a product: 3x6x6 -> 5."""
    rng = np.random.default_rng(0)
    shapes = {"kernel": (4, 3, 3, 3), "matrix": (64, 5)}
    tensors = [onnx.numpy_helper.from_array(rng.normal(size=s).astype("float32"), n) for n, s in shapes.items()]
    tensors.append(onnx.numpy_helper.from_array(np.array([0, 64]), "shape"))
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["f"]),
        helper.make_node("MatMul", ["f", "matrix"], ["m"]),
        helper.make_node("Einsum", ["m"], ["y"], equation="ab->ab")
        if operator
        else helper.make_node("Relu", ["m"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])
        for name, shape in (("image", (3, 6, 6)), ("y", (5,)))
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
