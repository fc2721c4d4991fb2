"""Bytes that a forward pass moves: every operator reads its operands and writes its results once.

So weights are charged once per pass, which is why a small batch costs more per inference than a large one. No operator
reads perfectly, so it is an estimate, the same for every config. What was there before the pass, weights above all, is
told from what the pass made itself a moment ago: it comes from farther.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from objectives.dispatch import Dispatch, is_compound
from objectives.energy.computed import FLOAT32, Computed, Traffic
from objectives.tensors import parts_of, tensor_bytes


class TrafficCounter(Dispatch):
    """Adds up, in `traffic`, the operands and results of the operators that run inside it."""

    def __init__(self) -> None:
        super().__init__()
        self._outside = 0
        self._inside = Counter[int]()
        self._made: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        self._seen: weakref.WeakKeyDictionary[torch.UntypedStorage, int] = weakref.WeakKeyDictionary()
        self._footprint, self._largest = 0, 0

    @property
    def traffic(self) -> Traffic:
        """What was moved so far."""
        return Traffic(self._outside, self._footprint + self._largest, dict(self._inside))

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        _types: Sequence[type],
        args: tuple[Any, ...] = (),  # Any: an operator's schema decides what it takes and returns
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operator and add its bytes."""
        operands = _tensors((args, kwargs))
        before = [tensor for tensor in operands if not self._is_made(tensor)]
        result = func(*args, **(kwargs or {}))
        written = _tensors(result)
        for tensor in written:
            if not func.is_view and not any(tensor is operand for operand in operands):
                self._made.update(part.untyped_storage() for part in parts_of(tensor))
        if not func.is_view:
            self._add(func, operands, before, written)
        return result

    def _add(
        self,
        func: torch._ops.OpOverload,
        operands: Sequence[torch.Tensor],
        before: Sequence[torch.Tensor],
        written: Sequence[torch.Tensor],
    ) -> None:
        wrote = sum(map(tensor_bytes, written))
        if func.overloadpacket is torch.ops.aten.embedding:
            read_outside, read = wrote, wrote  # a look-up reads the rows that it returns, not the whole table
            self._footprint += wrote
        else:
            read_outside = sum(map(tensor_bytes, before))
            read = sum(map(tensor_bytes, operands))
            for tensor in before:
                self._touch(tensor)
        near = read - read_outside + wrote
        self._outside += read_outside
        self._inside[1 << near.bit_length()] += near
        self._largest = max(self._largest, near)

    def _touch(self, tensor: torch.Tensor) -> None:
        for part in parts_of(tensor):
            storage, size = part.untyped_storage(), int(part.nbytes)
            self._footprint += max(0, size - self._seen.get(storage, 0))
            self._seen[storage] = max(size, self._seen.get(storage, 0))

    def _is_made(self, tensor: torch.Tensor) -> bool:
        return all(part.untyped_storage() in self._made for part in parts_of(tensor))


class _FlopCounter(Dispatch):
    """Adds up FLOPs by the laws of torch's own counter, which looks after modules as well and takes twice as long."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, _types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # Any: torch's operators are untyped
        named, law = kwargs or {}, flop_registry.get(func._overloadpacket)
        if law is None and is_compound(func):
            with self:  # the operators that it consists of
                return func.decompose(*args, **named)
        result = func(*args, **named)
        if law is not None:
            self.total += law(*args, **named, out_val=result)
        return result


def _tensors(values: object) -> list[torch.Tensor]:
    """Return the tensors in what an operator takes or returns: values, lists and the named ones."""
    if isinstance(values, torch.Tensor):
        return [values]
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def count_traffic(run: Callable[[], object]) -> Traffic:
    """Return the bytes that one `run` moves."""
    counter = TrafficCounter()
    with counter:
        run()
    return counter.traffic


def count_computed(run: Callable[[], object], precision: str = FLOAT32) -> Computed:
    """Return what one `run` computes, all in one precision, and moves."""
    traffic, flops = TrafficCounter(), _FlopCounter()
    with traffic, flops:
        run()
    return Computed.of(flops.total, traffic.traffic, precision)
