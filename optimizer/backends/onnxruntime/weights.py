"""Weights of few bits as operators: what a graph has in the place of a layer whose weight is `Stored`.

An 8-bit weight of a linear layer is multiplied by integers, which are made of its input when the model runs, each token
with a scale of its own: so its answer does not depend on its neighbours. All other codes become floats again, so that
only the file is smaller.

Activations are unsigned bytes and codes signed ones. Such products take half the time of unsigned ones where the CPU
has instructions for them (VNNI). Where it has none, two of them can exceed the 16 bits in which x86 processors add them
up: sessions there have the codes made unsigned (`EXACT` in `session`), so the sums are the same integers everywhere.
"""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor, nn

from optimizer.backends.onnxruntime.graph import MICROSOFT, GraphBuilder
from search_spaces.layouts.modeling_pruned import BLOCK
from search_spaces.layouts.stored import Stored

MIDDLE = {8: 128, 4: 8}  # of unsigned codes
STEPS = 127  # of integers of activations on either side of zero


def product(graph: GraphBuilder, path: str, stored: Stored, inputs: str) -> str:
    """Add the product of inputs `(…, columns)` and a stored weight `(rows, columns)`; return the name of the output."""
    match stored.bits:
        case 8:
            return _of_integers(graph, path, stored, inputs)
        case 4:
            return _of_blocks(graph, path, stored, inputs)
        case _:
            return graph.node("MatMul", [inputs, _cast(graph, path, stored.codes.t())], path)


def rows_at(graph: GraphBuilder, path: str, stored: Stored, places: str) -> str:
    """Add what reads rows of a stored table at int64 `places`; return the name of the output."""
    codes = f"{path}.codes"
    match stored.bits:
        case 8:
            read = graph.node("Gather", [graph.tensor(codes, stored.codes), places], path)
            scales = graph.node("Gather", [graph.tensor(f"{path}.scales", _scales(stored)), places], path)
            return graph.node("Mul", [graph.node("Cast", [read], path, to=TensorProto.FLOAT), scales], path)
        case 4:
            named = {"block_size": BLOCK, "quantize_axis": 1, "gather_axis": 0, "bits": 4}
            table = [graph.tensor(codes, _pairs(stored.codes)), places, graph.tensor(f"{path}.scales", _scales(stored))]
            return graph.node("GatherBlockQuantized", table, path, domain=MICROSOFT, **named)
        case _:
            read = graph.node("Gather", [graph.tensor(codes, stored.codes), places], path)
            return graph.node("Cast", [read], path, to=TensorProto.FLOAT)


def kernel(graph: GraphBuilder, path: str, layer: nn.Conv2d, stored: Stored | None) -> str:
    """Add the weight of a convolution in floats; return its name."""
    if stored is None:
        return graph.tensor(f"{path}.weight", layer.weight)
    if stored.scales is None:
        return _cast(graph, path, stored.codes)
    scales = graph.tensor(f"{path}.scales", _scales(stored).flatten())
    return graph.node("DequantizeLinear", [graph.tensor(f"{path}.codes", stored.codes), scales], path, axis=0)


def _of_integers(graph: GraphBuilder, path: str, stored: Stored, inputs: str) -> str:
    """Add a product of integers; layers that read one tensor share its integers.

    The operators that ONNX Runtime would fuse (`MatMulInteger`, `Cast`, `Mul`) take one scale for all tokens, also
    where they are given one for each. So a token's scale multiplies behind its own fused operator.
    """
    if inputs not in graph.integers:
        graph.integers[inputs] = _by_token(graph, path, inputs)
    values, largest = graph.integers[inputs]
    codes = graph.tensor(f"{path}.codes", stored.codes.t())
    scales = graph.tensor(f"{path}.scales", _scales(stored).flatten())
    middle = graph.tensor(f"{path}.middle", np.zeros(len(stored.codes), dtype=np.int8))
    held = [values, codes, _step(graph), scales, _zero(graph), middle]
    return graph.node("Mul", [graph.node("MatMulIntegerToFloat", held, path, domain=MICROSOFT), largest], path)


def _by_token(graph: GraphBuilder, path: str, inputs: str) -> list[str]:
    """Add what makes integers of every token; return their name, and that of the tokens' largest values `(…, 1)`.

    A token of zeros is divided by zero: whatever that makes is multiplied by its largest value, 0. To multiply by a
    reciprocal takes two thirds of the time of `Div` where a request is large.
    """
    last = graph.tensor("last_axis", np.array([-1], dtype=np.int64))
    largest = graph.node("ReduceMax", [graph.node("Abs", [inputs], path), last], path, keepdims=1)
    shares = graph.node("Mul", [inputs, graph.node("Reciprocal", [largest], path)], path)
    return [graph.node("QuantizeLinear", [shares, _step(graph), _zero(graph)], path), largest]


def _step(graph: GraphBuilder) -> str:
    return graph.tensor("integers.step", np.array(1 / STEPS, dtype=np.float32))


def _zero(graph: GraphBuilder) -> str:
    return graph.tensor("integers.zero", np.array(MIDDLE[8], dtype=np.uint8))


def _of_blocks(graph: GraphBuilder, path: str, stored: Stored, inputs: str) -> str:
    rows, columns = stored.codes.shape
    padded = nn.functional.pad(stored.codes, (0, -columns % BLOCK))
    codes = graph.tensor(f"{path}.codes", _pairs(padded).reshape(rows, -1, BLOCK // 2))
    scales = graph.tensor(f"{path}.scales", _scales(stored).flatten())
    named = {"K": columns, "N": rows, "bits": 4, "block_size": BLOCK}
    return graph.node("MatMulNBits", [inputs, codes, scales], path, domain=MICROSOFT, **named)


def _cast(graph: GraphBuilder, path: str, halves: Tensor) -> str:
    return graph.node("Cast", [graph.tensor(f"{path}.weight", halves)], path, to=TensorProto.FLOAT)


def _scales(stored: Stored) -> Tensor:
    """Return the scales `(rows, blocks)`."""
    if stored.scales is None:
        raise TypeError("16-bit weights have no scales")
    return stored.scales.float()


def _pairs(codes: Tensor) -> Tensor:
    """Return two codes of 4 bits, int8, in each byte, unsigned, the first one in its lower half."""
    even = nn.functional.pad(codes, (0, 1)) if codes.shape[1] % 2 else codes
    both = even.contiguous().view(torch.int16)  # the first of two codes is in the lower byte
    return both.bitwise_and(15).bitwise_or_((both >> 4).bitwise_and_(240)).bitwise_xor_(MIDDLE[4] * 17).to(torch.uint8)
