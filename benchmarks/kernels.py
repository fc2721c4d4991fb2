"""Ways of running one linear layer in few bits on the CPU, beside float32 in ONNX Runtime.

    python -m benchmarks.kernels [--shapes 384x1536 1536x384] [--rows 24 768]

A shape is inputs x outputs, rows are tokens. Each way runs on one thread, all in turn, in every round; printed is the
median of thread CPU time as a share of float32's. `whole` takes the scale of the activations from all that a call
contains, `rows` from each token, `fixed` has one that is known before; `blocks` are `MatMulNBits`, which makes integers
of every block of a token. Codes of weights are `u8` about 128, or `s8` about 0: products of these are exact on CPUs
with instructions for them alone. torch runs in float32 and bfloat16.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from objectives.device import vector_instructions
from optimizer.backends.onnxruntime.graph import MICROSOFT, GraphBuilder, beside, written
from optimizer.backends.onnxruntime.session import session_of
from search_spaces.transforms.bits.rounding import rounded

Array = NDArray[np.float32]
Way = Callable[[GraphBuilder, torch.Tensor], str]  # adds what makes "x" into the output, whose name it returns
OPSET, IR = 21, 10
MIDDLE = 128  # of the unsigned codes of activations


def floats(graph: GraphBuilder, weight: torch.Tensor) -> str:
    """Float32."""
    return graph.node("MatMul", ["x", graph.tensor("weight", weight.t())], "layer")


def of_integers(scales: str, kind: str, graph: GraphBuilder, weight: torch.Tensor) -> str:
    """A product of 8-bit integers."""
    stored = rounded(weight, 8)
    if stored.scales is None:
        raise TypeError("8-bit weights have scales")
    moved = stored.codes if kind == "s8" else (stored.codes.to(torch.int16) + MIDDLE).to(torch.uint8)
    codes = graph.tensor("codes", moved.t())
    middle = graph.tensor("middle", torch.full((len(weight),), 0 if kind == "s8" else MIDDLE, dtype=moved.dtype))
    if scales == "whole":
        values, scale, zero = graph.outputs_of("DynamicQuantizeLinear", ["x"], "layer", 3)
        scale_inside = scale
    else:
        zero = graph.tensor("zero", np.array(MIDDLE, dtype=np.uint8))
        scale_inside = graph.tensor("inside", np.array(1 if scales == "rows" else 0.04, dtype=np.float32))
        read = "x"
        if scales == "rows":
            most = graph.node("ReduceMax", [graph.node("Abs", ["x"], "layer"), _axis(graph)], "layer")
            scale = graph.node("Mul", [most, graph.tensor("step", np.array(1 / 127, dtype=np.float32))], "layer")
            read = graph.node("Div", ["x", scale], "layer")
        values = graph.node("QuantizeLinear", [read, scale_inside, zero], "layer")
    column_scales = graph.tensor("scales", stored.scales.flatten())
    named = [values, codes, scale_inside, column_scales, zero, middle]
    product = graph.node("MatMulIntegerToFloat", named, "layer", domain=MICROSOFT)
    return graph.node("Mul", [product, scale], "layer") if scales == "rows" else product


def of_blocks(bits: int, block: int, graph: GraphBuilder, weight: torch.Tensor) -> str:
    """Integers of every block of activations, by the operator for weights of few bits."""
    rows, columns = weight.shape
    padded = nn.functional.pad(weight, (0, -columns % block)).reshape(rows, -1, block)
    scales = padded.abs().amax(dim=2, keepdim=True) / (2 ** (bits - 1) - 1)
    codes = ((padded / scales).round() + 2 ** (bits - 1)).to(torch.uint8)
    held = codes if bits == 8 else codes[..., ::2] | codes[..., 1::2] << 4
    inputs = ["x", graph.tensor("codes", held), graph.tensor("scales", scales.flatten())]
    named = {"K": columns, "N": rows, "bits": bits, "block_size": block, "accuracy_level": 4}
    return graph.node("MatMulNBits", inputs, "layer", domain=MICROSOFT, **named)


WAYS: Mapping[str, Way] = {
    "float32": floats,
    **{
        f"{scales} {kind}": partial(of_integers, scales, kind)
        for scales in ("whole", "rows", "fixed")
        for kind in ("u8", "s8")
    },
    **{f"blocks {bits}:{block}": partial(of_blocks, bits, block) for bits in (8, 4) for block in (32, 128)},
}


def session(way: Way, weight: torch.Tensor, bias: torch.Tensor) -> Any:  # Any: onnxruntime is untyped
    """Return a session of one layer on one thread."""
    graph = GraphBuilder()
    output = graph.node("Add", [way(graph, weight), graph.tensor("bias", bias)], "whole")
    form = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", weight.shape[1]])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    template = helper.make_model(helper.make_graph([], "layer", form, outputs), ir_version=IR)
    template.opset_import[0].CopyFrom(onnx.helper.make_opsetid("", OPSET))
    return session_of(written(graph, template, whole=False).SerializeToString(), beside(graph), 1)


def runs(weight: torch.Tensor, inputs: Array) -> dict[str, Callable[[], object]]:
    """Return what runs a layer once, by the names of the ways."""
    bias, given = torch.randn(len(weight)), torch.from_numpy(inputs)
    found: dict[str, Callable[[], object]] = {
        name: partial(session(way, weight, bias).run, None, {"x": inputs}) for name, way in WAYS.items()
    }
    for dtype in (torch.float32, torch.bfloat16):
        own = partial(nn.functional.linear, given.to(dtype), weight.to(dtype), bias.to(dtype))
        found[f"torch {str(dtype).removeprefix('torch.')}"] = own
    return found


def timed(ways: Mapping[str, Callable[[], object]], rounds: int, each: int) -> dict[str, float]:
    """Return the median seconds of thread CPU time of a run, by the names of the ways."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            began = time.thread_time()
            for _ in range(each):
                run()
            taken[name].append((time.thread_time() - began) / each)
    return {name: float(np.median(times)) for name, times in taken.items()}


def _axis(graph: GraphBuilder) -> str:
    return graph.tensor("axis", np.array([-1], dtype=np.int64))


def main() -> None:
    """Print a Markdown table, a row for every shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["384x384", "384x1536", "1536x384", "384x128", "400x384"])
    parser.add_argument("--rows", type=int, nargs="+", default=[24, 768])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, {' '.join(vector_instructions())}\n")
    for index, (rows, shape) in enumerate((rows, shape) for rows in options.rows for shape in options.shapes):
        columns, outputs = map(int, shape.split("x"))
        inputs = torch.randn(1, rows, columns).numpy()
        with torch.inference_mode():
            seconds = timed(runs(0.05 * torch.randn(outputs, columns), inputs), options.rounds, max(1, 240 // rows))
        if not index:
            print(f"| rows | shape | {' | '.join(seconds)} |\n|--:|---|{'--:|' * len(seconds)}")
        whole = seconds["float32"]
        shares = (f"{1e6 * whole:.0f} µs" if name == "float32" else f"{s / whole:.2f}" for name, s in seconds.items())
        print(f"| {rows} | {shape} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
