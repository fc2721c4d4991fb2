"""A parcel: one object with all that it refers to, whose arrays and tensors many processes read from one place.

`pickle` copies what it writes. Here numbers stay outside of the pickled bytes, in buffers: of a memory-mapped file for
processes of one machine, of Ray's object store for those of a cluster. Closures and functions of a notebook go along.
"""

from __future__ import annotations

import io
import pickle
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ALIGNED = 64  # bytes: where buffers begin in a file, so that vector instructions read them without a detour
Buffer = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Parcel:
    """Pickled bytes, and the numbers that they refer to."""

    data: bytes
    buffers: Sequence[Buffer]

    @property
    def nbytes(self) -> int:
        """The size of all of it."""
        return len(self.data) + sum(buffer.nbytes for buffer in self.buffers)


def pack(value: object) -> Parcel:
    """Return a parcel of a value. Raises `InputError` for what cannot travel: the caller's own object holds it."""
    written, buffers = io.BytesIO(), list[Buffer]()

    def keep(buffer: pickle.PickleBuffer) -> None:
        buffers.append(np.frombuffer(buffer.raw(), np.uint8))

    try:
        _Pickler(written, protocol=5, buffer_callback=keep).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InputError("workers", f"what was given in Python cannot go to another process: {error}") from error
    return Parcel(written.getvalue(), buffers)


def unpack(parcel: Parcel) -> Any:  # Any: what was packed
    """Return the value of a parcel; its numbers are not copied."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nor does anyone write
        return _Unpickler(io.BytesIO(parcel.data), buffers=parcel.buffers).load()


def write_parcel(parcel: Parcel, path: Path) -> None:
    """Write a parcel to a file, for `read_parcel`."""
    sizes = [buffer.nbytes for buffer in parcel.buffers]
    head = pickle.dumps((len(parcel.data), sizes))
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8))
        file.write(head)
        file.write(parcel.data)
        for buffer in parcel.buffers:
            file.write(b"\0" * (-file.tell() % ALIGNED))
            file.write(buffer.data)


def read_parcel(path: Path) -> Parcel:
    """Return the parcel of a file, memory-mapped: processes share its pages, and a write stays with its writer."""
    mapped = np.memmap(path, np.uint8, mode="c")
    begin = 8 + int.from_bytes(mapped[:8].tobytes())
    length, sizes = pickle.loads(mapped[8:begin].tobytes())
    place, buffers = begin + length, list[Buffer]()
    for size in sizes:
        place += -place % ALIGNED
        buffers.append(mapped[place : place + size])
        place += size
    return Parcel(mapped[begin : begin + length].tobytes(), buffers)


class _Unpickler(pickle.Unpickler):
    """Has a torchvision that does not fit torch imported without harm."""

    def find_class(self, module: str, name: str) -> Any:  # Any: as in pickle
        if module.split(".", 1)[0] in ("transformers", "torchvision"):
            from optimizer.torchvision_ops import admit_torchvision

            admit_torchvision()
        return super().find_class(module, name)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Puts the memory of tensors into buffers, shared memory once, and remakes caches of methods, empty."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._storages: dict[int, tuple[Buffer, torch.UntypedStorage]] = {}

    def reducer_override(self, value: Any) -> Any:  # Any: as in pickle
        """Return how to remake a value; anything else is cloudpickle's."""
        if (torch := sys.modules.get("torch")) is not None:
            if type(value) in (torch.Tensor, torch.nn.Parameter) and _is_plain(value):
                return self._of_tensor(value)
            if isinstance(value, torch.device) and value.type == "cuda":
                return torch.device, ("cuda",)  # a worker sees its own GPU alone
        if isinstance(value, _CACHED) and not _is_named(value):
            return _cached, (value.__wrapped__, value.cache_parameters()["maxsize"])
        return super().reducer_override(value)

    def _of_tensor(self, value: Tensor) -> tuple[Callable[..., Tensor], tuple[Any, ...]]:
        memory = self._memory(value.detach().untyped_storage())
        shape = value.dtype, value.storage_offset(), tuple(value.shape), value.stride()
        is_parameter = type(value).__name__ == "Parameter"
        return _tensor, (memory, *shape, value.device.type, is_parameter, value.requires_grad)

    def _memory(self, storage: torch.UntypedStorage) -> Buffer:
        import torch

        if storage.data_ptr() not in self._storages:
            raw = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
            self._storages[storage.data_ptr()] = raw.cpu().numpy(), storage
        return self._storages[storage.data_ptr()][0]


_CACHED = type(lru_cache(lambda: None))


def _is_plain(value: Tensor) -> bool:
    import torch

    return value.layout is torch.strided and value.device.type in ("cpu", "cuda") and not value.is_quantized


def _is_named(function: Any) -> bool:
    try:
        return bool(attrgetter(function.__qualname__)(sys.modules[function.__module__]) is function)
    except (AttributeError, KeyError):
        return False


def _cached(function: Callable[..., Any], size: int | None) -> Callable[..., Any]:
    return lru_cache(size)(function)


def _tensor(
    memory: Buffer,
    dtype: torch.dtype,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    device: str,
    is_parameter: bool,  # noqa: FBT001 - pickle hands arguments over by position
    requires_grad: bool,  # noqa: FBT001
) -> Tensor:
    import torch

    bare = torch.from_numpy(memory).view(dtype).as_strided(shape, stride, offset).to(device)
    return torch.nn.Parameter(bare, requires_grad) if is_parameter else bare.requires_grad_(requires_grad)
