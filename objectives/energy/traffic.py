"""Bytes that a forward pass moves: every operator reads its operands and writes its results once.

So weights are charged once per pass, which is why a small batch costs more per inference than a large one. Caches keep
some of it from memory and no operator reads perfectly, so it is an estimate, the same for every config.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from objectives.tensors import tensor_bytes


class TrafficCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Adds up, in `bytes_moved`, the operands and results of the operators that run inside it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.bytes_moved = 0

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        _types: Sequence[type],
        args: tuple[Any, ...] = (),  # Any: an operator's schema decides what it takes and returns
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operator and add its bytes."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.bytes_moved += _bytes(result) + _bytes_read(func, (args, kwargs), result)
        return result


def _bytes_read(func: torch._ops.OpOverload, operands: object, result: object) -> int:
    if func.overloadpacket is torch.ops.aten.embedding:
        return _bytes(result)  # a look-up reads the rows that it returns, not the whole table
    return _bytes(operands)


def _bytes(values: object) -> int:
    return sum(tensor_bytes(leaf) for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


def count_traffic(run: Callable[[], object]) -> int:
    """Return the bytes that one `run` moves."""
    counter = TrafficCounter()
    with counter:
        run()
    return counter.bytes_moved
