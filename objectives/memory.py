"""Peak memory of one inference: the model's own bytes plus the most that its forward pass holds at once.

Counting starts from what is allocated before the pass, so that another model on the same device costs this one nothing.
On CUDA and the CPU alike it counts bytes of tensors, not pages that an allocator keeps in reserve.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from objectives.device import device_of
from objectives.dispatch import Dispatch
from objectives.measurement import Conditions, Measurement, Source
from objectives.peaks import cuda_peak
from objectives.tensors import parts_of, tensor_bytes


class LiveBytes(Dispatch):
    """Follows every storage that operators allocate on the CPU until it is freed.

    `live` and `peak` are bytes above those at entry. These are the figures of the profiler's allocator events, but for
    what a kernel makes for itself (scalars, on the models here), without its words on standard error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],  # Any: an operator's schema decides what it takes and returns
        _types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operator and note the storages that it made."""
        kwargs = kwargs or {}
        self._known.update(_storages((args, kwargs)))
        result = func(*args, **kwargs)
        for storage in _storages(result):
            if storage not in self._known:
                self._follow(storage)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        self._known.add(storage)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, storage.nbytes()).atexit = False

    def _forget(self, size: int) -> None:
        self.live -= size


def _storages(values: object) -> list[torch.UntypedStorage]:
    tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]
    return [part.untyped_storage() for tensor in tensors for part in parts_of(tensor)]


def peak_memory_bytes(run: Callable[[], object], model: nn.Module) -> int:
    """Return the bytes of the model's tensors plus the peak of what one `run` allocates in addition.

    Args:
        run: one forward pass of `model` on its device; called twice, first to warm up. What it returns is dropped.
        model: on CUDA or the CPU.

    Raises:
        ValueError: for a device whose allocations cannot be followed.
    """
    device = device_of(model)
    run()  # workspaces that a library allocates once do not belong to the pass
    if device.type == "cuda":
        return _weight_bytes(model) + _cuda_peak(run, device)
    if device.type != "cpu":
        raise ValueError(f"memory: peak memory is counted on cpu and cuda, not on {device.type}")
    followed = LiveBytes()
    with followed:
        run()
    return _weight_bytes(model) + followed.peak


def measure_memory(run: Callable[[], object], model: nn.Module, *, conditions: Conditions) -> Measurement:
    """Return `peak_memory_bytes` as a measurement; `conditions` say the batch and the length that `run` passes."""
    value = peak_memory_bytes(run, model)
    conditions = {**conditions, "device": str(device_of(model))}
    return Measurement(quantity="memory", value=value, unit="bytes", source=Source.COUNTED, conditions=conditions)


def _cuda_peak(run: Callable[[], object], device: torch.device) -> int:
    with cuda_peak(device) as peak:
        run()
        torch.cuda.synchronize(device)
        return peak()


def _weight_bytes(model: nn.Module) -> int:
    tensors = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    return sum(tensor_bytes(tensor) for tensor in tensors.values())
